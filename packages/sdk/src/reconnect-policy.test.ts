import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { afterClose, retryDelayMs } from "./reconnect-policy.ts";

describe("after a close", () => {
  test("4001 stops: only a new token helps", () => {
    expect(afterClose(4001).kind).toBe("stop");
  });

  test.each([1006, 1001, 4008, 4100, 4321])("%i is tried again at once", (code) => {
    expect(afterClose(code)).toMatchObject({ kind: "retry", pauseMsMin: 0 });
  });

  test("4029 pauses first", () => {
    expect(afterClose(4029)).toMatchObject({ kind: "retry", pauseMsMin: 5_000 });
  });
});

describe("retry delay", () => {
  test("stays between half the ceiling and the ceiling, never beyond 30 s and never before the pause", () => {
    const inputs = fc.tuple(
      fc.integer({ min: 1, max: 10_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.integer({ min: 0, max: 60_000 }),
    );
    fc.assert(
      fc.property(inputs, ([attempt, random, pauseMs]) => {
        const delayMs = retryDelayMs(attempt, 1_000, pauseMs, random);
        expect(delayMs).toBeGreaterThanOrEqual(pauseMs + 500);
        expect(delayMs).toBeLessThanOrEqual(pauseMs + 30_000);
      }),
    );
  });

  test("doubles", () => {
    expect([1, 2, 3, 4].map((n) => retryDelayMs(n, 1_000, 0, 0))).toEqual([
      500, 1_000, 2_000, 4_000,
    ]);
  });
});
