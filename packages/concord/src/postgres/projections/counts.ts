/** Owns the figures behind `/metrics`, and finding open commands that nobody runs. */
import { sql } from "kysely";
import type { Pool } from "pg";
import type { Command } from "../../core/command.ts";
import { RESTING_STATUSES } from "../../core/vocabulary.ts";
import type { Counts } from "../../domain/reading.ts";
import { commandOf } from "../repositories/commands.ts";
import { overPool } from "../schema.ts";

export async function readCounts(pool: Pool): Promise<Counts> {
  const by = async (query: string) => {
    const { rows } = await pool.query<{ name: string; count: string }>(query);
    return Object.fromEntries(rows.map((row) => [row.name, Number(row.count)]));
  };
  const count = (table: string, column: string, where = "true") =>
    by(
      `SELECT ${column} AS name, count(*) AS count FROM concord.${table} WHERE ${where} GROUP BY 1`,
    );
  const [commands, approvals, effects, connectorErrors, policyDecisions] = await Promise.all([
    count("commands", "status"),
    count("approvals", "status"),
    count("domain_effects", "status"),
    count("connector_invocations", "error_class", "error_class IS NOT NULL"),
    count("policy_decisions", "decision"),
  ]);
  return { commands, approvals, effects, connectorErrors, policyDecisions };
}

/**
 * Commands not at rest whose run is missing or has ended, oldest first. A run that DBOS gave up on after many
 * crashes is left to people. The runtime's table is read here because all SQL lives in this room.
 */
export async function commandsWithoutRun(pool: Pool, limit: number): Promise<readonly Command[]> {
  const rows = await overPool(pool)
    .selectFrom("concord.commands")
    .selectAll()
    .where("status", "not in", [...RESTING_STATUSES])
    .where(
      sql<boolean>`NOT EXISTS (
        SELECT 1 FROM dbos.workflow_status run
        WHERE run.workflow_uuid = commands.dbos_workflow_id
          AND run.status NOT IN ('SUCCESS', 'ERROR', 'CANCELLED'))`,
    )
    .orderBy("command_id")
    .limit(limit)
    .execute();
  return rows.map(commandOf);
}
