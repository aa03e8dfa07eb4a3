/** Owns finding open commands that nobody runs or can run, and parked ones of which something is due. The runtime's table is read here because all SQL lives in this room. */
import type { Pool } from "pg";
import { asId, type CommandId } from "../../core/ids.ts";
import { RESTING_STATUSES } from "../../core/vocabulary.ts";
import { SILENT_SECONDS } from "../executors.ts";

/** As literals, so that the partial index over open commands can be used. */
const RESTING = RESTING_STATUSES.map((status) => `'${status}'`).join(", ");

/**
 * Parked, and rightly so: it waits for a person, or for others that are still at it. One that an older version moved on has
 * no run and should.
 */
const IS_PARKED = `(parked_run IS NOT NULL AND parked_run = dbos_workflow_id AND (
  (status IN ('waiting_for_approval', 'waiting_for_input') AND NOT has_dependencies)
  OR (status = 'running' AND EXISTS (
    SELECT 1 FROM concord.agent_calls call JOIN concord.commands child ON child.command_id = call.child_command_id
    WHERE call.command_id = commands.command_id AND child.status NOT IN (${RESTING})))))`;

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
     WHERE status NOT IN (${RESTING}) AND dbos_workflow_id IS NOT NULL AND NOT ${IS_PARKED} AND NOT EXISTS (
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

/** Commands not at rest that should have a run, after `after`, in the order of their ids. */
export async function openCommands(
  pool: Pool,
  after: CommandId | undefined,
  limit: number,
): Promise<readonly { readonly commandId: CommandId; readonly workflowId: string | null }[]> {
  const { rows } = await pool.query<{ command_id: string; dbos_workflow_id: string | null }>(
    `SELECT command_id, dbos_workflow_id FROM concord.commands
     WHERE status NOT IN (${RESTING}) AND dbos_workflow_id IS NOT NULL AND NOT ${IS_PARKED} AND ($1::uuid IS NULL OR command_id > $1)
     ORDER BY command_id LIMIT $2`,
    [after ?? null, limit],
  );
  return rows.map((row) => ({
    commandId: asId("command", row.command_id),
    workflowId: row.dbos_workflow_id,
  }));
}

/** Parked commands whose question has expired or is to be handed on, after `after`, in the order of their ids. */
export async function dueCommands(
  pool: Pool,
  nowMs: number,
  after: CommandId | undefined,
  limit: number,
): Promise<readonly CommandId[]> {
  const { rows } = await pool.query<{ command_id: string }>(
    `SELECT command_id FROM concord.commands WHERE command_id IN (
       SELECT command_id FROM concord.approvals WHERE status = 'pending' AND expires_at <= $1
       UNION ALL SELECT command_id FROM concord.approvals
         WHERE status = 'pending' AND escalates_at IS NOT NULL AND escalated_at IS NULL AND escalates_at <= $1
       UNION ALL SELECT command_id FROM concord.input_requests WHERE status = 'open' AND expires_at <= $1)
       AND parked_run = dbos_workflow_id AND ($2::uuid IS NULL OR command_id > $2)
     ORDER BY command_id LIMIT $3`,
    [new Date(nowMs), after ?? null, limit],
  );
  return rows.map((row) => asId("command", row.command_id));
}
