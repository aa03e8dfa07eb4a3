/** Owns what the eleven dashboards are (spec §48, V-63). Refuses to own: counting (postgres) and drawing (api). */

/** In the order in which they are shown. */
export const DASHBOARDS = {
  commands_by_state: "Commands by state",
  task_runs_by_status: "Effects and calls by status",
  failed_tasks: "Failed effects by type and class",
  retry_counts: "Repeated attempts by operation",
  approval_backlog: "Open approvals by who is asked",
  old_queued_tasks: "Queued for more than a minute, by task",
  connector_errors: "Failed calls by connector and class",
  policy_denials: "Denials by policy",
  memory_writes: "Memory written, by who wrote it",
  artifact_creation: "Artifacts written, by type",
  audit_volume: "Entries of the record by type",
} as const;
export type DashboardName = keyof typeof DASHBOARDS;
export const DASHBOARD_NAMES = Object.keys(DASHBOARDS) as readonly DashboardName[];

export interface Dashboard {
  readonly name: DashboardName;
  readonly title: string;
  /** The largest first; at most `DASHBOARD_ROWS_MAX`. */
  readonly rows: readonly { readonly label: string; readonly value: number }[];
}

export const DASHBOARD_ROWS_MAX = 50;

export interface DashboardService {
  /** Of the caller's tenant, what happened from `since` on; what is open now is told whatever its age. */
  read(tenantId: string, since: Date): Promise<readonly Dashboard[]>;
}
