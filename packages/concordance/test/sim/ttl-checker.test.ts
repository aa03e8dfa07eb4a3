import { describe, expect, test } from "bun:test";
import { type TtlChange, type TtlRead, ttlViolation } from "./ttl-checker.ts";

const change = (facts: Partial<TtlChange>): TtlChange => ({
  key: "k",
  version: 1,
  revision: 1,
  kind: "set",
  atMs: 1_000,
  expiresAtMs: null,
  trueMs: 0,
  ...facts,
});
const born = change({ expiresAtMs: 1_100 });
const renewed = change({
  version: 2,
  revision: 2,
  atMs: 1_090,
  expiresAtMs: 1_190,
  trueMs: 90,
});
const gone = (atMs: number, after = born) =>
  change({
    kind: "expiry",
    version: after.version + 1,
    revision: after.revision + 1,
    atMs,
    trueMs: atMs - 1_000,
  });
const found = (revision: number, timeMs: number, version: number | null): TtlRead => ({
  key: "k",
  revision,
  timeMs,
  version,
});
const bounds = { endMs: 1_300, lateMs: 50, clockErrorMs: 1 };

describe("the checker of times to live (C5, pitfall 32)", () => {
  const sound: readonly (readonly [string, readonly TtlChange[], readonly TtlRead[]])[] = [
    ["a key that goes on time", [born, gone(1_100)], [found(1, 1_099, 1), found(2, 1_100, null)]],
    ["one that reads as gone before it is removed", [born, gone(1_120)], [found(1, 1_110, null)]],
    ["one that is renewed", [born, renewed, gone(1_200, renewed)], [found(2, 1_150, 2)]],
    ["one that stays", [change({})], [found(1, 9_999, 1)]],
    ["one that is not due for long", [change({ expiresAtMs: 1_299 })], []],
    ["one that never was", [], [found(0, 1, null)]],
  ];
  for (const [what, changes, reads] of sound) {
    test(`accepts ${what}`, () => expect(ttlViolation(changes, reads, bounds)).toBeNull());
  }

  const broken: readonly (readonly [string, RegExp, readonly TtlChange[], readonly TtlRead[]])[] = [
    ["a key that goes early", /early/, [born, gone(1_099)], []],
    ["one that is removed after its renewal", /early/, [born, renewed, gone(1_110, renewed)], []],
    ["one that was to stay", /renewed/, [change({}), gone(1_200)], []],
    ["one that is removed twice", /nothing/, [born, gone(1_100), gone(1_101)], []],
    ["one that is never removed", /late/, [born], []],
    ["one that is read past its time", /late/, [born, gone(1_120)], [found(1, 1_110, 1)]],
    ["one that reads as gone too early", /early/, [born, gone(1_100)], [found(1, 1_099, null)]],
    [
      "one that is read as it was before",
      /version 1/,
      [born, renewed, gone(1_200, renewed)],
      [found(2, 1_150, 1)],
    ],
    ["stamps that run ahead of true time", /true time/, [born, { ...gone(1_100), trueMs: 50 }], []],
  ];
  for (const [what, why, changes, reads] of broken) {
    test(`rejects ${what}`, () => expect(ttlViolation(changes, reads, bounds)).toMatch(why));
  }
});
