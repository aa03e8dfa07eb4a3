import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import type { AuditRow } from "../shared/ledger.ts";
import { KEYS_NAMESPACE, rootOf } from "../shared/types.ts";
import {
  allChanges,
  entriesOf,
  machine,
  NAMESPACE,
  set,
  type Timed,
  write,
} from "../test/state-machine.ts";
import type { DeleteCommand, WriteCommand } from "./command.ts";
import { digestOf, grantText } from "./tenant-keys.ts";

/** Property tests on a machine that does other work too. */
setDefaultTimeout(60_000);

const erase = (key: string, namespace = NAMESPACE): DeleteCommand => ({
  op: "delete",
  namespace,
  key,
  cas: null,
});
const HISTORY = { changesMax: 1_000_000, bytesMax: 1 << 30 };
const everything = [set("x", "1"), set("y", '"äß"'), set("x", "[]", "tenant:b/settings")];

/** A machine that numbers its entries by itself. */
function running(...parameters: Parameters<typeof machine>) {
  const made = machine(...parameters);
  const apply = (one: Timed, extra: Partial<WriteCommand> = {}) => {
    const command = one.command === null ? null : { ...one.command, ...extra };
    const entries = entriesOf([{ ...one, command } as Timed], made.fsm.appliedIndex);
    return made.fsm.apply(entries)[0];
  };
  return { ...made, apply };
}

const operation = fc
  .tuple(fc.constantFrom("tenant:a/s", "tenant:a/s/t", "tenant:ab/s", "plain"), fc.nat(3))
  .chain(([namespace, n]) =>
    fc.oneof(
      fc.json({ maxDepth: 1 }).map((value) => set(`k${n}`, value, namespace)),
      fc.constant(erase(`k${n}`, namespace)),
    ),
  );
const batches = fc.array(
  fc.uniqueArray(operation, { minLength: 1, maxLength: 4, selector: nameOf }),
  { minLength: 1, maxLength: 40 },
);
function nameOf(one: { readonly namespace: string; readonly key: string }): string {
  return `${one.namespace} ${one.key}`;
}

describe("what tenants hold", () => {
  test("is always what counting every row would say", () => {
    fc.assert(
      fc.property(batches, (timeline) => {
        const { apply, db, store } = running();
        for (const [at, operations] of timeline.entries()) apply(write(at, ...operations));
        const rows = db
          .query<{ namespace: string; key: string; value: string }, []>("SELECT * FROM kv")
          .all();
        for (const root of ["tenant:a", "tenant:ab", "system"]) {
          const held = rows.filter(({ namespace }) => rootOf(namespace) === root);
          const bytes = held.map((row) => Buffer.byteLength(row.namespace + row.key + row.value));
          expect(store.ledger.usage(root)).toMatchObject({
            keys: held.length,
            bytes: bytes.reduce((sum, one) => sum + one, 0),
          });
        }
      }),
      { numRuns: 100 },
    );
  });

  test("a quota refuses what adds, for that tenant only, and never what shrinks or deletes", () => {
    const { apply, store } = running();
    apply(write(1, ...everything));
    const { bytes } = store.ledger.usage("tenant:a");
    const tight = { quota: { keysMax: 2, bytesMax: bytes } };
    const over = { kind: "quota_exceeded", root: "tenant:a" };
    expect(apply(write(2, set("z", "1")), tight)).toMatchObject({ ...over, what: "keys", max: 2 });
    expect(apply(write(3, set("x", "12")), tight)).toMatchObject({ ...over, what: "bytes" });
    expect(apply(write(4, set("x", "2")), tight)).toMatchObject({ kind: "committed" });
    const other = write(5, set("y", "1", "tenant:b/settings"));
    expect(apply(other, tight)).toMatchObject({ kind: "committed" });
    // A batch that makes its own room is as good as two writes.
    const moved = write(6, erase("x"), set("v", "1"));
    expect(apply(moved, tight)).toMatchObject({ kind: "committed" });
    expect(apply(write(7, erase("v"), erase("y")), tight)).toMatchObject({ kind: "committed" });
    expect(store.ledger.usage("tenant:a")).toMatchObject({ keys: 0, bytes: 0 });
  });

  test("a request that a quota refused may be asked again once there is room", () => {
    const { apply } = running();
    const quota = { keysMax: 1, bytesMax: 1_000 };
    apply(write(1, set("x", "1")), { quota });
    const again = write(2, set("y", "1"));
    expect(apply(again, { quota, requestId: "r" })).toMatchObject({ kind: "quota_exceeded" });
    apply(write(3, erase("x")), { quota });
    expect(apply(again, { quota, requestId: "r" })).toMatchObject({ kind: "committed" });
  });
});

