import { describe, expect, test } from "bun:test";
import { Luck } from "./random.ts";
import {
  historyViolation,
  type Stretch,
  type WatchedChange,
  watchViolation,
} from "./watch-checker.ts";

const NAMESPACES = ["tenant:a", "tenant:b"] as const;
const concerns = ({ namespace }: WatchedChange) => namespace === "tenant:a";

/** What some store went through: atomic writes of one to three keys, sets and deletes. */
function lived(luck: Luck): readonly WatchedChange[] {
  const history: WatchedChange[] = [];
  const versions = new Map<string, number>();
  const revisions = 4 + Math.floor(luck.next() * 12);
  for (let revision = 1; revision <= revisions; revision += 1) {
    const keys = ["x", "y", "z"].filter(() => luck.chance(0.5));
    for (const key of keys.length === 0 ? ["x"] : keys) {
      const namespace = luck.pick(NAMESPACES) ?? "tenant:a";
      const name = `${namespace} ${key}`;
      const version = (versions.get(name) ?? 0) + 1;
      versions.set(name, version);
      const seq = history.length + 1;
      const op = version > 1 && luck.chance(0.2) ? ("delete" as const) : ("set" as const);
      const value = op === "set" ? `"v${seq}"` : null;
      history.push({ seq, revision, namespace, key, op, value, version });
    }
  }
  return history;
}

/** What a watcher had to be told, with the value before each change, up to the end or cut anywhere. */
function told(history: readonly WatchedChange[], luck: Luck): Stretch {
  const fromRevision = Math.floor(luck.next() * 4);
  const due = history.filter((one) => one.revision > fromRevision && concerns(one));
  const values = new Map<string, string | null>();
  const previous = new Map<number, string | null>();
  for (const { seq, namespace, key, value } of history) {
    previous.set(seq, values.get(`${namespace} ${key}`) ?? null);
    values.set(`${namespace} ${key}`, value);
  }
  const changes = due.map((one) => ({ ...one, previous: previous.get(one.seq) ?? null }));
  if (luck.chance(0.5)) {
    return { fromRevision, changes, throughRevision: history.at(-1)?.revision ?? 0 };
  }
  const cut = Math.floor(luck.next() * (changes.length + 1));
  return { fromRevision, changes: changes.slice(0, cut), throughRevision: null };
}

type Changes = readonly WatchedChange[];
const without = (changes: Changes, at: number) => changes.filter((_, position) => position !== at);
const replaced = (changes: Changes, at: number, by: Partial<WatchedChange>) =>
  changes.map((one, position) => (position === at ? { ...one, ...by } : one));

/** Each takes what was told and a place in it, and does something that the property forbids. */
const CORRUPTIONS: readonly (readonly [
  property: string,
  what: string,
  corrupt: (changes: Changes, at: number) => Changes,
])[] = [
  ["unique", "a change told twice", (all, at) => all.toSpliced(at, 0, ...all.slice(at, at + 1))],
  [
    "ordered",
    "two neighbours swapped",
    (all, at) =>
      at + 1 < all.length
        ? all.toSpliced(at, 2, ...all.slice(at, at + 2).toReversed())
        : all.toSpliced(at, 0, ...all.slice(at, at + 1)),
  ],
  ["true", "another value", (all, at) => replaced(all, at, { value: '"other"' })],
  ["true", "another version", (all, at) => replaced(all, at, { version: 99 })],
  ["true", "another revision", (all, at) => replaced(all, at, { revision: 99 })],
  ["true", "something that never happened", (all, at) => replaced(all, at, { seq: 9_999 })],
  ["previous", "another value before", (all, at) => replaced(all, at, { previous: '"other"' })],
];

describe("the watch checker (C4, pitfall 36)", () => {
  test("accepts what a watcher had to be told, whole or cut", () => {
    const luck = new Luck(1);
    for (let turn = 0; turn < 500; turn += 1) {
      const history = lived(luck);
      expect(historyViolation(history)).toBeNull();
      expect(watchViolation(history, told(history, luck), concerns)).toBeNull();
    }
  });

  for (const [property, what, corrupt] of CORRUPTIONS) {
    test(`${property}: rejects ${what}, wherever it is`, () => {
      const luck = new Luck(2);
      let judged = 0;
      while (judged < 300) {
        const history = lived(luck);
        const stretch = told(history, luck);
        if (stretch.changes.length === 0) continue;
        const at = Math.floor(luck.next() * stretch.changes.length);
        const changes = corrupt(stretch.changes, at);
        expect(watchViolation(history, { ...stretch, changes }, concerns)).not.toBeNull();
        judged += 1;
      }
    });
  }

  test("complete, atomic, resumable: rejects a change left out, and says which of the three it was", () => {
    const luck = new Luck(3);
    const properties = new Set<string>();
    for (let judged = 0; judged < 600; ) {
      const history = lived(luck);
      const stretch = told(history, luck);
      // The last one of a cut connection may be missing.
      const most = stretch.changes.length - (stretch.throughRevision === null ? 1 : 0);
      if (most <= 0) continue;
      const changes = without(stretch.changes, Math.floor(luck.next() * most));
      const why = watchViolation(history, { ...stretch, changes }, concerns);
      expect(why).not.toBeNull();
      properties.add(why?.split(":")[0] ?? "");
      judged += 1;
    }
    expect([...properties].toSorted()).toEqual(["atomic", "complete", "resumable"]);
  });

  test("resumable: rejects a change from before the place where it was asked to go on", () => {
    const history = lived(new Luck(4)).map((one) => ({ ...one, namespace: "tenant:a" }));
    const stretch = { fromRevision: 2, changes: history, throughRevision: null };
    expect(watchViolation(history, stretch, concerns)).toMatch(/^resumable/);
  });

  test("a history with a hole, a version out of turn or a skipped revision is none", () => {
    const history = lived(new Luck(5));
    expect(historyViolation(without(history, 2))).not.toBeNull();
    expect(historyViolation(replaced(history, 3, { version: 7 }))).not.toBeNull();
    expect(historyViolation(replaced(history, 4, { revision: 50 }))).not.toBeNull();
  });
});
