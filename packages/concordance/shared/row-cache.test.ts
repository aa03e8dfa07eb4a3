/** What the cache answers is what the database would: over random writes, removals, failures and many keys. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { STATE_DDL } from "./schema.ts";
import { claimState, KvStore, type StoredEntry } from "./store.ts";

const NAMESPACE = "tenant:a/settings";

const step = fc.oneof(
  fc.record({
    kind: fc.constant("put" as const),
    key: fc.nat(3),
    chars: fc.constantFrom(1, 5_000),
  }),
  fc.record({ kind: fc.constant("remove" as const), key: fc.nat(3) }),
  fc.record({ kind: fc.constant("reseal" as const), key: fc.nat(3) }),
  fc.record({ kind: fc.constant("fail" as const), key: fc.nat(3) }),
  fc.record({ kind: fc.constant("commit" as const) }),
  fc.record({ kind: fc.constant("read" as const), key: fc.nat(3) }),
);

function entryOf(key: string, version: number, chars: number): StoredEntry {
  const facts = { version, revision: version, updatedBy: "me", updatedAt: 1, expiresAt: null };
  return { namespace: NAMESPACE, key, value: `"${"v".repeat(chars)}${version}"`, ...facts };
}

test("C3: a row that was read before is answered as the database holds it now", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const db = new Database(":memory:", { strict: true });
      db.run(STATE_DDL);
      claimState(db, "test");
      const store = new KvStore(db);
      const query = db.query("SELECT version, value FROM kv WHERE namespace = ? AND key = ?");
      for (const [at, one] of steps.entries()) {
        const key = "key" in one ? `k${one.key}` : "";
        const version = at + 1;
        if (one.kind === "put")
          store.put(entryOf(key, version, one.chars), store.held(NAMESPACE, key));
        if (one.kind === "remove") store.remove(NAMESPACE, key, version, version);
        if (one.kind === "reseal") {
          store.resealEntry(NAMESPACE, key, store.row(NAMESPACE, key)?.version ?? 0, '"sealed"');
        }
        if (one.kind === "commit") store.commit();
        if (one.kind === "fail") {
          const failing = () => {
            store.put(entryOf(key, version, 1), store.held(NAMESPACE, key));
            throw new Error("the apply failed");
          };
          expect(() => store.transact(failing)).toThrow("the apply failed");
        }
        for (const name of ["k0", "k1", "k2", "k3"]) {
          const stored = query.get(NAMESPACE, name);
          const read = store.row(NAMESPACE, name);
          const facts = read === null ? null : { version: read.version, value: read.value };
          expect(facts).toEqual(stored as typeof facts);
        }
      }
      db.close();
    }),
    { numRuns: 200 },
  );
});

test("many keys and large values are read all the same", () => {
  const db = new Database(":memory:", { strict: true });
  db.run(STATE_DDL);
  claimState(db, "test");
  const store = new KvStore(db);
  for (let index = 0; index < 5_000; index += 1) store.put(entryOf(`k${index}`, 1, 10), null);
  for (let round = 0; round < 2; round += 1) {
    for (let index = 0; index < 5_000; index += 1) {
      expect(store.row(NAMESPACE, `k${index}`)?.key).toBe(`k${index}`);
    }
  }
});
