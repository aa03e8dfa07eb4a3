/**
 * What a store has to do, asked in the same way of the embedded one and of the delegated one, over Concordance and over
 * Unison: whatever was answered is there after
 * a restart and for another gateway; one gateway at a time writes for a tenant, and a former one is refused.
 */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as ManagedRuntime from "effect/ManagedRuntime";
import { AppConfig, type Settings } from "../src/app-config.ts";
import { freshRun, planOf } from "../src/automations/core/runs-of-ticks.ts";
import { delegatedStore } from "../src/db/delegated/DelegatedStore.ts";
import type {
  ReaderQueries,
  ReaderQuery,
  WriterCommand,
  WriterCommands,
} from "../src/db/storage.ts";
import type { StoredAutomation, StoredDelivery, StoredRun } from "../src/db/stored-automations.ts";
import type { RegistryRow } from "../src/db/stored-registry.ts";
import type { Commit } from "../src/db/stored-session.ts";
import { WorkerManager } from "../src/db/WorkerManager.ts";
import type { Blueprint } from "../src/protocol/index.ts";
import { definition } from "./support/automation-world.ts";
import { has, Program } from "./support/programs.ts";

setDefaultTimeout(60_000);

const KEY = "kv_store_test";

/** One gateway's store. */
class Store {
  readonly #runtime;

  constructor(settings: Partial<Settings>, gatewayId: string) {
    const config = Layer.succeed(AppConfig, settings as Settings);
    const layer =
      settings.store === "delegated"
        ? delegatedStore(gatewayId).pipe(Layer.provide(WorkerManager.layer))
        : WorkerManager.layer;
    this.#runtime = ManagedRuntime.make(layer.pipe(Layer.provide(config)));
  }

  write<C extends WriterCommand>(
    command: C,
    claim?: number,
  ): Promise<WriterCommands[C["kind"]][1]> {
    return this.#runtime.runPromise(
      Effect.flatMap(WorkerManager, (it) => it.write(command, claim)),
    );
  }

  read<Q extends ReaderQuery>(query: Q): Promise<ReaderQueries[Q["kind"]][1]> {
    return this.#runtime.runPromise(Effect.flatMap(WorkerManager, (it) => it.read(query)));
  }

  claim(tenantId: string, gatewayId: string): Promise<number> {
    return this.write({ kind: "claim_tenant", tenantId, gatewayId, nowMs: 1 });
  }

  close(): Promise<void> {
    return this.#runtime.dispose();
  }
}

const log = { at: 1, actor: "ann", automationId: "x", action: "a", detail: null, traceId: "0" };
const keyed = { log, remembered: null, nowMs: 1 } as const;
type Saved<T> = T extends Blueprint ? { blueprint: T } : { automation: T };
const saved = <T extends Blueprint | StoredAutomation>(what: T, replaces: number | null) =>
  ({
    ...("blueprintId" in what ? { blueprint: what } : { automation: what }),
    replaces,
    countMax: 10,
    ...keyed,
  }) as unknown as Saved<T> & { replaces: number | null; countMax: number } & typeof keyed;

const blueprintOf = (name: string, version: number): Blueprint => ({
  blueprintId: "blue_1",
  version,
  name,
  description: "",
  template: { prompt: "Hi {{who}}" },
  needs: ["who"],
  createdBy: "ann",
  createdAt: 1,
  updatedAt: 1,
});

const automationOf = (automationId: string): StoredAutomation => ({
  automationId,
  version: 1,
  definition: definition({ kind: "heartbeat", everyMinutes: 5 }),
  owner: { tenant: "acme", user: "ann", roles: [], permissions: [] },
  ownerId: "ann",
  paused: null,
  createdAt: 1,
  updatedAt: 1,
  anchorAt: 0,
  cursorAt: 0,
  nextDueAt: 1,
  failuresInARow: 0,
});

const runOf = (automation: StoredAutomation, runId: string): StoredRun => {
  const { automationId } = automation;
  const plan = planOf(automation, 1, "");
  return freshRun({ runId, automationId, cause: "tick", dueAt: 1, plan }, 1);
};

