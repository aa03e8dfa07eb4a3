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
import { UnisonEngine } from "../service/unison/engine.ts";
import { Session } from "../service/unison/session.ts";
import { STATE_DDL } from "../shared/schema.ts";
import { claimState, KvStore } from "../shared/store.ts";
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
const command = fc.record({
  actor: fc.constantFrom("ada", "a b"),
  request: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, fc.constantFrom("r1", "r2")),
  operations: fc.uniqueArray(operation, {
    minLength: 1,
    maxLength: 5,
    selector: ({ namespace, key }) => `${namespace}\n${key}`,
  }),
});

type Drawn = typeof command extends fc.Arbitrary<infer T> ? T : never;

function commandOf({ actor, request, operations }: Drawn): WriteCommand {
  const done = operations.map(({ op, namespace, key, value, cas }): WriteOperation => {
    if (op === "delete") return { op, namespace, key, cas };
    return { op, namespace, key, cas, valueJson: value, expiresAt: null, ttlMs: null };
  });
  const named = request === null ? {} : { requestId: request };
  return { type: "write", actor, operations: done, ...named };
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

    test("C3, C4, pitfalls 34, 36, 37: results, entries, versions, changes and their floor are the same", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 40 }), (commands) =>
          withEngine(async (engine) => {
            const { store, write } = stateMachine();
            for (const one of commands.map(commandOf)) {
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
    const refused = engine.changes(since, null, { itemsMax: 1, bytesMax: 1 });
    const details = { revision, compactedThrough: compactedRevision };
    await expect(refused).rejects.toMatchObject({ code: "compacted", details });
  }
}
