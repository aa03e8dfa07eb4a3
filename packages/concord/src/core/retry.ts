/**
 * Owns when an operation is tried again (spec §33, §77.2; RTY-1…RTY-4, RTY-7): what is declared, and the one place that
 * makes a policy of it. Pure: the clock is passed in.
 */
import { isRetryable } from "./errors.ts";
import { ERROR_CLASSES, type ErrorClass } from "./vocabulary.ts";

/** What an operation says about being tried again; what it leaves out is as in `compilePolicy`. */
export interface RetryDeclaration {
  /** All attempts, the first included. */
  readonly attemptsMax?: number;
  /** After attempt i wait `waitsSeconds[i-1]`; the last value repeats. */
  readonly waitsSeconds?: readonly number[];
  /** After which classes, of those that may be tried again at all (V-22). Default: all of those. */
  readonly retryable?: readonly ErrorClass[];
  /** Refused without a key, also when nothing happens outside. Side effects always need one. */
  readonly requiresIdempotencyKey?: boolean;
}

/** What holds for one operation. Made by `compilePolicy` and by nothing else (RTY-2). */
export interface RetryPolicy extends Required<RetryDeclaration> {
  readonly operation: string;
}

/** The short form of spec §77.2. */
export interface RetryMetadata {
  readonly operation: string;
  readonly retry_class?: ErrorClass;
  readonly max_attempts?: number;
  readonly requires_idempotency_key?: boolean;
}

export const NO_RETRY: RetryDeclaration = { attemptsMax: 1, waitsSeconds: [] };

/** RTY-1. */
const ATTEMPTS_MAX = 3;
const WAITS_SECONDS: readonly number[] = [30, 120, 600];
export const RETRYABLE: readonly ErrorClass[] = ERROR_CLASSES.filter(isRetryable);

export function compilePolicy(operation: string, declared: RetryDeclaration = {}): RetryPolicy {
  return {
    operation,
    attemptsMax: declared.attemptsMax ?? ATTEMPTS_MAX,
    waitsSeconds: declared.waitsSeconds ?? WAITS_SECONDS,
    retryable: declared.retryable ?? RETRYABLE,
    requiresIdempotencyKey: declared.requiresIdempotencyKey ?? false,
  };
}

/** RTY-7: what §77.2 declares, as any other declaration. */
export function retryOf(metadata: Omit<RetryMetadata, "operation">): RetryDeclaration {
  const { retry_class, max_attempts, requires_idempotency_key } = metadata;
  return {
    ...(retry_class === undefined ? {} : { retryable: [retry_class] }),
    ...(max_attempts === undefined ? {} : { attemptsMax: max_attempts }),
    ...(requires_idempotency_key === undefined
      ? {}
      : { requiresIdempotencyKey: requires_idempotency_key }),
  };
}

/** Why `policy` cannot be kept; empty when it can. */
export function retryProblems(policy: RetryPolicy, hasKey: boolean): readonly string[] {
  const never = policy.retryable.filter((one) => !isRetryable(one));
  return [
    ...(policy.attemptsMax >= 1 ? [] : ["attemptsMax is below 1"]),
    ...never.map((one) => `${one} is never tried again; retryable takes ${RETRYABLE.join(", ")}`),
    ...(policy.requiresIdempotencyKey && !hasKey
      ? ["requiresIdempotencyKey without a keyTemplate: it would be refused each time"]
      : []),
  ];
}

/** How much longer a wait may become by chance. */
const SPREAD_MAX = 0.2;

/** A wait made longer by `unit` (0 to below 1, by chance), so that what failed together does not come back together. */
export function spreadMs(waitMs: number, unit: number): number {
  return Math.round(waitMs * (1 + SPREAD_MAX * unit));
}

/** A vendor that asks for more than this is asked sooner; nobody waits for a day on one word of a header. */
const RETRY_AFTER_MAX_MS = 3_600_000;

/** From the first attempt to the end of the last when each takes its whole time: attempts, and the waits between. */
export function longestMs(
  { attemptsMax, waitsSeconds }: Pick<RetryPolicy, "attemptsMax" | "waitsSeconds">,
  timeoutMs: number,
): number {
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
  policy: Omit<RetryPolicy, "operation" | "requiresIdempotencyKey">,
  attempt: number,
  errorClass: ErrorClass,
  retryAfterMs: number | null = null,
): number | undefined {
  if (!isRetryable(errorClass) || !policy.retryable.includes(errorClass)) return undefined;
  if (attempt >= policy.attemptsMax) return undefined;
  const wait = policy.waitsSeconds[attempt - 1] ?? policy.waitsSeconds.at(-1) ?? 0;
  return Math.max(Math.round(wait * 1000), Math.min(retryAfterMs ?? 0, RETRY_AFTER_MAX_MS));
}
