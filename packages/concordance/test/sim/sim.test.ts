import { describe, expect, test } from "bun:test";
import { simulate } from "./run.ts";

const SEEDS = 500;

describe("simulated clusters (C1 to C5)", () => {
  test(`${SEEDS} seeds: network, disks, clocks, crashes, pauses, members, snapshots, watchers, leases`, () => {
    const totals = { acknowledged: 0, terms: 0, compacted: 0, compared: 0, told: 0, expiries: 0 };
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      try {
        const outcome = simulate(seed);
        totals.acknowledged += outcome.acknowledged;
        totals.terms += outcome.terms;
        totals.compacted += outcome.compacted ? 1 : 0;
        totals.compared += outcome.statesCompared;
        totals.told += outcome.told;
        totals.expiries += outcome.expiries;
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`);
      }
    }
    // A run that never wrote, elected, compacted, watched or let anything expire would prove nothing.
    expect(totals.acknowledged).toBeGreaterThan(SEEDS * 100);
    expect(totals.terms).toBeGreaterThan(SEEDS * 2);
    expect(totals.compacted).toBeGreaterThan(SEEDS / 2);
    expect(totals.compared).toBeGreaterThan(SEEDS * 10);
    expect(totals.told).toBeGreaterThan(SEEDS * 200);
    expect(totals.expiries).toBeGreaterThan(SEEDS);
  }, 300_000);

  test("one seed is one run, down to the last message", () => {
    for (const seed of [1, 2, 3]) expect(simulate(seed)).toEqual(simulate(seed));
    expect(simulate(4).digest).not.toBe(simulate(5).digest);
  }, 60_000);
});
