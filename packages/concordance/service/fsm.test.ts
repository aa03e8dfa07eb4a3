import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { KvStore, type StoredChange } from "../shared/store.ts";
import {
  allChanges,
  dump,
  entriesOf,
  machine,
  NAMESPACE,
  set,
  write,
} from "../test/state-machine.ts";
import type { Command, WriteOperation } from "./command.ts";
import { type ApplyResult, Fsm, type HistoryLimits } from "./fsm.ts";
import type { LogEntry } from "./raft/types.ts";

/** Property tests on a machine that does other work too. */
setDefaultTimeout(60_000);

const NAMESPACES = [NAMESPACE, "tenant:a/settings/deep", "tenant:ab/settings"] as const;
const KEYS = ["x", "y"] as const;
const EVERYTHING = { itemsMax: 1_000_000, bytesMax: 1 << 30 };

/** Sealing again changes nothing that a twin knows of; it has tests of its own. */
type TwinCommand = Exclude<Command, { type: "reseal" }>;
interface Timed {
  readonly timeMs: number;
  readonly command: TwinCommand | null;
}
/** The dumb twin: a Map and a list, written straight from the rules. */
class Twin {
  readonly entries = new Map<
    string,
    { version: number; value: string; expiresAt: number | null }
  >();
  readonly versions = new Map<string, number>();
  readonly changes: string[] = [];
  revision = 0;

  apply({ timeMs, command }: Timed): string {
    if (command === null) return "noop";
    if (command.type === "expire") return this.#expire(command.keys, timeMs);
    const live = (name: string) => {
      const entry = this.entries.get(name);
      return entry === undefined || (entry.expiresAt ?? Infinity) <= timeMs ? undefined : entry;
    };
    const conflict = command.operations.findIndex(
      (op) => op.cas !== null && op.cas !== (live(nameOf(op))?.version ?? 0),
    );
    if (conflict !== -1) return `conflict ${conflict}`;
    const done = command.operations.map((op) => {
      const name = nameOf(op);
      if (op.op === "delete" && live(name) === undefined) return "nothing";
      const version = (this.versions.get(name) ?? 0) + 1;
      this.versions.set(name, version);
      if (op.op === "delete") this.entries.delete(name);
      else {
        const expiresAt = op.ttlMs === null ? op.expiresAt : timeMs + op.ttlMs;
        this.entries.set(name, { version, value: op.valueJson, expiresAt });
      }
      return `${op.op} ${name} ${version}`;
    });
    return this.#record(done);
  }

  #expire(keys: readonly { namespace: string; key: string; version: number }[], timeMs: number) {
    const done = keys.map((key) => {
      const name = nameOf(key);
      const entry = this.entries.get(name);
      if (entry?.version !== key.version || (entry.expiresAt ?? Infinity) > timeMs)
        return "nothing";
      this.entries.delete(name);
      this.versions.set(name, entry.version + 1);
      return `delete ${name} ${entry.version + 1}`;
    });
    return this.#record(done);
  }

  #record(done: readonly string[]): string {
    const changed = done.filter((one) => one !== "nothing");
    if (changed.length > 0) this.revision += 1;
    for (const change of changed) this.changes.push(`${this.revision} ${change}`);
    return `r${this.revision} ${done.join("; ")}`;
  }
}

const nameOf = ({ namespace, key }: { namespace: string; key: string }) => `${namespace} ${key}`;

function told(result: ApplyResult | null | undefined): string {
  if (result === null || result === undefined) return "noop";
  if (result.kind === "request_reused") return `reused ${result.requestId}`;
  if (result.kind === "cas_conflict") return `conflict ${result.operation}`;
  if (result.kind !== "committed") return result.kind;
  const done = result.results.map((one) => {
    if (one.op === "set") return `set ${nameOf(one.entry)} ${one.entry.version}`;
    return one.deleted ? `delete ${nameOf(one)} ${one.version}` : "nothing";
  });
  return `r${result.revision} ${done.join("; ")}`;
}