describe("the audit history", () => {
  test("tells who changed what, for each tenant, and never a value", () => {
    fc.assert(
      fc.property(batches, (timeline) => {
        const { apply, store } = running();
        for (const [at, operations] of timeline.entries()) apply(write(at, ...operations));
        const items = allChanges(store);
        for (const root of ["tenant:a", "tenant:ab", "system"]) {
          const wanted = items
            .filter(({ namespace }) => rootOf(namespace) === root)
            .map(({ value: _, ...rest }): AuditRow => ({ ...rest, root, credential: "api" }));
          expect(store.ledger.history(root, 0, 1_000)).toEqual(wanted);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("keeps the newest rows of each tenant, the same ones however entries are batched", () => {
    const limits = { rowsMax: 5, slack: 2 };
    const one = running(HISTORY, limits);
    const timeline = Array.from({ length: 23 }, (_, at) => write(at, set(`k${at}`, "1")));
    for (const step of timeline) one.apply(step);
    const other = machine(HISTORY, limits);
    other.fsm.apply(entriesOf(timeline));
    const kept = one.store.ledger.history("tenant:a", 0, 100);
    expect(other.store.ledger.history("tenant:a", 0, 100)).toEqual(kept);
    expect(kept.at(-1)?.seq).toBe(23);
    expect(kept.length).toBeGreaterThanOrEqual(5);
    expect(kept.length).toBeLessThan(7);
    expect(one.store.ledger.usage("tenant:a").audited).toBe(kept.length);
  });
});

describe("tenant keys in the log", () => {
  const keyId = "00112233aabbccdd";
  const grant = (namespace: string, access: "read_write" | "read_only" = "read_write") =>
    set(keyId, grantText({ namespace, access, label: "", digest: digestOf("t") }), KEYS_NAMESPACE);
  const refused = { kind: "key_refused" };

  test("pitfall 39: a revocation holds for every write after it in the log", () => {
    const { apply, store } = running();
    expect(apply(write(1, set("x", "1")), { keyId })).toMatchObject(refused);
    apply(write(2, grant("tenant:a")));
    expect(apply(write(3, set("x", "1")), { keyId })).toMatchObject({ kind: "committed" });
    expect(store.ledger.history("tenant:a", 0, 9)).toMatchObject([{ credential: keyId }]);
    apply(write(4, erase(keyId, KEYS_NAMESPACE)));
    expect(apply(write(5, set("x", "2")), { keyId })).toMatchObject(refused);
    expect(store.row(NAMESPACE, "x")?.value).toBe("1");
  });

  test("a key reaches its namespace only, writes only if it may, and not past its time", () => {
    const { apply } = running();
    apply(write(1, grant("tenant:a/settings")));
    const outside = [set("x", "1"), set("x", "1", "tenant:ab/settings")];
    expect(apply(write(2, ...outside), { keyId })).toMatchObject(refused);
    apply(write(3, grant("tenant:a", "read_only")));
    expect(apply(write(4, set("x", "1")), { keyId })).toMatchObject(refused);
    apply(write(5, { ...grant("tenant:a"), expiresAt: 10 }));
    expect(apply(write(9, set("x", "1")), { keyId })).toMatchObject({ kind: "committed" });
    expect(apply(write(10, set("x", "2")), { keyId })).toMatchObject(refused);
  });
});

describe("sealed values in the log", () => {
  const sealed = (keyId: string, body: string) => `enc1:${keyId}:${body.padEnd(40, "A")}`;
  const where = { namespace: "tenant:a/credentials", key: "k" };

  test("sealing again changes the text of entry and history, and nothing a reader counts", () => {
    const { apply, store } = running();
    const old = { ...set("k", sealed("0000000a", "x"), where.namespace), digest: "d" };
    apply(write(1, old, set("plain", '"enc1:0000000a"')));
    const { entries, changes } = store.sealedOtherwise("0000000b", 10);
    expect([entries, changes]).toMatchObject([[where], [where]]);
    const before = store.position;
    const value = sealed("0000000b", "y");
    const again = (version: number): Timed => ({
      timeMs: 2,
      command: { type: "reseal", entries: [{ ...where, version, value }], changes: [] },
    });
    apply(again(7));
    expect(store.row(where.namespace, where.key)?.value).toBe(old.valueJson);
    apply(again(1));
    apply({
      timeMs: 3,
      command: { type: "reseal", entries: [], changes: [{ seq: changes[0]?.seq ?? 0, value }] },
    });
    expect(store.row(where.namespace, where.key)).toMatchObject({ value, version: 1 });
    expect(store.sealedOtherwise("0000000b", 10)).toEqual({ entries: [], changes: [] });
    expect(store.position).toEqual({ ...before, appliedIndex: 4, timeMs: 3 });
  });

  test("pitfall 34: a retry of a sealed write is known by its digest, not by its ciphertext", () => {
    const { apply } = running();
    const attempt = (body: string, digest: string) =>
      apply(write(1, { ...set("k", sealed("0000000a", body), where.namespace), digest }), {
        requestId: "r",
      });
    const first = attempt("x", "same");
    expect(attempt("y", "same")).toMatchObject({
      ...first,
      results: [{ entry: { value: sealed("0000000a", "y"), version: 1 } }],
    });
    expect(attempt("z", "other")).toMatchObject({ kind: "request_reused" });
  });
});
