/**
 * Two machines with one meaning: the scripts in the server must do to every command what the replicated state
 * machine does. Random histories go to both, and everything a reader can see is compared.
 */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { encodeCommand, type WriteCommand, type WriteOperation } from "../service/command.ts";
import { Fsm } from "../service/fsm.ts";
import { createLogger } from "../service/logger.ts";
import { grantText } from "../service/tenant-keys.ts";
import { UnisonEngine } from "../service/unison/engine.ts";
import { Session } from "../service/unison/session.ts";
import { STATE_DDL } from "../shared/schema.ts";
import { claimState, KvStore } from "../shared/store.ts";
import { KEYS_NAMESPACE } from "../shared/types.ts";
import { needsRedis, RedisServer } from "./redis.ts";

const NAMESPACES = ["tenant:a/settings", "tenant:a/settings/deep", "tenant:ab/settings"] as const;
const KEYS = ["x", "xy", "é", "\u{1f600}"] as const;
const CHANGES_MAX = 12;
const PAGES = [1, 3, 1_000] as const;

const operation = fc.record({
  op: fc.constantFrom("set" as const, "set" as const, "delete" as const),
  namespace: fc.constantFrom(...NAMESPACES),
  key: fc.constantFrom(...KEYS),
  value: fc.json({ maxDepth: 1 }),
  cas: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, fc.nat({ max: 4 })),
});
const KEY_IDS = ["00000000000000aa", "00000000000000bb"] as const;
const command = fc.record({
  actor: fc.constantFrom("ada", "a b"),
  key: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, fc.constantFrom(...KEY_IDS)),
  quota: fc.option(fc.record({ keysMax: fc.nat(6), bytesMax: fc.nat(200) }), { freq: 2 }),
  request: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, fc.constantFrom("r1", "r2")),
  operations: fc.uniqueArray(operation, {
    minLength: 1,
    maxLength: 5,
    selector: ({ namespace, key }) => `${namespace}\n${key}`,
  }),
});

type Drawn = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** Now and then a tenant key is made, changed or revoked, in the order of all other writes. */
const grant = fc.record({
  key: fc.constantFrom(...KEY_IDS),
  namespace: fc.constantFrom("tenant:a", "tenant:a/settings", "tenant:ab"),
  access: fc.constantFrom("read_write" as const, "read_only" as const),
  revoked: fc.boolean(),
});

function grantCommand({ key, namespace, access, revoked }: Granted): WriteCommand {
  const place = { namespace: KEYS_NAMESPACE, key, cas: null };
  const valueJson = grantText({ namespace, access, label: "", digest: "" });
  const facts = { valueJson, expiresAt: null, ttlMs: null };
  const one: WriteOperation = revoked
    ? { op: "delete", ...place }
    : { op: "set", ...place, ...facts };
  return { type: "write", actor: "root", operations: [one] };
}
type Granted = typeof grant extends fc.Arbitrary<infer T> ? T : never;
const commands = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: command.map(commandOf) },
    { weight: 1, arbitrary: grant.map(grantCommand) },
  ),
  { minLength: 1, maxLength: 40 },
);

function commandOf({ actor, request, key, quota, operations }: Drawn): WriteCommand {
  const done = operations.map(({ op, namespace, key, value, cas }): WriteOperation => {
    if (op === "delete") return { op, namespace, key, cas };
    return { op, namespace, key, cas, valueJson: value, expiresAt: null, ttlMs: null };
  });
  const named = request === null ? {} : { requestId: request };
  const keyed = key === null ? {} : { keyId: key };
  const bounded = quota === null ? {} : { quota };
  return { type: "write", actor, operations: done, ...named, ...keyed, ...bounded };
}

/** Each machine has a clock of its own; all else must be equal. */
const timeless = (value: unknown) =>
  JSON.parse(JSON.stringify(value), (name, inner) =>
    name === "at" || name === "updatedAt" ? 0 : inner,
  );