const place = { namespace: fc.constantFrom(...NAMESPACES), key: fc.constantFrom(...KEYS) };
const cas = fc.option(fc.nat(6), { freq: 2 });
const setOperation = fc.record({
  ...place,
  op: fc.constant("set" as const),
  valueJson: fc.json({ maxDepth: 2 }),
  cas,
  expiresAt: fc.option(fc.integer({ min: 1, max: 400 }), { freq: 3 }),
  ttlMs: fc.option(fc.integer({ min: 1, max: 40 }), { freq: 3 }),
});
const operation: fc.Arbitrary<WriteOperation> = fc.oneof(
  setOperation,
  fc.record({ ...place, op: fc.constant("delete" as const), cas }),
);
const operations = fc.uniqueArray(operation, { minLength: 1, maxLength: 3, selector: nameOf });
const command: fc.Arbitrary<TwinCommand | null> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("write" as const),
      actor: fc.constant("me"),
      operations,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("expire" as const),
      keys: fc.uniqueArray(fc.record({ ...place, version: fc.integer({ min: 1, max: 6 }) }), {
        minLength: 1,
        maxLength: 4,
        selector: nameOf,
      }),
    }),
  },
  { weight: 1, arbitrary: fc.constant(null) },
);
const timelines = fc
  .array(fc.record({ stepMs: fc.nat(20), command }), { minLength: 1, maxLength: 60 })
  .map((steps) => {
    let timeMs = 0;
    return steps.map(({ stepMs, command: one }): Timed => {
      timeMs += stepMs;
      return { timeMs, command: one };
    });
  });

