/** Owns the figures behind `/metrics`. */
import type { Pool } from "pg";
import type { Counts } from "../../domain/reading.ts";

export async function readCounts(pool: Pool): Promise<Counts> {
  const by = async (query: string) => {
    const { rows } = await pool.query<{ name: string; count: string }>(query);
    return Object.fromEntries(rows.map((row) => [row.name, Number(row.count)]));
  };
  const count = (table: string, column: string, where = "true") =>
    by(
      `SELECT ${column} AS name, count(*) AS count FROM concord.${table} WHERE ${where} GROUP BY 1`,
    );
  const [commands, approvals, effects, connectorErrors, policyDecisions, webhookDeliveries] =
    await Promise.all([
      count("commands", "status"),
      count("approvals", "status"),
      count("domain_effects", "status"),
      count("connector_invocations", "error_class", "error_class IS NOT NULL"),
      count("policy_decisions", "decision", "mode = 'enforce'"),
      count("webhook_deliveries", "status"),
    ]);
  return { commands, approvals, effects, connectorErrors, policyDecisions, webhookDeliveries };
}