function stateMachine() {
  const db = new Database(":memory:", { strict: true });
  db.run(STATE_DDL);
  claimState(db, "test");
  const store = new KvStore(db);
  const fsm = new Fsm(store, { changesMax: CHANGES_MAX, bytesMax: 1 << 30 });
  let index = 0;
  const write = (one: WriteCommand) => {
    index += 1;
    const at = { index, term: 1, timeMs: index, kind: "command" as const };
    return fsm.apply([{ ...at, payload: encodeCommand(one) }])[0];
  };
  return { store, write };
}

describe.skipIf(!needsRedis("Unison beside the state machine"))(
  "Unison beside the state machine",
  () => {
    let folder = "";
    let server: RedisServer;
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "concordance-"));
      server = await RedisServer.start(folder, "--appendonly", "no");
    });
    afterAll(async () => {
      await server?.kill();
      rmSync(folder, { recursive: true, force: true });
    });

    async function withEngine(use: (engine: UnisonEngine) => Promise<void>) {
      await server.command("FLUSHALL");
      const session = new Session({
        url: server.url,
        publish: () => undefined,
        historyChanged: () => undefined,
        log: createLogger(() => undefined),
      });
      await session.start();
      try {
        await server.command("HSET", "{unison}:meta", "historyMax", String(CHANGES_MAX));
        await use(new UnisonEngine(session));
      } finally {
        session.stop();
      }
    }

    test("C3, C4, pitfalls 34, 36, 37, 39: results, entries, versions, changes, quotas, keys and audit are the same", async () => {
      await fc.assert(
        fc.asyncProperty(commands, (drawn) =>
          withEngine(async (engine) => {
            const { store, write } = stateMachine();
            for (const one of drawn) {
              expect(timeless(await engine.write(one))).toEqual(timeless(write(one)));
            }
            await compareReads(engine, store);
          }),
        ),
        { numRuns: 150 },
      );
    }, 120_000);
  },
);

async function compareReads(engine: UnisonEngine, store: KvStore): Promise<void> {
  const { revision, compactedRevision } = store.position;
  for (const itemsMax of PAGES) {
    const limits = { itemsMax, bytesMax: 1 << 20 };
    for (const namespace of NAMESPACES) {
      for (const [prefix, after] of [
        ["", null],
        ["x", null],
        ["", "x"],
        ["x", "a"],
        ["a", "x"],
      ] as const) {
        const page = await engine.list(namespace, prefix, after, limits);
        const twin = store.list(namespace, prefix, after, limits);
        expect(timeless(page)).toEqual(timeless({ ...twin, revision }));
      }
    }
    for (const root of ["tenant:a", "tenant:ab", "system"]) {
      const after = itemsMax === 1 ? 0 : itemsMax;
      const rows = store.ledger.history(root, after, itemsMax);
      expect(timeless(await engine.audit(root, after, itemsMax))).toEqual(
        timeless({ rows, revision }),
      );
    }
    for (const namespace of ["tenant:a", "tenant:a/settings", "tenant:ab"]) {
      for (const prefix of ["", "x", "é"]) {
        const page = await engine.listUnder(namespace, prefix, limits);
        const twin = store.listUnder(namespace, prefix, limits);
        expect(timeless(page)).toEqual(timeless({ ...twin, revision }));
      }
    }
    for (const namespace of [null, "tenant:a", ...NAMESPACES]) {
      for (let since = compactedRevision; since <= revision; since += 1) {
        const page = await engine.changes(since, namespace, limits);
        const twin = store.changesAfter(since, namespace, limits);
        expect(timeless(page.items)).toEqual(timeless(twin.items));
        expect(page.revision).toBe(revision);
        expect(page.through).toBeLessThanOrEqual(twin.through);
        expect(page.through).toBeGreaterThanOrEqual(page.items.at(-1)?.revision ?? revision);
      }
    }
  }
  for (const since of [compactedRevision - 1, revision + 1]) {
    // Not `rejects`: it runs the event loop within itself, and the answers on this connection would change places.
    const refused = await engine
      .changes(since, null, { itemsMax: 1, bytesMax: 1 })
      .catch((error: unknown) => error);
    const details = { revision, compactedThrough: compactedRevision };
    expect(refused).toMatchObject({ code: "compacted", details });
  }
}
