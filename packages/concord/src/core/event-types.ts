/** Owns the names of what goes on record (V-25), closed: an event that is not here cannot be written. */

/** As the specification lists them, but for those that only an engine could tell. */
export const AUDIT_EVENT_TYPES = [
  "command_created",
  "input_validated",
  "policy_evaluated",
  "plan_created",
  "approval_requested",
  "approval_resolved",
  "task_enqueued",
  "task_started",
  "task_succeeded",
  "task_failed",
  "connector_called",
  "memory_written",
  "notification_sent",
  "state_transitioned",
  "command_cancelled",
  "compensation_started",
  "compensation_completed",
  "compensation_drift",
] as const;

/** What the specification has no name for. */
const MORE_AUDIT_TYPES = [
  "approval_delegated",
  "approval_escalated",
  "approval_voted",
  "artifact_archived",
  "command_rejected",
  "dependency_added",
  "effect_planned",
  "effect_reused",
  "incident_closed",
  "incident_opened",
  "input_closed",
  "input_provided",
  "input_requested",
  "payload_redacted",
  "record_forgotten",
  "record_redacted",
  "step_skipped",
  "transition_refused",
  "schedule_backfilled",
  "schedule_paused",
  "schedule_resumed",
  "schedule_triggered",
  "webhook_created",
  "webhook_deleted",
  "webhook_disabled",
  "webhook_enabled",
  "webhook_redelivered",
  "webhook_secret_rotated",
  "webhook_updated",
] as const;

/** What happened, for those who build on it. */
export const PRODUCT_EVENT_TYPES = ["artifact_created", "artifact_published"] as const;

/** What an agent did, step by step. */
export const AGENT_STEP_TYPES = [
  "agent_started",
  "tool_call_proposed",
  "tool_call_denied",
  "agent_completed",
] as const;

export const EVENT_TYPES = [
  ...AUDIT_EVENT_TYPES,
  ...MORE_AUDIT_TYPES,
  ...PRODUCT_EVENT_TYPES,
  ...AGENT_STEP_TYPES,
] as const;
export type EventType = (typeof EVENT_TYPES)[number];
