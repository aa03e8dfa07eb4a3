/** Owns finding open commands that nobody runs or can run. The runtime's table is read here because all SQL lives in this room. */
import type { Pool } from "pg";
import { asId, type CommandId } from "../../core/ids.ts";
import { RESTING_STATUSES } from "../../core/vocabulary.ts";
import { SILENT_SECONDS } from "../executors.ts";

/** As literals, so that the partial index over open commands can be used. */
const RESTING = RESTING_STATUSES.map((status) => `'${status}'`).join(", ");

/**
 * Commands not at rest, oldest first, whose run on DBOS is missing, has ended, or is of another version than
 * `version` while no executor of that version lives. A run that DBOS gave up on after many crashes is left to
 * people.
 */
export async function commandsWithoutRun(
  pool: Pool,
  version: string,
  limit: number,
): Promise<readonly CommandId[]> {
  const { rows } = await pool.query<{ command_id: string }>(
    `SELECT command_id FROM concord.commands
     WHERE status NOT IN (${RESTING}) AND dbos_workflow_id IS NOT NULL AND NOT EXISTS (
       SELECT 1 FROM dbos.workflow_status run
       WHERE run.workflow_uuid = commands.dbos_workflow_id
         AND run.status NOT IN ('SUCCESS', 'ERROR', 'CANCELLED')
         AND (run.application_version = $1 OR EXISTS (
           SELECT 1 FROM concord.executors alive WHERE alive.version = run.application_version
             AND alive.beat_at > now() - make_interval(secs => $2))))
     ORDER BY command_id LIMIT $3`,
    [version, SILENT_SECONDS, limit],
  );
  return rows.map((row) => asId("command", row.command_id));
}

/** Commands not at rest that were given a run, after `after`, in the order of their ids. */
export async function openCommands(
  pool: Pool,
  after: CommandId | undefined,
  limit: number,
): Promise<readonly { readonly commandId: CommandId; readonly workflowId: string | null }[]> {
  const { rows } = await pool.query<{ command_id: string; dbos_workflow_id: string | null }>(
    `SELECT command_id, dbos_workflow_id FROM concord.commands
     WHERE status NOT IN (${RESTING}) AND dbos_workflow_id IS NOT NULL AND ($1::uuid IS NULL OR command_id > $1)
     ORDER BY command_id LIMIT $2`,
    [after ?? null, limit],
  );
  return rows.map((row) => ({
    commandId: asId("command", row.command_id),
    workflowId: row.dbos_workflow_id,
  }));
}
