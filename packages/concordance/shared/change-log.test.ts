/** The change log is what a list of all changes would be, wherever its blocks end and whatever is in memory. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { ChangeLog } from "./change-log.ts";
import { STATE_DDL } from "./schema.ts";
import type { StoredChange } from "./store.ts";
import { covers } from "./types.ts";

const NAMESPACES = ["tenant:a/s", "tenant:a/s/deep", "tenant:ab/s"] as const;
const ALL = { itemsMax: Number.MAX_SAFE_INTEGER, bytesMax: Number.MAX_SAFE_INTEGER };
const SEALED_1 = `enc1:0000000a:${"A".repeat(30)}`;
const SEALED_2 = `enc1:0000000b:${"B".repeat(30)}`;

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("revision" as const),
      changes: fc.array(
        fc.record({
          space: fc.nat(2),
          value: fc.constantFrom('"v"', null, SEALED_1, '"long value"'),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    }),
  },
  fc.record({ kind: fc.constant("commit" as const) }),
  fc.record({ kind: fc.constant("drop" as const) }),
  fc.record({ kind: fc.constant("reopen" as const) }),
  fc.record({ kind: fc.constant("reseal" as const) }),
  fc.record({ kind: fc.constant("fail" as const) }),
);

/** A list, and what was in it when it was last committed. */
class Twin {
  changes: StoredChange[] = [];
  committed: readonly StoredChange[] = [];
  floor = 0;
  committedFloor = 0;

  get newest(): number {
    return this.changes.at(-1)?.revision ?? this.floor;
  }
}

function opened(): Database {
  const db = new Database(":memory:", { strict: true });
  db.run(STATE_DDL);
  db.run("BEGIN");
  return db;
}

test("C3, C4: pages, what is dropped, what is sealed again and what a failure takes back are those of a list", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 50 }),
      fc.nat(20),
      fc.integer({ min: 1, max: 4 }),
      (steps, since, itemsMax) => {
        const db = opened();
        let log = new ChangeLog(db, 0);
        const twin = new Twin();
        let [seq, revision] = [0, 0];
        const commit = () => {
          log.flush();
          db.run("COMMIT");
          db.run("BEGIN");
          twin.committed = [...twin.changes];
          twin.committedFloor = twin.floor;
        };
        for (const one of steps) {
          if (one.kind === "revision") {
            revision += 1;
            for (const { space, value } of one.changes) {
              seq += 1;
              const namespace = NAMESPACES[space] ?? NAMESPACES[0];
              const facts = { namespace, key: `k${seq}`, version: 1, actor: "me", at: seq };
              const change: StoredChange = {
                seq,
                revision,
                ...facts,
                op: value === null ? "delete" : "set",
                value,
              };
              log.append(change, seq);
              twin.changes.push(change);
            }
          }
          if (one.kind === "commit") commit();
          if (one.kind === "reopen") {
            commit();
            log = new ChangeLog(db, twin.floor);
          }
          if (one.kind === "fail") {
            db.run("ROLLBACK");
            db.run("BEGIN");
            twin.changes = [...twin.committed];
            twin.floor = twin.committedFloor;
            revision = twin.newest;
            seq = twin.changes.at(-1)?.seq ?? seq;
            log.reset(twin.floor);
          }
          if (one.kind === "drop") {
            const oldest = twin.changes[0]?.revision;
            const dropped = log.dropOldest(twin.newest);
            if (oldest === undefined || oldest === twin.newest) expect(dropped).toBeNull();
            else {
              const gone = twin.changes.filter((change) => change.revision === oldest);
              const bytes = gone.reduce((sum, change) => sum + change.seq, 0);
              expect(dropped).toEqual({ revision: oldest, count: gone.length, bytes });
              twin.changes = twin.changes.filter((change) => change.revision !== oldest);
              twin.floor = oldest;
            }
          }
          if (one.kind === "reseal") {
            const sealed = twin.changes.filter(({ value }) => value === SEALED_1);
            expect(log.countSealedOtherwise("0000000b")).toBe(sealed.length);
            expect(log.sealedOtherwise("0000000b", ALL.itemsMax)).toEqual(sealed);
            log.reseal(new Map(sealed.map((change) => [change.seq, SEALED_2])));
            twin.changes = twin.changes.map((change) =>
              change.value === SEALED_1 ? { ...change, value: SEALED_2 } : change,
            );
            expect(log.countSealedOtherwise("0000000b")).toBe(0);
          }
          expect(log.after(0, null, ALL, twin.newest)).toEqual({
            items: twin.changes,
            through: twin.newest,
          });
        }
        for (const namespace of [null, "tenant:a/s", "tenant:ab", "tenant:none"]) {
          const wanted = twin.changes.filter(
            (one) =>
              one.revision > since && (namespace === null || covers(namespace, one.namespace)),
          );
          const paged: StoredChange[] = [];
          for (let from = since; ; ) {
            const { items, through } = log.after(
              from,
              namespace,
              { itemsMax, bytesMax: 1e9 },
              twin.newest,
            );
            paged.push(...items);
            if (through >= twin.newest) break;
            expect(through).toBe(items.at(-1)?.revision ?? -1);
            from = through;
          }
          expect(paged).toEqual(wanted);
        }
        db.close();
      },
    ),
    { numRuns: 300 },
  );
}, 60_000);