describe("the state machine", () => {
  test("C3, pitfall 38: does what a Map and the rules would do, one entry at a time", () => {
    fc.assert(
      fc.property(timelines, (timeline) => {
        const { fsm, store } = machine();
        const twin = new Twin();
        for (const [offset, entry] of entriesOf(timeline).entries()) {
          const [result] = fsm.apply([entry]);
          expect(told(result)).toBe(twin.apply(timeline[offset] ?? { timeMs: 0, command: null }));
        }
        const items = allChanges(store);
        const changes = items.map(
          (one) => `${one.revision} ${one.op} ${nameOf(one)} ${one.version}`,
        );
        expect(changes).toEqual(twin.changes);
        expect(items.map((one) => one.seq)).toEqual(items.map((_, i) => i + 1));
        for (const [name, { version, value }] of twin.entries) {
          const [namespace = "", key = ""] = name.split(" ");
          expect(store.row(namespace, key)).toMatchObject({ version, value });
        }
      }),
      { numRuns: 200 },
    );
  });

  test("C3, C5, pitfall 33: batches, restarts and members make no difference to a single byte", () => {
    const runs = fc.tuple(timelines, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }));
    const short: HistoryLimits = { changesMax: 7, bytesMax: 3_000 };
    fc.assert(
      fc.property(runs, ([timeline, cuts]) => {
        const entries = entriesOf(timeline);
        const oneByOne = machine(short);
        for (const entry of entries) oneByOne.fsm.apply([entry]);
        oneByOne.fsm.flush();
        const batched = machine(short);
        batched.store.release();
        let from = 0;
        for (let turn = 0; from < entries.length; turn += 1) {
          const size = cuts[turn % cuts.length] ?? 1;
          // A new object over the same rows each time: nothing may live in memory only.
          const store = new KvStore(batched.db);
          new Fsm(store, short).apply(entries.slice(from, from + size));
          store.release();
          from += size;
        }
        const after = new KvStore(batched.db);
        expect(dump(batched.db, after)).toBe(dump(oneByOne.db, oneByOne.store));
      }),
      { numRuns: 100 },
    );
  });

  test("C4: watching from any revision gives exactly the changes after it, whole revisions at a time", () => {
    const cursor = fc.tuple(timelines, fc.nat(30), fc.integer({ min: 1, max: 5 }));
    fc.assert(
      fc.property(cursor, ([timeline, since, itemsMax]) => {
        const { fsm, store } = machine();
        const seen: StoredChange[] = [];
        fsm.onChanges((changes) => seen.push(...changes));
        fsm.apply(entriesOf(timeline));
        const paged: StoredChange[] = [];
        let from = Math.min(since, store.position.revision);
        while (from < store.position.revision) {
          const page = store.changesAfter(from, "tenant:a", { itemsMax, bytesMax: 1 << 30 });
          paged.push(...page.items);
          expect(page.through).toBeGreaterThan(from);
          expect(page.items.every((one) => one.revision <= page.through)).toBe(true);
          from = page.through;
        }
        const wanted = seen.filter(
          (one) => one.revision > since && one.namespace.startsWith("tenant:a/"),
        );
        expect(paged).toEqual(wanted);
      }),
      { numRuns: 200 },
    );
  });

  test("pitfall 6: an entry that was applied before is refused, not applied again (C3)", () => {
    const { fsm, db, store } = machine();
    const entries = entriesOf([write(1, set("x", "1"))]);
    fsm.apply(entries);
    fsm.flush();
    const before = dump(db, store);
    expect(() => fsm.apply(entries)).toThrow("C3");
    expect(dump(db, store)).toBe(before);
  });

  test("pitfall 6: rows and applied index are one transaction; a failure leaves both as they were", () => {
    const { fsm, db, store } = machine();
    const good = entriesOf([write(1, set("x", "1"))]);
    const broken = { ...entriesOf([write(1, set("x", "1")), write(2, set("y", "2"))]) };
    const before = dump(db, store);
    const entries = [...good, { ...(broken[1] as LogEntry), payload: '{"v":99}' }];
    expect(() => fsm.apply(entries)).toThrow("format 99");
    expect(dump(db, store)).toBe(before);
  });

  test("C3: what was applied and not flushed is taken back whole, bookmark included, and applied again", () => {
    const { fsm, db, store } = machine();
    const [first, second] = entriesOf([write(1, set("x", "1")), write(2, set("x", "2"))]);
    if (first === undefined || second === undefined) throw new Error("two entries were made");
    fsm.apply([first]);
    fsm.flush();
    fsm.apply([second]);
    expect(store.position.appliedIndex).toBe(2);
    expect(store.row(NAMESPACES[0], "x")).toMatchObject({ version: 2 });
    db.run("ROLLBACK"); // What a crash does.
    const restarted = new KvStore(db);
    expect(restarted.position.appliedIndex).toBe(1);
    expect(restarted.row(NAMESPACES[0], "x")).toMatchObject({ version: 1 });
    new Fsm(restarted).apply([second]);
    expect(restarted.row(NAMESPACES[0], "x")).toMatchObject({ version: 2, value: "2" });
  });

  test("pitfall 32: a renewed key is not removed by an expiry that was already on its way (C5)", () => {
    const { fsm, store } = machine();
    const expire: Command = {
      type: "expire",
      keys: [{ namespace: NAMESPACE, key: "x", version: 1 }],
    };
    fsm.apply(
      entriesOf([
        write(10, { ...set("x", "1"), expiresAt: 20 }),
        write(19, { ...set("x", "2"), expiresAt: 100 }),
        { timeMs: 30, command: expire },
      ]),
    );
    expect(store.row(NAMESPACE, "x")).toMatchObject({ version: 2, value: "2" });
  });

  test("pitfall 32: expiry is judged by replicated time, before anything removed the row", () => {
    const { fsm, store } = machine();
    fsm.apply(
      entriesOf([
        write(10, { ...set("x", "1"), ttlMs: 5 }),
        write(15, { ...set("x", "2"), cas: 0 }),
      ]),
    );
    expect(store.row(NAMESPACE, "x")).toMatchObject({
      version: 2,
      value: "2",
      expiresAt: null,
    });
  });

  test("pitfall 32: lists hide a key from the entry on whose stamp has passed its time (C5)", () => {
    const { fsm, store } = machine();
    const timeline = [
      write(10, { ...set("x", "1"), expiresAt: 20 }),
      write(19, set("y", "1")),
      write(20, set("y", "2")),
    ];
    const visible = entriesOf(timeline).map((entry) => {
      fsm.apply([entry]);
      return store.list(NAMESPACE, "", null, EVERYTHING).items.map((one) => one.key);
    });
    expect(visible).toEqual([["x"], ["x", "y"], ["y"]]);
    expect(store.expiredBy(20, 9)).toMatchObject([{ key: "x", version: 1 }]);
  });

  test("versions never repeat: not after a delete, not after its history was compacted (C4)", () => {
    const { fsm, store } = machine({ changesMax: 2, bytesMax: 1 << 30 });
    const erase: WriteOperation = { op: "delete", namespace: NAMESPACE, key: "x", cas: null };
    fsm.apply(
      entriesOf([
        write(1, set("x", "1")),
        write(2, erase),
        write(3, set("y", "1")),
        write(4, set("y", "2")),
        write(5, set("y", "3")),
        write(6, set("x", "2")),
      ]),
    );
    expect(store.position.compactedRevision).toBe(4);
    expect(store.row(NAMESPACE, "x")?.version).toBe(3);
  });
});
