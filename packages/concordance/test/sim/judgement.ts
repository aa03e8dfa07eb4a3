/**
 * Owns what to think of a run once it is over: what clients, watchers and holders of leases saw, against
 * each other and against the history that all members agreed on. Pure.
 */
import { assert } from "../../service/raft/assert.ts";
import type { StoredChange } from "../../shared/store.ts";
import { covers, EXPIRY_ACTOR } from "../../shared/types.ts";
import { KEYS, MORTAL_KEYS, NAMESPACE, type ReadSeen, type WriteSeen } from "./clients.ts";
import { type Operation, violationOf } from "./linearizability.ts";
import { type TtlBounds, type TtlChange, ttlViolation } from "./ttl-checker.ts";
import { historyViolation, watchViolation } from "./watch-checker.ts";
import type { SimWatcher } from "./watchers.ts";

export interface Seen {
  /** Every change there ever was, in order. */
  readonly changes: readonly StoredChange[];
  readonly writes: readonly WriteSeen[];
  readonly reads: readonly ReadSeen[];
  readonly watchers: readonly SimWatcher[];
  /** All that happened up to this revision had time to be told. */
  readonly settledRevision: number;
  /** `key version` → when a set with a time to live falls due, in replicated time. */
  readonly dueMs: ReadonlyMap<string, number>;
  /** Revision → true time at which it was first applied. */
  readonly trueMs: ReadonlyMap<number, number>;
  readonly ttl: TtlBounds;
}

/** Throws what was broken; the message names the law. */
export function judge(seen: Seen): void {
  const broken = historyViolation(seen.changes);
  assert(broken === null, `C4: the history is none: ${broken}`);
  assertWritesHappened(seen);
  assertReadsTrue(seen);
  for (const key of KEYS) {
    const why = violationOf(historyOfKey(seen, key));
    assert(why === null, `C1: the history of ${key} is not linearizable: ${why}`);
  }
  const why = violationOf(historyOfStore(seen));
  assert(why === null, `C1: the history of the store is not linearizable: ${why}`);
  assertWatchersTold(seen);
  const ttl = ttlViolation(ttlChanges(seen), ttlReads(seen), seen.ttl);
  assert(ttl === null, `C5: a time to live is broken: ${ttl}`);
}

/** Acknowledged means done, as told, once; unknown means done at most once. */
function assertWritesHappened({ changes, writes }: Seen): void {
  const byActor = new Map<string, StoredChange[]>();
  for (const change of changes) {
    byActor.set(change.actor, [...(byActor.get(change.actor) ?? []), change]);
  }
  for (const { id, answer } of writes) {
    const done = byActor.get(id) ?? [];
    const revisions = new Set(done.map(({ revision }) => revision));
    assert(revisions.size <= 1, `C3: ${id} was done ${revisions.size} times`);
    if (answer === null) continue;
    const promised = answer.kind === "committed" ? answer.results : [];
    const expected = promised.flatMap((one) => {
      if (one.op === "set") return [`${one.entry.revision} ${one.entry.key} ${one.entry.version}`];
      return one.deleted ? [`${done[0]?.revision} ${one.key} ${one.version}`] : [];
    });
    const actual = done.map(({ revision, key, version }) => `${revision} ${key} ${version}`);
    assert(expected.join() === actual.join(), `C1: ${id} was told ${expected}, done is ${actual}`);
    if (answer.kind === "committed" && done.length > 0) {
      assert(revisions.has(answer.revision), `C1: ${id} was told another revision`);
    }
  }
}

/** Any read, local ones included, shows exactly what there was at its revision. */
function assertReadsTrue(seen: Seen): void {
  const index = new ChangeIndex(seen.changes);
  for (const { revision, found } of seen.reads) {
    for (const key of KEYS) {
      const entry = found.get(key) ?? null;
      const change = index.at(key, revision);
      const expected = change?.op === "set" ? `${change.version} ${change.value}` : "nothing";
      const actual = entry === null ? "nothing" : `${entry.version} ${entry.value}`;
      assert(actual === expected, `C3: ${key} at ${revision} is ${expected}, read was ${actual}`);
    }
  }
}

