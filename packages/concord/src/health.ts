/**
 * Owns looking at what Concord stands on (OPS-8): the database, the durable runtime, schedules, and the loop that finds
 * lost commands. Each is asked by itself and within its time, so that one that is away does not hide the others.
 */
import type { ClientBase, Pool } from "pg";
import type { Health, HealthPart } from "./domain/health.ts";
import type { DurableRuntime } from "./runtime/protocol/index.ts";
import type { Reconciler } from "./runtime/reconcile.ts";

export interface HealthParts {
  readonly pool: Pool;
  readonly runtime: DurableRuntime<ClientBase>;
  readonly reconciler: Pick<Reconciler, "sweptAtMs" | "everyMs">;
  readonly migrationsMissing: () => Promise<readonly string[]>;
}

const NOBODYS_RUN = "concord:health";
const WITHIN_MS = 2_000;
/** Sweeps that may be missed before it counts as stuck. */
const SWEEPS_MISSED_MAX = 3;

export async function readHealth(parts: HealthParts): Promise<Health> {
  const { pool, runtime, reconciler, migrationsMissing } = parts;
  const [database, engine, schedules] = await Promise.all([
    part(async () => {
      const startedMs = performance.now();
      await pool.query("SELECT 1");
      const missing = await migrationsMissing();
      return {
        problem: missing.length === 0 ? null : `missing migrations: ${missing.join(", ")}`,
        facts: { latency_ms: Math.round(performance.now() - startedMs) },
      };
    }),
    part(async () => {
      // A run that nobody has: the engine is asked all the same.
      const { liveExecutors } = await runtime.inspect(NOBODYS_RUN);
      return {
        problem: liveExecutors > 0 ? null : "no executor is alive",
        facts: { name: runtime.name, live_executors: liveExecutors },
      };
    }),
    part(async () => {
      if (runtime.schedules === undefined) return { problem: null, facts: { offered: false } };
      const all = await runtime.schedules.list();
      const paused = all.filter((one) => one.status === "paused").length;
      return { problem: null, facts: { active: all.length - paused, paused } };
    }),
  ]);
  const lost = sweeps(reconciler);
  const all = { database, runtime: engine, schedules, reconciler: lost };
  return { ok: Object.values(all).every((one) => one.ok), parts: all };
}

function sweeps({ sweptAtMs, everyMs }: HealthParts["reconciler"]): HealthPart {
  const at = sweptAtMs();
  const lagMs = at === undefined ? undefined : Date.now() - at;
  const isStuck = lagMs === undefined || lagMs > SWEEPS_MISSED_MAX * everyMs;
  return {
    ok: !isStuck,
    problem: isStuck ? "it has not looked for lost commands for too long" : null,
    facts: { lag_seconds: lagMs === undefined ? null : Math.round(lagMs / 1000) },
  };
}

type Asked = Omit<HealthPart, "ok">;

async function part(ask: () => Promise<Asked>): Promise<HealthPart> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Asked>((resolve) => {
    const problem = `no answer within ${WITHIN_MS} ms`;
    timer = setTimeout(() => resolve({ problem, facts: {} }), WITHIN_MS);
  });
  try {
    const asked = await Promise.race([ask(), late]);
    return { ok: asked.problem === null, ...asked };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { ok: false, problem: problem === "" ? "it failed without a word" : problem, facts: {} };
  } finally {
    clearTimeout(timer);
  }
}
