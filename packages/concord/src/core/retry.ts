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

/** Milliseconds to wait after `attempt` failed with `errorClass`, or undefined when it was the last. */
export function waitBeforeRetryMs(
  policy: RetryPolicy,
  attempt: number,
  errorClass: ErrorClass,
): number | undefined {
  if (!isRetryable(errorClass) || attempt >= policy.attemptsMax) return undefined;
  const wait = policy.waitsSeconds[attempt - 1] ?? policy.waitsSeconds.at(-1) ?? 0;
  return Math.round(wait * 1000);
}
