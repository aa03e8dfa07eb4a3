/** Owns what scheduled upkeep looks for: who there is, and whose approvals are overdue. */
import type { Pool } from "pg";
import { asId, type CommandId } from "../../core/ids.ts";

/** Every tenant that has a command; walks the index from one tenant to the next. */
export async function tenantsWithCommands(pool: Pool): Promise<readonly string[]> {
  const { rows } = await pool.query<{ tenant: string }>(
    `WITH RECURSIVE next AS (
       SELECT min(tenant_id) AS tenant FROM concord.commands
       UNION ALL
       SELECT (SELECT min(tenant_id) FROM concord.commands WHERE tenant_id > next.tenant)
       FROM next WHERE next.tenant IS NOT NULL
     ) SELECT tenant FROM next WHERE tenant IS NOT NULL`,
  );
  return rows.map((row) => row.tenant);
}

export async function tenantsWithOverdueApprovals(
  pool: Pool,
  nowMs: number,
): Promise<readonly string[]> {
  const { rows } = await pool.query<{ tenant_id: string }>(
    `SELECT DISTINCT tenant_id FROM concord.approvals
     WHERE status = 'pending' AND expires_at <= $1 ORDER BY 1`,
    [new Date(nowMs)],
  );
  return rows.map((row) => row.tenant_id);
}

/** Commands of one tenant that wait for an approval whose time is up, the longest overdue first. */
export async function overdueCommands(
  pool: Pool,
  tenantId: string,
  nowMs: number,
  limit: number,
): Promise<readonly CommandId[]> {
  const { rows } = await pool.query<{ command_id: string }>(
    `SELECT command_id FROM concord.approvals
     WHERE tenant_id = $1 AND status = 'pending' AND expires_at <= $2
     GROUP BY command_id ORDER BY min(expires_at), command_id LIMIT $3`,
    [tenantId, new Date(nowMs), limit],
  );
  return rows.map((row) => asId("command", row.command_id));
}
