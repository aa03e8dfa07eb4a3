/** Owns the figures of the dashboards (OPS-1): one query each, over one tenant. */
import type { Pool } from "pg";
import {
  DASHBOARD_NAMES,
  DASHBOARD_ROWS_MAX,
  DASHBOARDS,
  type Dashboard,
  type DashboardName,
} from "../../domain/dashboards.ts";

/** Rows `label, value`; $1 is the tenant, $2 from when on. */
const QUERIES: Readonly<Record<DashboardName, string>> = {
  commands_by_state: `SELECT status AS label, count(*) AS value FROM concord.commands
    WHERE tenant_id = $1 AND created_at >= $2 GROUP BY 1`,
  // what a command did outside, and the attempts at it.
  task_runs_by_status: `SELECT 'effect ' || status AS label, count(*) AS value FROM concord.domain_effects
      WHERE tenant_id = $1 AND created_at >= $2 GROUP BY 1
    UNION ALL SELECT 'call ' || i.status, count(*) FROM concord.connector_invocations i
      JOIN concord.commands c USING (command_id) WHERE c.tenant_id = $1 AND i.created_at >= $2 GROUP BY 1`,
  failed_tasks: `SELECT effect_type || ': ' || coalesce(error_class, 'unknown') AS label, count(*) AS value
    FROM concord.domain_effects WHERE tenant_id = $1 AND created_at >= $2 AND status = 'failed' GROUP BY 1`,
  retry_counts: `SELECT i.connector_name || '.' || i.operation AS label, count(*) AS value
    FROM concord.connector_invocations i JOIN concord.commands c USING (command_id)
    WHERE c.tenant_id = $1 AND i.created_at >= $2 AND i.attempt > 1 GROUP BY 1`,
  approval_backlog: `SELECT approver_kind || ' ' || approver AS label, count(*) AS value FROM concord.approvals
    WHERE tenant_id = $1 AND status = 'pending' AND $2::timestamptz IS NOT NULL GROUP BY 1`,
  old_queued_tasks: `SELECT task_name AS label, count(*) AS value FROM concord.commands
    WHERE tenant_id = $1 AND status = 'queued' AND updated_at < now() - interval '1 minute'
      AND $2::timestamptz IS NOT NULL GROUP BY 1`,
  connector_errors: `SELECT i.connector_name || ': ' || coalesce(i.error_class, 'unknown') AS label, count(*) AS value
    FROM concord.connector_invocations i JOIN concord.commands c USING (command_id)
    WHERE c.tenant_id = $1 AND i.created_at >= $2 AND i.status = 'failed' GROUP BY 1`,
  policy_denials: `SELECT d.policy AS label, count(*) AS value FROM concord.policy_decisions d
    JOIN concord.commands c USING (command_id)
    WHERE c.tenant_id = $1 AND d.created_at >= $2 AND d.decision = 'deny' AND d.mode = 'enforce' GROUP BY 1`,
  memory_writes: `SELECT actor AS label, count(*) AS value FROM concord.domain_events
    WHERE tenant_id = $1 AND created_at >= $2 AND event_type = 'memory_written' GROUP BY 1`,
  artifact_creation: `SELECT artifact_type AS label, count(*) AS value FROM concord.artifacts
    WHERE tenant_id = $1 AND created_at >= $2 GROUP BY 1`,
  audit_volume: `SELECT event_type AS label, count(*) AS value FROM concord.domain_events
    WHERE tenant_id = $1 AND created_at >= $2 AND purpose = 'audit' GROUP BY 1`,
};

export async function readDashboards(
  pool: Pool,
  tenantId: string,
  since: Date,
): Promise<readonly Dashboard[]> {
  // One after the other: figures for people are no reason to take every connection.
  const read: Dashboard[] = [];
  for (const name of DASHBOARD_NAMES) {
    const { rows } = await pool.query<{ label: string; value: string }>(
      `${QUERIES[name]} ORDER BY 2 DESC, 1 LIMIT ${DASHBOARD_ROWS_MAX}`,
      [tenantId, since],
    );
    const figures = rows.map(({ label, value }) => ({ label, value: Number(value) }));
    read.push({ name, title: DASHBOARDS[name], rows: figures });
  }
  return read;
}
