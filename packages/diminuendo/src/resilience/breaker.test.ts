import { expect, test } from "bun:test";
import fc from "fast-check";
import { Breaker } from "./breaker.ts";

const fail = (breaker: Breaker, times: number, nowMs: number) => {
  for (let count = 0; count < times; count += 1) breaker.failed(nowMs);
};

test("opens after five failures in a row, tries once after a second, and closes on success", () => {
  const breaker = new Breaker();
  fail(breaker, 4, 0);
  expect(breaker.state(0)).toBe("closed");
  breaker.succeeded();
  fail(breaker, 5, 0);
  expect([breaker.state(0), breaker.admits(999)]).toEqual(["open", false]);
  expect([breaker.admits(1_000), breaker.admits(1_000)]).toEqual([true, false]);
  expect(breaker.state(1_000)).toBe("half_open");
  breaker.succeeded();
  expect([breaker.state(1_000), breaker.admits(1_000)]).toEqual(["closed", true]);
});

test("a failed try doubles the pause, up to 15 seconds; an abandoned one lets the next try", () => {
  const breaker = new Breaker();
  fail(breaker, 5, 0);
  let nowMs = 0;
  const pauses: number[] = [];
  for (let count = 0; count < 6; count += 1) {
    const from = nowMs;
    while (!breaker.admits(nowMs)) nowMs += 100;
    pauses.push(nowMs - from);
    breaker.failed(nowMs);
  }
  expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
  nowMs += 15_000;
  expect(breaker.admits(nowMs)).toBe(true);
  breaker.abandoned();
  expect(breaker.admits(nowMs)).toBe(true);
});

test("whatever happens, at most one request is under way unless it is closed, and it never stays shut", () => {
  const step = fc.record({
    what: fc.constantFrom("ask", "ok", "fail", "drop"),
    waitMs: fc.nat(3_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const breaker = new Breaker();
      let [nowMs, trying] = [0, 0];
      for (const { what, waitMs } of steps) {
        nowMs += waitMs;
        const before = breaker.state(nowMs);
        if (what === "ask") {
          const admitted = breaker.admits(nowMs);
          if (before === "closed") expect(admitted).toBe(true);
          else trying += admitted ? 1 : 0;
        } else {
          if (what === "ok") breaker.succeeded();
          if (what === "fail") breaker.failed(nowMs);
          if (what === "drop") breaker.abandoned();
          trying = 0;
        }
        expect(trying).toBeLessThanOrEqual(1);
      }
      breaker.abandoned();
      expect(breaker.admits(nowMs + 15_000)).toBe(true);
    }),
  );
});
