/** Owns what scheduled upkeep looks for: who there is, whose approvals are overdue, which artifacts have had their time. */
import type { Pool } from "pg";
import { type ArtifactId, asId, type CommandId } from "../../core/ids.ts";
import type { ArtifactStatus } from "../../core/vocabulary.ts";

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

/** A type of artifact, and the moment before which what was written of it has had its time. */
export interface Retention {
  readonly artifactType: string;
  readonly before: Date;
}

export interface OldArtifact {
  readonly artifactId: ArtifactId;
  readonly commandId: CommandId;
  readonly status: ArtifactStatus;
}

/** As in the partial index. */
const OLD = `FROM concord.artifacts a JOIN unnest($1::text[], $2::timestamptz[]) AS limits (artifact_type, before)
  USING (artifact_type) WHERE a.status IN ('created','validated','published') AND a.created_at < limits.before`;

function limitsOf(retentions: readonly Retention[]): readonly [string[], Date[]] {
  return [retentions.map((one) => one.artifactType), retentions.map((one) => one.before)];
}

export async function tenantsWithOldArtifacts(
  pool: Pool,
  retentions: readonly Retention[],
): Promise<readonly string[]> {
  const { rows } = await pool.query<{ tenant_id: string }>(
    `SELECT DISTINCT tenant_id ${OLD} ORDER BY 1`,
    [...limitsOf(retentions)],
  );
  return rows.map((row) => row.tenant_id);
}

export async function oldArtifacts(
  pool: Pool,
  tenantId: string,
  retentions: readonly Retention[],
  limit: number,
): Promise<readonly OldArtifact[]> {
  const { rows } = await pool.query<{ artifact_id: string; command_id: string; status: string }>(
    `SELECT artifact_id, command_id, status ${OLD} AND tenant_id = $3 ORDER BY artifact_id LIMIT $4`,
    [...limitsOf(retentions), tenantId, limit],
  );
  return rows.map((row) => ({
    artifactId: asId("artifact", row.artifact_id),
    commandId: asId("command", row.command_id),
    status: row.status as ArtifactStatus,
  }));
}