test("C4: thousands of changes are read through blocks and memory alike, and few blocks are read for few", () => {
  const db = opened();
  const log = new ChangeLog(db, 0);
  const count = 3_000;
  for (let seq = 1; seq <= count; seq += 1) {
    const namespace = seq === 700 ? "tenant:rare/s" : "tenant:a/s";
    const facts = { namespace, key: "k", op: "set" as const, value: "1", version: seq };
    log.append({ seq, revision: seq, ...facts, actor: "me", at: seq }, 1);
  }
  const blocks = db.query<{ n: number }, []>("SELECT count(*) AS n FROM change_blocks").get()?.n;
  expect(blocks).toBeGreaterThan(3);
  for (const from of [0, 511, 512, 699, 1_500, 2_047, 2_048, 2_500, 2_999, 3_000]) {
    const { items, through } = log.after(from, null, ALL, count);
    expect([items.length, items[0]?.seq ?? from + 1, through]).toEqual([
      count - from,
      from + 1,
      count,
    ]);
  }
  expect(log.after(0, "tenant:rare", ALL, count)).toMatchObject({
    items: [{ seq: 700 }],
    through: count,
  });
  db.run("UPDATE change_blocks SET changes = 'not read' WHERE namespaces NOT LIKE '%rare%'");
  expect(new ChangeLog(db, 0).after(0, "tenant:rare", ALL, count).items).toMatchObject([
    { seq: 700 },
  ]);
});

test("C4: a page opens few blocks, however much others wrote, and says where to go on; a name finds its blocks among many", () => {
  const db = opened();
  const log = new ChangeLog(db, 0);
  const count = 20_000;
  for (let seq = 1; seq <= count; seq += 1) {
    const namespace = seq === 15_000 ? "tenant:rare/s" : `tenant:a/s${seq % 500}`;
    const facts = { namespace, key: "k", op: "set" as const, value: "1", version: seq };
    log.append({ seq, revision: seq, ...facts, actor: "me", at: seq }, 1);
  }
  log.flush();
  const rare = log.after(0, "tenant:rare", ALL, count);
  expect(rare).toMatchObject({ items: [{ seq: 15_000 }], through: count });

  db.run("UPDATE change_blocks SET namespaces = NULL");
  const found: StoredChange[] = [];
  let [from, pages] = [0, 0];
  while (from < count) {
    const { items, through } = log.after(from, "tenant:rare", ALL, count);
    expect(through).toBeGreaterThan(from);
    found.push(...items);
    [from, pages] = [through, pages + 1];
  }
  expect(found).toEqual([...rare.items]);
  expect(pages).toBe(Math.ceil(Math.floor((count - 1_024) / 512) / 8));
});
