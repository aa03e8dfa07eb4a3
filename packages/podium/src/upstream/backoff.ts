/** Owns how long Podium waits before it asks an upstream again: 0.25 s doubling to 5 s, with jitter. */

const DELAY_MS_MIN = 250;
const DELAY_MS_MAX = 5_000;

/** The pause after the `failures`-th failure in a row (from 1); `random` in [0, 1) takes off up to half. */
export function backoffMs(failures: number, random: number): number {
  const ceilingMs = Math.min(DELAY_MS_MAX, DELAY_MS_MIN * 2 ** (failures - 1));
  return Math.round(ceilingMs * (1 - random / 2));
}

/** Sleeps for the pause, or returns early when `signal` aborts. */
export async function backOff(failures: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, backoffMs(failures, Math.random()));
    signal.addEventListener("abort", finish);
  });
}
