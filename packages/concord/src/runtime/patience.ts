/** Owns waiting out a server that went away or is starting: work already accepted is not failed because Postgres restarts. */

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2_000;

/** Repeats `work` for as long as it fails with something that passes; any other error is thrown. */
export async function patiently<T>(
  isPassing: (error: unknown) => boolean,
  work: () => Promise<T>,
): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
}
