/** Owns the heartbeat of executors and finding the runs of those that stopped beating. Times are the database's. */
import type { ClientBase, Pool } from "pg";
import type { RunState } from "../runtime/protocol/index.ts";

/** Five missed beats. A pause shorter than this takes nothing away from anybody. */
export const SILENT_SECONDS = 10;

export async function beat(pool: Pool, executorId: string, version: string): Promise<void> {
  await pool.query(
    `INSERT INTO concord.executors (executor_id, version) VALUES ($1, $2)
     ON CONFLICT (executor_id) DO UPDATE SET beat_at = now(), version = $2`,
    [executorId, version],
  );
}

/** An executor that stops in good order says so: its runs need not wait for its silence to be noticed. */
export async function fallSilent(pool: Pool, executorId: string): Promise<void> {
  await pool.query("UPDATE concord.executors SET beat_at = '-infinity' WHERE executor_id = $1", [
    executorId,
  ]);
}

/**
 * Runs that an executor holds which has not been heard of for a while, oldest first. One that never beat
 * counts as dead: every start beats before it takes a run.
 */
export async function runsOfTheDead(
  pool: Pool,
  workflowNames: readonly string[],
  version: string,
  limit: number,
): Promise<readonly string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `SELECT run.workflow_uuid AS id FROM dbos.workflow_status run
     WHERE run.status = 'PENDING' AND run.name = ANY($1) AND run.application_version = $2 AND NOT EXISTS (
       SELECT 1 FROM concord.executors alive
       WHERE alive.executor_id = run.executor_id AND alive.beat_at > now() - make_interval(secs => $3))
     ORDER BY run.created_at LIMIT $4`,
    [workflowNames, version, SILENT_SECONDS, limit],
  );
  return rows.map((row) => row.id);
}

interface RunRow {
  readonly status: string | null;
  readonly executor_id: string | null;
  readonly is_alive: boolean;
  readonly live: number;
}

const STATE: Readonly<Record<string, RunState["state"]>> = {
  ENQUEUED: "queued",
  DELAYED: "queued",
  PENDING: "taken",
  MAX_RECOVERY_ATTEMPTS_EXCEEDED: "given_up",
};

/** The run behind a command, and who is alive to go on with it. */
export async function readRun(pool: Pool, workflowId: string | null): Promise<RunState> {
  const { rows } = await pool.query<RunRow>(
    `WITH alive AS (
       SELECT executor_id FROM concord.executors WHERE beat_at > now() - make_interval(secs => $2))
     SELECT run.status, run.executor_id, run.executor_id IN (SELECT executor_id FROM alive) AS is_alive,
       (SELECT count(*)::int FROM alive) AS live
     FROM (SELECT 1) one LEFT JOIN dbos.workflow_status run ON run.workflow_uuid = $1`,
    [workflowId, SILENT_SECONDS],
  );
  const [row] = rows;
  const status = row?.status ?? null;
  return {
    state: status === null ? "missing" : (STATE[status] ?? "ended"),
    executorId: row?.executor_id ?? null,
    isExecutorAlive: row?.is_alive === true,
    liveExecutors: row?.live ?? 0,
  };
}

/** Whether the runtime knows a run of this id. */
export async function runExists(
  connection: ClientBase | Pool,
  workflowId: string,
): Promise<boolean> {
  const { rows } = await connection.query(
    "SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid = $1",
    [workflowId],
  );
  return rows.length > 0;
}
