import { describe, expect, test } from "bun:test";
import { type Operation, violationOf } from "./linearizability.ts";

const write = (
  calledMs: number,
  answeredMs: number,
  value: string,
  answer: number | "conflict" | null,
  cas: number | null = null,
): Operation => ({ kind: "write", calledMs, answeredMs, value, answer, cas });
const read = (calledMs: number, answeredMs: number, value: string, version: number): Operation => ({
  kind: "read",
  calledMs,
  answeredMs,
  value,
  version,
});

describe("the linearizability checker", () => {
  const sound: readonly (readonly [string, readonly Operation[]])[] = [
    ["nothing", []],
    ["one after another", [write(0, 1, "a", 1), read(2, 3, "a", 1)]],
    ["overlapping writes in either order", [write(0, 9, "a", 2), write(1, 8, "b", 1)]],
    ["a read during a write sees before or after", [write(0, 9, "a", 1), read(1, 2, "", 0)]],
    ["an unknown write seen later", [write(0, Infinity, "a", null), read(5, 6, "a", 1)]],
    ["an unknown write never seen", [write(0, Infinity, "a", null), read(5, 6, "", 0)]],
    ["a lost condition", [write(0, 1, "a", 1), write(2, 3, "b", "conflict", 0)]],
  ];
  for (const [what, history] of sound) {
    test(`accepts ${what}`, () => expect(violationOf(history)).toBeNull());
  }

  const broken: readonly (readonly [string, readonly Operation[]])[] = [
    ["a stale read", [write(0, 1, "a", 1), write(2, 3, "b", 2), read(4, 5, "a", 1)]],
    ["a lost write", [write(0, 1, "a", 1), read(2, 3, "", 0)]],
    ["a write done twice", [write(0, 1, "a", 1), read(2, 3, "a", 2)]],
    ["two winners of one condition", [write(0, 9, "a", 1, 0), write(1, 8, "b", 1, 0)]],
    [
      "an unknown write that vanishes again",
      [write(0, Infinity, "a", null), read(1, 2, "a", 1), read(3, 4, "", 0)],
    ],
    ["an effect before its call", [read(0, 1, "a", 1), write(2, 3, "a", 1)]],
  ];
  for (const [what, history] of broken) {
    test(`rejects ${what}`, () => expect(violationOf(history)).not.toBeNull());
  }
});
