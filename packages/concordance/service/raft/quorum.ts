/** Owns majority arithmetic, and nothing that knows what is being counted. Raft §5.3, §5.4. */
import { assert } from "./assert.ts";

/** The smallest number of members that is more than half of `memberCount`. */
export function majority(memberCount: number): number {
  assert(memberCount >= 1, "a cluster has at least one voter");
  return Math.floor(memberCount / 2) + 1;
}

/** The highest index that a majority has reached, given what each voter has (any order). */
export function quorumIndex(reached: readonly number[]): number {
  const descending = [...reached].sort((a, b) => b - a);
  return descending[majority(reached.length) - 1] ?? 0;
}
