/**
 * Measures how many events a second each store keeps: `bun tools/store-pace/main.ts [seconds] [sessions]`. As many sessions as
 * said each commit one event, wait for the answer, and commit the next: what streams, with no socket beside it. The
 * stores are those of docs/gateways.md, over real programs; without redis-server the last is left out.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as ManagedRuntime from "effect/ManagedRuntime";
import { AppConfig, type Settings } from "../../src/app-config.ts";
import { delegatedStore } from "../../src/db/delegated/DelegatedStore.ts";
import type { Commit } from "../../src/db/stored-session.ts";
import { WorkerManager } from "../../src/db/WorkerManager.ts";
import { has, Program } from "../../test/support/programs.ts";

const [seconds = 5, sessions = 50] = process.argv.slice(2).map(Number);
const KEY = "kv_store_pace";
const TENANT = "acme";

type Workers = WorkerManager["Service"];

function storeIn(dataDir: string, concordanceUrl: string | null) {
  const settings = {
    dataDir,
    store: concordanceUrl === null ? "embedded" : "delegated",
    storeRoot: "gateways/pace/store",
    concordance: { url: concordanceUrl ?? "", key: KEY },
    fleet: null,
  };
  const config = Layer.succeed(AppConfig, settings as unknown as Settings);
  const layer =
    concordanceUrl === null
      ? WorkerManager.layer
      : delegatedStore("gw_pace").pipe(Layer.provide(WorkerManager.layer));
  return ManagedRuntime.make(layer.pipe(Layer.provide(config)));
}

const commitOf = (sessionId: string, seq: number): Commit => ({
  kind: "commit",
  ofTenant: TENANT,
  sessionId,
  events: [
    {
      seq,
      type: "text_delta",
      turnId: "turn_1",
      ts: 1,
      frame: `{"type":"text_delta","seq":${seq},"text":"${"x".repeat(200)}"}`,
      deltaOf: "m1",
    },
  ],
  compacted: [],
  rows: [],
  status: "running",
  podiumEventId: seq,
  nowMs: 1,
});

/** One session after the other: how many events it has kept when `endMs` is past. */
const speak = Effect.fnUntraced(function* (
  { commit }: Workers,
  sessionId: string,
  claim: number | undefined,
  endMs: number,
) {
  const stored = (seq: number) =>
    Effect.callback<void, Error>((resume) =>
      commit(commitOf(sessionId, seq), claim, (error) =>
        resume(error === null ? Effect.void : Effect.fail(error)),
      ),
    );
  let seq = 0;
  while (performance.now() < endMs) yield* stored(++seq);
  return seq;
});

async function pace(name: string, concordanceUrl: string | null, isClaimed: boolean) {
  const dataDir = mkdtempSync(join(tmpdir(), "diminuendo-pace-"));
  const runtime = storeIn(dataDir, concordanceUrl);
  const run = Effect.gen(function* () {
    const workers = yield* WorkerManager;
    const claiming = { kind: "claim_tenant", tenantId: TENANT, gatewayId: "gw", nowMs: 1 } as const;
    const claim = isClaimed ? yield* workers.write(claiming) : undefined;
    const ids = Array.from({ length: sessions }, (_, index) => `s${index}`);
    const opening = { kind: "open_session", ofTenant: TENANT, epoch: "e" } as const;
    for (const sessionId of ids) yield* workers.write({ ...opening, sessionId }, claim);
    const before = process.cpuUsage();
    const endMs = performance.now() + seconds * 1_000;
    const speaking = ids.map((sessionId) => speak(workers, sessionId, claim, endMs));
    const counts = yield* Effect.all(speaking, { concurrency: "unbounded" });
    return { kept: counts.reduce((sum, count) => sum + count, 0), cpu: process.cpuUsage(before) };
  });
  const { kept, cpu } = await runtime.runPromise(run);
  await runtime.dispose();
  rmSync(dataDir, { recursive: true, force: true });
  const each = ((cpu.user + cpu.system) / kept).toFixed(0);
  process.stdout.write(
    `${name}: ${(kept / seconds).toFixed(0)} events/s, ${each} µs of ours each\n`,
  );
}

await pace("embedded, alone", null, false);
await pace("embedded, in a fleet", null, true);
const concordance = await Program.concordance(KEY);
await pace("delegated to Concordance (one member)", concordance.url, true);
await concordance.end();
if (has("redis-server", "delegated to Unison")) {
  const redis = await Program.redis({ keeps: true });
  const unison = await Program.unison(KEY, redis);
  await pace("delegated to Unison", unison.url, true);
  await unison.end();
  await redis.end();
}