/** One key as a register. Where there is no key, what stands for its deletion is read. */
function historyOfKey({ changes, writes, reads }: Seen, key: string): readonly Operation[] {
  const index = new ChangeIndex(changes);
  const everDeleted = changes.some((one) => one.key === key && one.op === "delete");
  const absent = (times: Pick<Operation, "calledMs" | "answeredMs">, revision: number) => {
    const last = index.at(key, revision);
    const value = last === undefined ? "" : `gone ${last.actor}`;
    return { ...times, kind: "read" as const, value, version: last?.version ?? 0 };
  };
  const operations: Operation[] = [];
  for (const { linearizable, calledMs, answeredMs, revision, found } of reads) {
    if (!linearizable) continue;
    const times = { calledMs, answeredMs };
    const entry = found.get(key) ?? null;
    if (entry === null) operations.push(absent(times, revision));
    else {
      const { version, value } = entry;
      operations.push({ ...times, kind: "read", value: `set ${JSON.parse(value)}`, version });
    }
  }
  for (const { id, calledMs, answeredMs, operations: asked, answer, repeated } of writes) {
    const position = asked.findIndex((one) => one.key === key);
    const operation = asked[position];
    if (operation === undefined) continue;
    const times = { calledMs, answeredMs };
    const value = operation.op === "set" ? `set ${id}` : `gone ${id}`;
    // "No key" is no version of a key that came and went: what it allowed is seen below.
    const cas = operation.cas === 0 && everDeleted ? null : operation.cas;
    const facts = { ...times, kind: "write" as const, value, cas };
    if (answer === null) operations.push({ ...facts, answer: null });
    else if (answer.kind === "committed") {
      const result = answer.results[position];
      if (operation.op === "set" && operation.cas === 0) {
        const before = index.at(key, answer.revision - 1);
        assert(before?.op !== "set", `C1: ${id} was done though there was a ${key}`);
      }
      if (result?.op === "set") operations.push({ ...facts, answer: result.entry.version });
      else if (result?.deleted === true) operations.push({ ...facts, answer: result.version });
      else operations.push(absent(times, answer.revision));
    } else if (answer.kind === "cas_conflict" && answer.key === key && !repeated) {
      // Of a key that came and went, "no key" says nothing about when.
      if (answer.actual === 0 && everDeleted) continue;
      operations.push({ ...facts, cas: operation.cas, answer: { actual: answer.actual } });
    }
  }
  return operations;
}

/** The whole store as one register whose versions are revisions: order across keys counts as well. */
function historyOfStore({ changes, writes, reads }: Seen): readonly Operation[] {
  const actors = new Map(changes.map(({ revision, actor }) => [revision, nameOf(actor, revision)]));
  const operations: Operation[] = [];
  for (const { linearizable, calledMs, answeredMs, revision } of reads) {
    if (!linearizable) continue;
    const value = actors.get(revision) ?? "";
    operations.push({ kind: "read", calledMs, answeredMs, value, version: revision });
  }
  for (const { id: value, calledMs, answeredMs, answer } of writes) {
    const facts = { kind: "write" as const, calledMs, answeredMs, value, cas: null };
    if (answer === null) operations.push({ ...facts, answer: null });
    else if (answer.kind === "committed" && actors.get(answer.revision) === value) {
      operations.push({ ...facts, answer: answer.revision });
    } else if (answer.kind === "committed") {
      const read = actors.get(answer.revision) ?? "";
      const times = { calledMs, answeredMs };
      operations.push({ ...times, kind: "read", value: read, version: answer.revision });
    }
  }
  // Nobody asked for an expiry; it may happen at any time, as far as order goes.
  for (const [revision, value] of actors) {
    if (!value.startsWith(EXPIRY_ACTOR)) continue;
    const times = { calledMs: 0, answeredMs: Infinity };
    operations.push({ ...times, kind: "write", value, cas: null, answer: revision });
  }
  return operations;
}

const nameOf = (actor: string, revision: number) =>
  actor === EXPIRY_ACTOR ? `${actor} ${revision}` : actor;

function assertWatchersTold({ changes, watchers, settledRevision }: Seen): void {
  for (const watcher of watchers) {
    for (const stretch of watcher.stretches(settledRevision)) {
      const concerns = ({ namespace }: { readonly namespace: string }) =>
        covers(watcher.namespace, namespace);
      const why = watchViolation(changes, stretch, concerns);
      assert(why === null, `C4: a watcher of ${watcher.namespace} was told wrongly: ${why}`);
    }
  }
}

function ttlChanges({ changes, writes, dueMs, trueMs }: Seen): readonly TtlChange[] {
  const calledMs = new Map(writes.map((one) => [one.id, one.calledMs]));
  const mortal = new Set<string>(MORTAL_KEYS);
  return changes
    .filter(({ key }) => mortal.has(key))
    .map(({ key, version, revision, op, actor, at }) => ({
      key,
      version,
      revision,
      kind: op === "set" ? "set" : actor === EXPIRY_ACTOR ? "expiry" : "delete",
      atMs: at,
      expiresAtMs: dueMs.get(`${key} ${version}`) ?? null,
      trueMs: calledMs.get(actor) ?? trueMs.get(revision) ?? 0,
    }));
}

function ttlReads({ reads }: Seen) {
  return reads.flatMap(({ revision, timeMs, found }) =>
    MORTAL_KEYS.map((key) => ({
      key,
      revision,
      timeMs,
      version: found.get(key)?.version ?? null,
    })),
  );
}

/** The last change of a key at a revision. */
class ChangeIndex {
  readonly #byKey = new Map<string, StoredChange[]>();

  constructor(changes: readonly StoredChange[]) {
    for (const change of changes) {
      if (change.namespace !== NAMESPACE) continue;
      const known = this.#byKey.get(change.key);
      if (known === undefined) this.#byKey.set(change.key, [change]);
      else known.push(change);
    }
  }

  at(key: string, revision: number): StoredChange | undefined {
    return this.#byKey.get(key)?.findLast((one) => one.revision <= revision);
  }
}
