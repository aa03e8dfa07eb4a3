/**
 * Owns the decision what to do when a child ended: how long to wait before the next attempt, and when a
 * start is hopeless. Pure: the clock is an argument. Refuses to own: processes, timers, logs.
 *
 * R1 the delay doubles with each failure, from 0.2 s to 10 s. R2 a child that was healthy for 30 s starts
 * again from the shortest delay. R3 five attempts in a row that never became healthy are hopeless.
 */

export interface RestartLimits {
  readonly firstDelayMs: number;
  readonly delayMsMax: number;
  /** Health that lasted this long forgives earlier failures. */
  readonly forgiveAfterMs: number;
  readonly hopelessAttempts: number;
}

export const RESTART_LIMITS: RestartLimits = {
  firstDelayMs: 200,
  delayMsMax: 10_000,
  forgiveAfterMs: 30_000,
  hopelessAttempts: 5,
};

export interface RestartHistory {
  /** Failures since the child was last healthy for long. */
  readonly failures: number;
  /** Attempts in a row that never became healthy. */
  readonly neverHealthy: number;
}

export const NO_FAILURES: RestartHistory = { failures: 0, neverHealthy: 0 };

export interface RestartDecision {
  readonly history: RestartHistory;
  readonly delayMs: number;
  readonly hopeless: boolean;
}

/** What to do after an attempt ended at `endedAtMs`; `healthySinceMs` is null when it never was healthy. */
export function afterExit(
  history: RestartHistory,
  healthySinceMs: number | null,
  endedAtMs: number,
  limits: RestartLimits = RESTART_LIMITS,
): RestartDecision {
  const forgiven = healthySinceMs !== null && endedAtMs - healthySinceMs >= limits.forgiveAfterMs;
  const failures = forgiven ? 1 : history.failures + 1;
  const neverHealthy = healthySinceMs === null ? history.neverHealthy + 1 : 0;
  return {
    history: { failures, neverHealthy },
    delayMs: Math.min(limits.delayMsMax, limits.firstDelayMs * 2 ** Math.min(failures - 1, 30)),
    hopeless: neverHealthy >= limits.hopelessAttempts,
  };
}