const deliveryOf = (deliveryId: string, { runId, automationId }: StoredRun): StoredDelivery => ({
  deliveryId,
  automationId,
  runId,
  to: "webhook",
  target: "https://x.example/",
  message: { secretRef: "env:DIMINUENDO_WEBHOOK_X", body: "{}" },
  status: "pending",
  attempts: 0,
  nextAttemptAt: 5,
  responseCode: null,
  commandId: null,
  error: null,
  createdAt: 5,
  endedAt: null,
});

interface Kind {
  readonly name: string;
  readonly store: Settings["store"];
  /** What it is delegated to comes last. */
  readonly start: () => Promise<readonly Program[]>;
}
const KINDS: Kind[] = [
  { name: "embedded", store: "embedded", start: async () => [] },
  {
    name: "delegated to Concordance",
    store: "delegated",
    start: async () => [await Program.concordance(KEY)],
  },
];
if (has("redis-server", "store: delegated to Unison")) {
  const start = async () => {
    const redis = await Program.redis({ keeps: true });
    return [redis, await Program.unison(KEY, redis)];
  };
  KINDS.push({ name: "delegated to Unison", store: "delegated", start });
}

for (const { name, store: kind, start } of KINDS) {
  describe(`store: ${name}`, () => {
    let programs: readonly Program[];
    beforeAll(async () => {
      programs = await start();
    });
    afterAll(async () => {
      for (const program of programs.toReversed()) await program.end();
    });
    let root: string;
    let opened: Store[];
    let made: number;
    beforeEach(() => {
      root = mkdtempSync(join(tmpdir(), "diminuendo-store-"));
      opened = [];
      made = 0;
    });
    afterEach(async () => {
      for (const store of opened) await store.close();
      rmSync(root, { recursive: true, force: true });
    });
    /** Another gateway: beside the others on the shared data, or on a machine of its own. */
    const gateway = (folder = kind === "embedded" ? "shared" : `machine-${made}`): Store => {
      made += 1;
      const fleet = { broadcastUrl: "", channel: "", peerUrl: null, leaseMs: 0 };
      const store = new Store(
        {
          dataDir: join(root, folder),
          store: kind,
          storeRoot: `gateways/${root.split("-").at(-1)}/store`,
          concordance: { url: programs.at(-1)?.url ?? "", key: KEY },
          fleet,
        },
        `gw${made}`,
      );
      opened.push(store);
      return store;
    };

    test("what was answered is there for the next gateway, and the events are as they were written", async () => {
      const a = gateway();
      const claim = await a.claim("acme", "a");
      expect(await a.write(create("s1"), claim)).toEqual({ kind: "created" });
      const opening = await a.write(open("s1"), claim);
      expect(opening).toMatchObject({ lastSeq: 0, status: "inactive" });
      await a.write(commit("s1", 1, ["one", "two"]), claim);
      await a.write(commit("s1", 3, ["three \u0000 😀"]), claim);
      await a.close();

      const b = gateway();
      const next = await b.claim("acme", "b");
      expect(next).toBeGreaterThan(claim);
      expect(await b.read({ kind: "get_session", tenantId: "acme", sessionId: "s1" })).toEqual(
        row("s1"),
      );
      expect(await b.write(open("s1"), next)).toMatchObject({ epoch: opening.epoch, lastSeq: 3 });
      expect((await b.read(events("s1"))).events.map(({ frame }) => frame)).toEqual([
        "one",
        "two",
        "three \u0000 😀",
      ]);
    });

    test("whoever claims last writes; the one before is refused, in the registry and in every session", async () => {
      const [a, b] = [gateway(), gateway()];
      const first = await a.claim("acme", "a");
      await a.write(create("s1"), first);
      await a.write(open("s1"), first);
      await a.write(commit("s1", 1, ["by a"]), first);
      const second = await b.claim("acme", "b");
      await expect(a.write(create("s2"), first)).rejects.toMatchObject({ superseded: true });
      await b.write(open("s1"), second);
      await expect(a.write(commit("s1", 2, ["late"]), first)).rejects.toMatchObject({
        superseded: true,
      });
      await expect(a.write(open("s1"), first)).rejects.toMatchObject({ superseded: true });
      await b.write(commit("s1", 2, ["by b"]), second);
      expect((await b.read(events("s1"))).events.map(({ frame }) => frame)).toEqual([
        "by a",
        "by b",
      ]);
      const listed = await b.read(list());
      expect(listed.map(({ sessionId }) => sessionId)).toEqual(["s1"]);
      // And back: what b wrote is there for a.
      const third = await a.claim("acme", "a");
      expect(await a.write(open("s1"), third)).toMatchObject({ lastSeq: 2 });
      await expect(b.write(commit("s1", 3, ["late"]), second)).rejects.toMatchObject({
        superseded: true,
      });
    });

    test("a command that cannot be done is refused, changes nothing, and what follows it is done", async () => {
      const a = gateway();
      const claim = await a.claim("acme", "a");
      await a.write(create("s1"), claim);
      await a.write(open("s1"), claim);
      await a.write(commit("s1", 1, ["one"]), claim);
      const refused = await a.write(commit("s1", 7, ["hole"]), claim).catch((error) => error);
      expect(refused.reason).toContain("does not follow");
      expect(refused.superseded).toBe(false);
      await a.write(commit("s1", 2, ["two"]), claim);
      const b = gateway();
      const next = await b.claim("acme", "b");
      expect(await b.write(open("s1"), next)).toMatchObject({ lastSeq: 2 });
    });

    test("blueprints and what is told outside are there for the next gateway, and change only from what was seen", async () => {
      const tenantId = "acme";
      const first = gateway();
      await first.claim(tenantId, "gw1");
      const blueprint = blueprintOf("One", 1);
      const save = (of: Blueprint, replaces: number | null) =>
        first.write({ kind: "save_blueprint", tenantId, ...saved(of, replaces) });
      expect(await save(blueprint, null)).toBe("saved");
      expect(await save({ ...blueprint, blueprintId: "blue_2" }, null)).toBe("name_taken");
      expect(await save({ ...blueprint, version: 2, description: "new" }, 1)).toBe("saved");
      expect(await save({ ...blueprint, version: 2 }, 1)).toBe("stale");

      const automation = automationOf("auto_1");
      await first.write({ kind: "save_automation", tenantId, ...saved(automation, null) });
      const run = runOf(automation, "run_1");
      const place = { automationId: "auto_1", version: 1, fromCursorAt: 0, cursorAt: 1 };
      const runs = [run];
      await first.write({ kind: "advance_automation", tenantId, ...place, nextDueAt: null, runs });
      const end = {
        runId: "run_1",
        attempt: 1,
        patch: { status: "succeeded", endedAt: 5 },
      } as const;
      const quiet = { item: null, counts: "success", pause: null, nowMs: 5 } as const;
      const delivery = deliveryOf("dlv_1", run);
      const deliveries = [delivery];
      await first.write({ kind: "change_run", tenantId, ...end, ...quiet, deliveries });
      const patch = { attempts: 1, nextAttemptAt: 9, error: "500" } as const;
      const attempt = {
        kind: "change_delivery",
        tenantId,
        deliveryId: "dlv_1",
        item: null,
      } as const;
      expect(await first.write({ ...attempt, attempts: 0, patch })).toMatchObject({
        delivery: { attempts: 1 },
      });
      expect(await first.write({ ...attempt, attempts: 0, patch })).toBeNull();

      const second = gateway();
      await second.claim(tenantId, "gw2");
      expect(await second.read({ kind: "get_blueprint", tenantId, blueprintId: "blue_1" })).toEqual(
        {
          ...blueprint,
          version: 2,
          description: "new",
        },
      );
      expect(await second.read({ kind: "automation_wake", tenantId })).toMatchObject({
        deliverAtMs: 9,
      });
      const due = { kind: "due_deliveries", tenantId, limit: 10 } as const;
      expect(await second.read({ ...due, nowMs: 8 })).toEqual([]);
      expect(await second.read({ ...due, nowMs: 9 })).toEqual([{ ...delivery, ...patch }]);
      await second.write({
        kind: "delete_automation",
        tenantId,
        automationId: "auto_1",
        ...keyed,
      });
      expect(await second.read({ ...due, nowMs: 9 })).toEqual([]);
      const gone = { kind: "delete_blueprint", tenantId, blueprintId: "blue_1", ...keyed } as const;
      expect([await second.write(gone), await second.write(gone)]).toEqual([true, false]);
    });

    test("many at once are done in order, and tenants do not see each other", async () => {
      const a = gateway();
      const claims = [await a.claim("acme", "a"), await a.claim("globex", "a")];
      await a.write(create("s1"), claims[0]);
      await a.write({ ...create("s2"), tenantId: "globex" }, claims[1]);
      await a.write(open("s1"), claims[0]);
      const all = Array.from({ length: 120 }, (_, index) =>
        a.write(commit("s1", index + 1, [`e${index}`]), claims[0]),
      );
      await Promise.all(all);
      expect((await a.read(events("s1"))).events.map(({ frame }) => frame)).toEqual(
        all.map((_, index) => `e${index}`),
      );
      expect((await a.read(list())).map(({ sessionId }) => sessionId)).toEqual(["s1"]);
      const globex = await a.read({ ...list(), tenantId: "globex" });
      expect(globex.map(({ sessionId }) => sessionId)).toEqual(["s2"]);
    });

    test("what a key stands for is known for seven days, and then makes room as new ones come", async () => {
      const a = gateway();
      const claim = await a.claim("acme", "a");
      const created = (sessionId: string, key: string, createdAt: number) => {
        const idempotency = { key, fingerprint: "f" };
        return a.write(
          { ...create(sessionId), row: { ...row(sessionId), createdAt }, idempotency },
          claim,
        );
      };
      const answered = (key: string) => ({ userId: "ann", key, fingerprint: "f", answer: "1" });
      const renamed = (key: string, nowMs: number) => {
        const ask = { kind: "label_session", tenantId: "acme", sessionId: "s1" } as const;
        return a.write({ ...ask, name: key, nowMs, remembered: answered(key) }, claim);
      };
      const kept = (seq: number, key: string, nowMs: number) => {
        const rows = [{ kind: "answered", remembered: answered(key) }] as const;
        return a.write({ ...commit("s1", seq, ["x"]), rows, nowMs }, claim);
      };
      const known = async (sessionId: string | null, keys: readonly string[]) => {
        const ask = { kind: "remembered", tenantId: "acme", sessionId, userId: "ann" } as const;
        const each = keys.map(async (key) => ((await a.read({ ...ask, key })) ? [key] : []));
        return (await Promise.all(each)).flat();
      };
      const days = (count: number) => count * 86_400_000 + 1;
      expect(await created("s1", "k", days(0))).toEqual({ kind: "created" });
      await a.write(open("s1"), claim);
      // More than are forgotten at once.
      const old = Array.from({ length: 25 }, (_, index) => `old${index}`);
      for (const key of old) await renamed(key, days(0));
      await renamed("young", days(3));
      await kept(1, "early", days(0));
      // To the last moment the first answer is told again.
      expect(await created("s2", "k", days(7) - 1)).toEqual({ kind: "repeated", sessionId: "s1" });
      await renamed("a day before", days(6));
      expect(await known(null, [...old, "young"])).toEqual([...old, "young"]);
      expect(await created("s2", "k", days(7))).toEqual({ kind: "created" });
      await renamed("then", days(7));
      expect(await known(null, old)).toHaveLength(5);
      await renamed("later", days(7));
      expect(await known(null, [...old, "young", "later"])).toEqual(["young", "later"]);
      expect(await known("s1", ["early"])).toEqual(["early"]);
      await kept(2, "late", days(8));
      expect(await known("s1", ["early", "late"])).toEqual(["late"]);
    });

    const itsDelegateDies = async () => {
      const a = gateway();
      const claim = await a.claim("acme", "a");
      await a.write(create("s1"), claim);
      await a.write(open("s1"), claim);
      await a.write(commit("s1", 1, ["before"]), claim);
      const [keeper] = programs;
      await keeper?.kill();
      const meanwhile = a.write(commit("s1", 2, ["meanwhile"]), claim).then(
        () => ["before", "meanwhile"],
        () => null,
      );
      await keeper?.start();
      const kept = await meanwhile;
      const b = gateway();
      const next = await eventually(() => b.claim("acme", "b"));
      await b.write(open("s1"), next);
      const frames = (await b.read(events("s1"))).events.map(({ frame }) => frame);
      // What was not answered may be there, whole, or not.
      if (kept === null) expect(["before", "before,meanwhile"]).toContain(frames.join());
      else expect(frames).toEqual(kept);
      await expect(a.write(commit("s1", 3, ["late"]), claim)).rejects.toMatchObject({
        superseded: true,
      });
    };
    if (kind === "delegated") {
      test(
        "what was answered is there after what it is delegated to was killed and came back",
        itsDelegateDies,
      );
    }

    test("a large log is there whole for the next gateway, and a deleted session for nobody", async () => {
      const a = gateway();
      const claim = await a.claim("acme", "a");
      for (const id of ["s1", "s2"]) {
        await a.write(create(id), claim);
        await a.write(open(id), claim);
      }
      // Nothing that compresses: the log has to be cut and kept whole several times over.
      const frames = Array.from({ length: 40 }, () => noise(60_000));
      frames.push(noise(1_500_000));
      for (const [index, frame] of frames.entries()) {
        await a.write(commit("s1", index + 1, [frame]), claim);
      }
      await a.write(forget("s2"), claim);
      expect((await a.read({ kind: "left_over", ofTenant: "acme" })).doomed).toEqual([
        { tenantId: "acme", sessionId: "s2" },
      ]);
      await a.read({ kind: "drop_session", sessionId: "s2" });
      await a.write({ kind: "drop_session", sessionId: "s2" });
      await a.write({ kind: "session_dropped", tenantId: "acme", sessionId: "s2" }, claim);

      const b = gateway();
      const next = await b.claim("acme", "b");
      expect((await b.read({ kind: "left_over", ofTenant: null })).doomed).toEqual([]);
      expect(await b.write(open("s1"), next)).toMatchObject({ lastSeq: frames.length });
      const read: string[] = [];
      while (read.length < frames.length) {
        const page = await b.read({ ...events("s1"), afterSeq: read.length });
        read.push(...page.events.map(({ frame }) => frame));
      }
      expect(read).toEqual(frames);
      await b.write(commit("s1", frames.length + 1, ["after"]), next);
    });
  });
}

