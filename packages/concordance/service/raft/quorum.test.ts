import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { majority, quorumIndex } from "./quorum.ts";

/** The dumb twin: try every index, count who has it. */
function slowQuorumIndex(reached: readonly number[]): number {
  for (let index = Math.max(...reached); index > 0; index -= 1) {
    const holders = reached.filter((one) => one >= index).length;
    if (holders * 2 > reached.length) return index;
  }
  return 0;
}

const reachedSets = fc.array(fc.nat(40), { minLength: 1, maxLength: 9 });

describe("quorum arithmetic (C1)", () => {
  test("C1: agrees with counting every index by hand", () => {
    fc.assert(
      fc.property(reachedSets, (reached) => {
        expect(quorumIndex(reached)).toBe(slowQuorumIndex(reached));
      }),
      { numRuns: 2_000 },
    );
  });

  test("C1: any two majorities share a member", () => {
    for (let members = 1; members <= 9; members += 1) {
      expect(2 * majority(members)).toBeGreaterThan(members);
      expect(2 * (majority(members) - 1)).toBeLessThanOrEqual(members);
    }
  });

  test("does not reorder the caller's list", () => {
    const reached = [3, 1, 2];
    quorumIndex(reached);
    expect(reached).toEqual([3, 1, 2]);
  });
});
