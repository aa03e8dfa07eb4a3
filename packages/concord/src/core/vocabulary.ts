/**
 * Owns the closed vocabularies of Concord, as tuples so that code and tests can list them.
 * Requirement ids V-2, V-5, V-9, V-11…V-13, V-18, V-20…V-24.
 */

export const INGRESS_TYPES = [
  "user_request",
  "api_request",
  "external_webhook",
  "scheduled_trigger",
  "file_event",
  "table_event",
  "connector_event",
  "agent_action",
  "approval_callback",
  "retry_event",
  "system_event",
] as const;
export type IngressType = (typeof INGRESS_TYPES)[number];

export const COMMAND_STATUSES = [
  "created",
  "validated",
  "waiting_for_input",
  "waiting_for_approval",
  "approved",
  "queued",
  "running",
  "blocked",
  "succeeded",
  "failed",
  "cancelled",
  "expired",
  "compensating",
  "compensated",
  "cancelling",
] as const;
export type CommandStatus = (typeof COMMAND_STATUSES)[number];

/** A command in one of these does nothing more by itself; whoever waits for it may go on. */
export const RESTING_STATUSES: readonly CommandStatus[] = [
  "succeeded",
  "failed",
  "cancelled",
  "expired",
  "compensated",
];

export function isResting(status: CommandStatus): boolean {
  return RESTING_STATUSES.includes(status);
}

export const POLICY_OUTCOMES = [
  "allow",
  "deny",
  "require_approval",
  "require_more_input",
  "route_sync",
  "route_async",
  "redact",
  "escalate",
] as const;
export type PolicyOutcome = (typeof POLICY_OUTCOMES)[number];

export const POLICY_CATEGORIES = [
  "permission",
  "cost",
  "data_safety",
  "external_sharing",
  "destructive_action",
  "memory_consent",
  "connector_scope",
  "agent_risk",
  "rate_limit",
  "approval_requirement",
] as const;
export type PolicyCategory = (typeof POLICY_CATEGORIES)[number];

export const EFFECT_STATUSES = ["planned", "executing", "succeeded", "failed"] as const;
export type EffectStatus = (typeof EFFECT_STATUSES)[number];

export const CANCELLATION_MODES = ["graceful", "compensate_then_stop"] as const;
export type CancellationMode = (typeof CANCELLATION_MODES)[number];

/** Why a person has to look (spec §31; the inbox of incidents). */
export const INCIDENT_KINDS = [
  "compensation_exhausted",
  "compensation_drift",
  "outcome_unknown",
] as const;
export type IncidentKind = (typeof INCIDENT_KINDS)[number];

export const INCIDENT_STATUSES = ["open", "closed"] as const;
export type IncidentStatus = (typeof INCIDENT_STATUSES)[number];

/** What a person does about an incident: try the link again, leave the effect as it is, or say it is settled. */
export const INCIDENT_ACTIONS = ["retry", "skip", "resolve"] as const;
export type IncidentAction = (typeof INCIDENT_ACTIONS)[number];

export const INPUT_STATUSES = ["open", "answered", "expired", "cancelled"] as const;
export type InputStatus = (typeof INPUT_STATUSES)[number];

export const APPROVAL_STATUSES = [
  "pending",
  "approved",
  "rejected",
  "expired",
  "cancelled",
] as const;
export type ApprovalStatus = (typeof APPROVAL_STATUSES)[number];

/** V-14: what a person may answer. `request_changes` closes as `rejected` and sends the command back. */
export const APPROVAL_DECISIONS = ["approved", "rejected", "request_changes"] as const;
export type ApprovalDecision = (typeof APPROVAL_DECISIONS)[number];

export const ARTIFACT_STATUSES = [
  "draft",
  "created",
  "validated",
  "published",
  "archived",
  "deleted",
  "failed",
] as const;
export type ArtifactStatus = (typeof ARTIFACT_STATUSES)[number];

/** V-18: types that every catalog knows; contracts register others. */
export const ARTIFACT_TYPES = [
  "report",
  "file",
  "table",
  "query_result",
  "dashboard",
  "notebook",
  "agent_answer",
  "approval_packet",
  "connector_snapshot",
  "model_output",
  "memory_summary",
] as const;

export const ERROR_CLASSES = [
  "validation_error",
  "policy_denied",
  "approval_rejected",
  "transient_connector_error",
  "permanent_connector_error",
  "rate_limited",
  "timeout",
  "cancelled",
  "agent_failed",
  "human_input_missing",
  "unknown_error",
  "temporary_database_error",
  "permission_denied",
  "malformed_payload",
] as const;
export type ErrorClass = (typeof ERROR_CLASSES)[number];

export const EVENT_PURPOSES = ["event", "audit", "agent_step"] as const;
export type EventPurpose = (typeof EVENT_PURPOSES)[number];

export const RISK_LEVELS = ["low", "medium", "high"] as const;
export type RiskLevel = (typeof RISK_LEVELS)[number];

export const QUEUES = [
  "concord_default",
  "connector_calls",
  "agent_runs",
  "swarm_children",
  "notifications",
  "scheduled_maintenance",
  "high_risk_operations",
] as const;
export type QueueName = (typeof QUEUES)[number];
