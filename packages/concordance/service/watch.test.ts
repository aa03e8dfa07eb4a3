import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CLOSE } from "../shared/protocol.ts";
import { STATE_DDL } from "../shared/schema.ts";
import { claimState, KvStore } from "../shared/store.ts";
import { rootOf } from "../shared/types.ts";
import { entriesOf, machine, set, write } from "../test/state-machine.ts";
import { Audience } from "./audience.ts";
import { encodeCommand } from "./command.ts";
import { Fsm, type HistoryLimits } from "./fsm.ts";
import { latestOf, type Sink, WATCH_LIMITS, Watcher } from "./watch.ts";

const AMPLE: HistoryLimits = { changesMax: 1_000_000, bytesMax: 1 << 30 };

/** A reader in memory: takes what it is sent, as long as it has room, and can be told to read on. */
class Reader implements Sink {
  readonly received: { key: string; revision: number; seq: number }[] = [];
  closed: { code: number; reason: string } | null = null;
  #buffered = 0;
  reading = true;

  send(text: string): number {
    this.received.push(JSON.parse(text).params);
    if (!this.reading) this.#buffered += text.length;
    return text.length;
  }
  getBufferedAmount(): number {
    return this.#buffered;
  }
  close(code: number, reason: string): void {
    this.closed = { code, reason };
  }
  readOn(): void {
    this.reading = true;
    this.#buffered = 0;
  }
  get seqs() {
    return this.received.map((one) => one.seq);
  }
}

function setUp(limits = { bufferedBytesMax: 2_000, backlogChangesMax: 50 }, history = AMPLE) {
  const db = new Database(":memory:", { strict: true });
  db.run(STATE_DDL);
  claimState(db, "test");
  const store = new KvStore(db);
  const fsm = new Fsm(store, history);
  const reader = new Reader();
  const watcher = new Watcher(reader, store, limits, {
    lastChangeOf: () => Infinity,
    inTurn: (piece) => piece(),
  });
  fsm.onChanges((changes) => watcher.pump(latestOf(changes)));
  const write = (namespace: string, ...keys: readonly string[]) => {
    const facts = { valueJson: '"v"', cas: null, expiresAt: null, ttlMs: null };
    const operations = keys.map((key) => ({ op: "set" as const, namespace, key, ...facts }));
    const payload = encodeCommand({ type: "write", actor: "me", operations });
    const index = fsm.appliedIndex + 1;
    fsm.apply([{ index, term: 1, kind: "command", timeMs: index, payload }]);
  };
  return { store, fsm, reader, watcher, write };
}

