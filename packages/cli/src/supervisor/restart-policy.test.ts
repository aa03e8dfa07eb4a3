/** R1–R3 of the restart policy. */
import { describe, expect, test } from "bun:test";
import { afterExit, NO_FAILURES, RESTART_LIMITS, type RestartHistory } from "./restart-policy.ts";

function delaysOf(attempts: number, healthySinceMs: number | null): number[] {
  let history: RestartHistory = NO_FAILURES;
  return Array.from({ length: attempts }, () => {
    const decision = afterExit(history, healthySinceMs, 1_000);
    history = decision.history;
    return decision.delayMs;
  });
}

describe("restart policy", () => {
  test("R1 the delay doubles from 0.2 s and stops at 10 s", () => {
    expect(delaysOf(8, null)).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
  });

  test("R1 a very long row of failures keeps the longest delay", () => {
    expect(delaysOf(2_000, 500).at(-1)).toBe(RESTART_LIMITS.delayMsMax);
  });

  test("R2 thirty seconds of health forgive earlier failures, a millisecond less does not", () => {
    const history = { failures: 5, neverHealthy: 0 };
    expect(afterExit(history, 0, 30_000).delayMs).toBe(200);
    expect(afterExit(history, 0, 29_999).delayMs).toBe(6_400);
  });

  test("R3 the fifth attempt in a row that never became healthy is hopeless", () => {
    let history: RestartHistory = NO_FAILURES;
    const verdicts = Array.from({ length: 5 }, () => {
      const decision = afterExit(history, null, 0);
      history = decision.history;
      return decision.hopeless;
    });
    expect(verdicts).toEqual([false, false, false, false, true]);
  });

  test("R3 one healthy attempt starts the count again, however short it was", () => {
    const decision = afterExit({ failures: 4, neverHealthy: 4 }, 10, 11);
    expect(decision.hopeless).toBe(false);
    expect(decision.history.neverHealthy).toBe(0);
  });
});
