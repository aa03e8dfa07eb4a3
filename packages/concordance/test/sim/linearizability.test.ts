import { describe, expect, test } from "bun:test";
import { type Conflict, type Operation, violationOf } from "./linearizability.ts";
import { Luck } from "./random.ts";
import { isLinearizable } from "./wing-gong.ts";

const write = (
  calledMs: number,
  answeredMs: number,
  value: string,
  answer: number | Conflict | null,
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
    ["a lost condition", [write(0, 1, "a", 1), write(2, 3, "b", { actual: 1 }, 0)]],
    ["a gap that an unknown write fills", [write(0, Infinity, "a", null), write(1, 2, "b", 2)]],
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
    ["a version nobody can have written", [write(0, 1, "a", 2)]],
    [
      "one unknown write behind two versions",
      [write(0, Infinity, "a", null), write(1, 2, "b", 2), write(3, 4, "c", 4)],
    ],
    ["a lost condition that held", [write(0, 1, "a", { actual: 0 }, 0)]],
    [
      "a conflict with a version of the past",
      [write(0, 1, "a", 1), write(2, 3, "b", 2), write(4, 5, "c", { actual: 1 }, 2)],
    ],
  ];
  for (const [what, history] of broken) {
    test(`rejects ${what}`, () => expect(violationOf(history)).not.toBeNull());
  }

  test("agrees with the one that tries every order, on 20,000 small histories, sound and corrupted", () => {
    const luck = new Luck(20_260_101);
    const verdicts = { sound: 0, broken: 0 };
    for (let turn = 0; turn < 20_000; turn += 1) {
      const lived = history(luck);
      if (!isLinearizable(lived)) throw new Error(`no register did this: ${JSON.stringify(lived)}`);
      const judged = luck.chance(0.3) ? lived : corrupted(lived, luck);
      const expected = isLinearizable(judged);
      const actual = violationOf(judged);
      if ((actual === null) !== expected) {
        throw new Error(`${expected} ≠ ${actual} for ${JSON.stringify(judged)}`);
      }
      verdicts[expected ? "sound" : "broken"] += 1;
    }
    expect(verdicts.sound).toBeGreaterThan(5_000);
    expect(verdicts.broken).toBeGreaterThan(5_000);
  }, 60_000);

  test("takes thousands of operations of which most are unknown in its stride", () => {
    const operations: Operation[] = [];
    for (let version = 1; version <= 20_000; version += 1) {
      const told = version % 100 === 0;
      const answeredMs = told ? version + 0.5 : Infinity;
      operations.push(write(version, answeredMs, `v${version}`, told ? version : null));
    }
    expect(violationOf(operations)).toBeNull();
    expect(violationOf([...operations, read(30_000, 30_001, "v50", 50)])).not.toBeNull();
  });
});

/** A register really lives through this: each operation takes effect at a moment of its own. */
function history(luck: Luck): readonly Operation[] {
  const moments = Array.from({ length: 2 + Math.floor(luck.next() * 6) }, () => tick(luck, 0, 30));
  let [value, version] = ["", 0];
  return moments
    .toSorted((a, b) => a - b)
    .map((momentMs, position): Operation => {
      const times = { calledMs: tick(luck, momentMs - 8, momentMs), answeredMs: momentMs };
      const answeredMs = tick(luck, momentMs, momentMs + 8);
      if (luck.chance(0.35)) return { kind: "read", ...times, answeredMs, value, version };
      const own = `v${position}`;
      const cas = luck.chance(0.4) ? Math.max(0, version - Math.floor(luck.next() * 2)) : null;
      const facts = { kind: "write" as const, ...times, value: own, cas };
      const unknown = luck.chance(0.4);
      if (cas !== null && cas !== version) {
        if (unknown) return { ...facts, answeredMs: Infinity, answer: null };
        return { ...facts, answeredMs, answer: { actual: version } };
      }
      if (unknown && luck.chance(0.5)) return { ...facts, answeredMs: Infinity, answer: null };
      [value, version] = [own, version + 1];
      if (unknown) return { ...facts, answeredMs: Infinity, answer: null };
      return { ...facts, answeredMs, answer: version };
    });
}

/** One thing about it is changed; often it could still have happened. */
function corrupted(lived: readonly Operation[], luck: Luck): readonly Operation[] {
  const at = Math.floor(luck.next() * lived.length);
  return lived.map((one, position) => (position === at ? wrong(one, luck) : one));
}

function wrong(one: Operation, luck: Luck): Operation {
  const dice = luck.next();
  if (dice < 0.3) {
    const calledMs = tick(luck, -5, 40);
    const { answeredMs } = one;
    return { ...one, calledMs, answeredMs: Math.max(answeredMs, calledMs) };
  }
  if (one.kind === "read") {
    if (dice < 0.6) return { ...one, version: Math.floor(luck.next() * 5) };
    return { ...one, value: luck.chance(0.2) ? "" : `v${Math.floor(luck.next() * 6)}` };
  }
  if (dice < 0.5) return { ...one, cas: Math.floor(luck.next() * 4) };
  if (dice < 0.8) return { ...one, answer: 1 + Math.floor(luck.next() * 5), answeredMs: 60 };
  return { ...one, answer: { actual: Math.floor(luck.next() * 4) }, answeredMs: 60 };
}

/** Whole milliseconds, so that some moments coincide. */
function tick(luck: Luck, low: number, high: number): number {
  return Math.round(luck.between(low, high));
}