describe("delivery to one watcher (C4)", () => {
  test("C4: history first, then live, each change once and in order", () => {
    const { reader, watcher, write } = setUp();
    for (let i = 0; i < 5; i += 1) write("tenant:a", `old${i}`);
    watcher.subscribe("tenant:a", 2);
    watcher.pump(null);
    for (let i = 0; i < 5; i += 1) write("tenant:a/deep", `new${i}`);
    expect(reader.received.map((one) => one.revision)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("C4: what takes long to read back is read in turns, and what changes meanwhile is told once, after it", () => {
    const turns: (() => void)[] = [];
    const { store, reader, write, fsm } = setUp();
    for (let i = 0; i < 1_500; i += 1) write("tenant:a", i === 1_400 ? "mine" : "other");
    const around = {
      lastChangeOf: () => Infinity,
      inTurn: (piece: () => void) => turns.push(piece),
    };
    const watcher = new Watcher(reader, store, WATCH_LIMITS, around);
    fsm.onChanges((changes) => watcher.pump(latestOf(changes)));
    watcher.subscribe("tenant:a", 0, "mine");
    watcher.pump(null);
    let taken = 0;
    while (turns.length > 0) {
      expect([turns.length, reader.received.length]).toEqual([1, 0]);
      if (taken === 0) write("tenant:a", "mine2");
      turns.shift()?.();
      taken += 1;
    }
    expect(taken).toBe(2);
    expect(reader.seqs).toEqual([1_401, 1_501]);
  });

  test("C4: other tenants' changes are not told, lookalikes included, and do not hold the cursor back", () => {
    const { reader, watcher, write } = setUp();
    watcher.subscribe("tenant:a", 0);
    write("tenant:ab", "x");
    write("tenant:b", "x");
    write("tenant:a", "mine");
    write("tenant", "x");
    expect(reader.received.map((one) => one.key)).toEqual(["mine"]);
  });

  test("pitfall 36: a reader that pauses is waited for, without memory, and misses nothing", () => {
    const { reader, watcher, write } = setUp();
    watcher.subscribe("tenant:a", 0);
    reader.reading = false;
    for (let i = 0; i < 40; i += 1) write("tenant:a", `k${i}`);
    const whilePaused = reader.received.length;
    expect(whilePaused).toBeLessThan(40);
    reader.readOn();
    watcher.pump(null);
    expect(reader.seqs).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(reader.closed).toBeNull();
  });

  test("C4: history longer than one page is told to its end", () => {
    const { reader, watcher, write } = setUp({
      bufferedBytesMax: 1 << 20,
      backlogChangesMax: 9_999,
    });
    for (let i = 0; i < 600; i += 1) write("tenant:a", `k${i}`);
    watcher.subscribe("tenant:a", 0);
    watcher.pump(null);
    expect(reader.seqs).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
  });

  test("pitfall 36: a live change never overtakes the backlog of a reader that just woke up", () => {
    const { reader, watcher, write } = setUp();
    watcher.subscribe("tenant:a", 0);
    reader.reading = false;
    for (let i = 0; i < 30; i += 1) write("tenant:a", `k${i}`);
    reader.readOn();
    write("tenant:a", "live");
    expect(reader.seqs).toEqual(Array.from({ length: 31 }, (_, i) => i + 1));
  });

  test("pitfall 36: a reader that stays behind is cut with the cursor to resume from, never skipped", () => {
    const { store, reader, watcher, write } = setUp();
    watcher.subscribe("tenant:a", 0);
    reader.reading = false;
    for (let i = 0; i < 200; i += 1) write("tenant:a", `k${i}`);
    expect(reader.closed?.code).toBe(CLOSE.slowWatcher);
    const cursor = Number(/fromRevision=(\d+)/.exec(reader.closed?.reason ?? "")?.[1]);
    const again = new Reader();
    const resumed = new Watcher(again, store, { bufferedBytesMax: 1 << 20, backlogChangesMax: 50 });
    resumed.subscribe("tenant:a", cursor);
    resumed.pump(null);
    expect([...reader.seqs, ...again.seqs]).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  });

  test("pitfall 36: the changes of one write stay together", () => {
    const { reader, watcher, write } = setUp({ bufferedBytesMax: 1, backlogChangesMax: 1_000 });
    watcher.subscribe("tenant:a", 0);
    reader.reading = false;
    write("tenant:a", "a", "b", "c");
    write("tenant:a", "d", "e");
    expect(reader.received.map((one) => one.key)).toEqual(["a", "b", "c"]);
  });

  test("C4: history that is compacted under a paused reader is told as such, not skipped", () => {
    const limits = { bufferedBytesMax: 1, backlogChangesMax: 1_000 };
    const { reader, watcher, write } = setUp(limits, { changesMax: 5, bytesMax: 1 << 30 });
    watcher.subscribe("tenant:a", 0);
    reader.reading = false;
    for (let i = 0; i < 20; i += 1) write("tenant:a", `k${i}`);
    reader.readOn();
    watcher.pump(null);
    expect(reader.closed?.code).toBe(CLOSE.compacted);
    expect(reader.seqs).toEqual([1]);
  });

  test("two watches on one socket that would tell a change twice are noticed", () => {
    const { watcher } = setUp();
    watcher.subscribe("tenant:a/settings", 0);
    expect(watcher.overlapping("tenant:a")).toBe("tenant:a/settings");
    expect(watcher.overlapping("tenant:a/settings/deep")).toBe("tenant:a/settings");
    expect(watcher.overlapping("tenant:a/sessions")).toBeNull();
    expect(watcher.overlapping("tenant:a/settings2")).toBeNull();
  });
});

describe("an audience of many (C4)", () => {
  const roots = ["tenant:a", "tenant:b", "tenant:c", "plain"] as const;
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("write" as const),
        roots: fc.uniqueArray(fc.constantFrom(...roots), { minLength: 1, maxLength: 3 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("join" as const),
        root: fc.constantFrom(...roots),
        back: fc.nat(4),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("poke" as const), nth: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("pause" as const), nth: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.constant({ kind: "replace" as const }) },
  );

  test("each watcher gets what it would have got alone, however long its tenant was quiet", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { store, fsm } = machine({ changesMax: 12, bytesMax: 1 << 30 });
        const audience = new Audience(0);
        const seats: { root: string; reader: Reader; watcher: Watcher; from: number }[] = [];
        const all: { root: string; revision: number; seq: number }[] = [];
        fsm.onChanges((changes) => {
          for (const { namespace, revision, seq } of changes) {
            all.push({ root: rootOf(namespace), revision, seq });
          }
          const latest = latestOf(changes);
          if (latest !== null) audience.tell(changes, latest);
        });
        let index = 0;
        for (const one of steps) {
          if (one.kind === "write") {
            const operations = one.roots.map((root) => set("k", "1", `${root}/s`));
            fsm.apply(entriesOf([write(index, ...operations)], index));
            index += 1;
          } else if (one.kind === "join") {
            const from = Math.max(
              store.position.compactedRevision,
              store.position.revision - one.back,
            );
            const reader = new Reader();
            const limits = { bufferedBytesMax: 50, backlogChangesMax: 1_000 };
            const watcher = new Watcher(reader, store, limits, {
              lastChangeOf: (root) => audience.lastChangeOf(root),
              inTurn: (piece) => piece(),
            });
            const root = one.root === "plain" ? "system" : one.root;
            watcher.subscribe(one.root, from);
            audience.join(watcher, one.root);
            watcher.pump(null);
            seats.push({ root, reader, watcher, from });
          } else if (one.kind === "replace") {
            audience.forget(store.position.revision);
            for (const { watcher } of seats) watcher.pump(null);
          } else {
            const seat = seats[one.nth % Math.max(1, seats.length)];
            if (seat === undefined) continue;
            if (one.kind === "pause") seat.reader.reading = false;
            else seat.reader.readOn();
            seat.watcher.pump(null);
          }
        }
        for (const { root, reader, watcher, from } of seats) {
          reader.readOn();
          watcher.pump(null);
          const due = all.filter((one) => one.root === root && one.revision > from);
          const wanted = due.map(({ seq }) => seq);
          if (reader.closed === null) expect(reader.seqs).toEqual(wanted);
          // Cut for having been away too long: what it has is a beginning of what was due.
          else expect(wanted.slice(0, reader.seqs.length)).toEqual(reader.seqs);
          const wasAway = due.length > reader.seqs.length;
          expect(reader.closed !== null).toBe(wasAway);
        }
      }),
      { numRuns: 300 },
    );
  });
});
