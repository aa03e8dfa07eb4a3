/** Owns when an operation is tried again (RTY-1…RTY-4). Pure: the clock is passed in. */
import { isRetryable } from "./errors.ts";
import type { ErrorClass } from "./vocabulary.ts";

export interface RetryPolicy {
  /** All attempts, the first included. */
  readonly attemptsMax: number;
  /** After attempt i wait `waitsSeconds[i-1]`; the last value repeats. */
  readonly waitsSeconds: readonly number[];
}

export const NO_RETRY: RetryPolicy = { attemptsMax: 1, waitsSeconds: [] };

/** How much longer a wait may become by chance. */
const SPREAD_MAX = 0.2;

/** A wait made longer by `unit` (0 to below 1, by chance), so that what failed together does not come back together. */
export function spreadMs(waitMs: number, unit: number): number {
  return Math.round(waitMs * (1 + SPREAD_MAX * unit));
}

/** A vendor that asks for more than this is asked sooner; nobody waits for a day on one word of a header. */
const RETRY_AFTER_MAX_MS = 3_600_000;

/** From the first attempt to the end of the last when each takes its whole time: attempts, and the waits between. */
export function longestMs({ attemptsMax, waitsSeconds }: RetryPolicy, timeoutMs: number): number {
  const waits = Array.from(
    { length: Math.max(attemptsMax - 1, 0) },
    (_unused, at) => (waitsSeconds[at] ?? waitsSeconds.at(-1) ?? 0) * 1000,
  );
  return waits.reduce((sum, one) => sum + one, attemptsMax * timeoutMs);
}

/**
 * Milliseconds to wait after `attempt` failed with `errorClass`, or undefined when it was the last. A vendor that said
 * how long is given that long, if it is longer.
 */
export function waitBeforeRetryMs(
  policy: RetryPolicy,
  attempt: number,
  errorClass: ErrorClass,
  retryAfterMs: number | null = null,
): number | undefined {
  if (!isRetryable(errorClass) || attempt >= policy.attemptsMax) return undefined;
  const wait = policy.waitsSeconds[attempt - 1] ?? policy.waitsSeconds.at(-1) ?? 0;
  return Math.max(Math.round(wait * 1000), Math.min(retryAfterMs ?? 0, RETRY_AFTER_MAX_MS));
}