/** Whoever comes back needs a moment. */
async function eventually<A>(ask: () => Promise<A>): Promise<A> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === 100) throw error;
      await Bun.sleep(100);
    }
  }
}

const noise = (chars: number): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(Math.min(60_000, chars))))
    .toString("base64")
    .repeat(Math.ceil(chars / 60_000));

const row = (sessionId: string): RegistryRow => ({
  waitingFor: null,
  sessionId,
  name: `Session ${sessionId}`,
  agentType: "echo",
  status: "inactive",
  createdAt: 1,
  updatedAt: 1,
  archived: false,
  lastSeq: 0,
});
const create = (sessionId: string) =>
  ({
    kind: "create_session",
    tenantId: "acme",
    row: row(sessionId),
    userId: "ann",
    idempotency: null,
  }) as const;
const open = (sessionId: string) =>
  ({ kind: "open_session", ofTenant: "acme", sessionId, epoch: crypto.randomUUID() }) as const;
const forget = (sessionId: string) =>
  ({ kind: "forget_session", tenantId: "acme", sessionId, nowMs: 2, remembered: null }) as const;
const list = () =>
  ({
    kind: "list_sessions",
    tenantId: "acme",
    includeArchived: true,
    after: null,
    limit: 50,
  }) as const;
const events = (sessionId: string) =>
  ({
    kind: "events",
    tenantId: "acme",
    sessionId,
    afterSeq: 0,
    throughSeq: 1_000,
    from: "oldest",
    limit: 500,
    bytesMax: 4_000_000,
  }) as const;
const commit = (sessionId: string, fromSeq: number, frames: readonly string[]): Commit => ({
  kind: "commit",
  ofTenant: "acme",
  sessionId,
  events: frames.map((frame, index) => ({
    seq: fromSeq + index,
    type: "test",
    turnId: null,
    ts: 1,
    frame,
    deltaOf: null,
  })),
  compacted: [],
  rows: [],
  status: "ready",
  podiumEventId: fromSeq,
  nowMs: 1,
});
