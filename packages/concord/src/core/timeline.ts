/** Owns how an event reads to a person: its kind, one sentence, one detail. Pure projection of the audit trail. */
import type { Json, JsonObject } from "./json.ts";

export const TIMELINE_KINDS = [
  "status",
  "policy",
  "plan",
  "approval",
  "effect",
  "connector",
  "artifact",
  "agent",
  "other",
] as const;
export type TimelineKind = (typeof TIMELINE_KINDS)[number];

export interface TimelineText {
  readonly kind: TimelineKind;
  readonly title: string;
  readonly detail: string | null;
}

interface Told {
  readonly kind: TimelineKind;
  readonly tell: (payload: JsonObject, taskName: string) => string;
  readonly detail?: (payload: JsonObject) => string | null;
}

const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");
const list = (value: Json | undefined): string =>
  Array.isArray(value) ? value.map((one) => String(one)).join("; ") : "";

const TOLD: Readonly<Record<string, Told>> = {
  command_created: { kind: "status", tell: (_p, task) => `Asked for ${task}` },
  command_rejected: {
    kind: "other",
    tell: (_p, task) => `Refused a request for ${task}`,
    detail: (p) => text(p["message"]),
  },
  input_validated: { kind: "other", tell: () => "The input fits the contract" },
  state_transitioned: {
    kind: "status",
    tell: (p) => `Moved from ${text(p["from"])} to ${text(p["to"])}`,
    detail: (p) => text(p["reason"]) || text(p["error"]) || null,
  },
  transition_refused: {
    kind: "status",
    tell: (p) => `Refused: it is ${text(p["status"])}`,
    detail: (p) => text(p["message"]) || null,
  },
  policy_evaluated: {
    kind: "policy",
    tell: (p) =>
      p["mode"] === "shadow"
        ? `Policy ${text(p["policy"])}, only watched, would say ${text(p["decision"])}`
        : `Policy ${text(p["policy"])} says ${text(p["decision"])}`,
    detail: (p) => list(p["reasons"]) || null,
  },
  payload_redacted: { kind: "policy", tell: (p) => `Masked ${list(p["places"])}` },
  step_skipped: {
    kind: "other",
    tell: (p) => {
      const why = p["because"] === "rejected" ? "it was rejected" : "nothing to do";
      return `Left out ${text(p["step_id"])}: ${why}`;
    },
  },
  artifact_published: { kind: "artifact", tell: (p) => `Published ${text(p["title"])}` },
  webhook_created: {
    kind: "other",
    tell: (p) => `Events go to the webhook ${text(p["webhook_id"])}`,
  },
  webhook_disabled: {
    kind: "other",
    tell: (p) => `Nothing is sent to the webhook ${text(p["webhook_id"])} any more`,
    detail: (p) => text(p["reason"]) || null,
  },
  webhook_enabled: {
    kind: "other",
    tell: (p) => `Events go to the webhook ${text(p["webhook_id"])} again`,
  },
  webhook_secret_rotated: {
    kind: "other",
    tell: (p) => `Another secret signs for the webhook ${text(p["webhook_id"])}`,
  },
  record_forgotten: {
    kind: "other",
    tell: (p) => `Forgot ${text(p["count"])} events whose time was over`,
  },
  record_redacted: {
    kind: "other",
    tell: (p) => `${text(p["redacted_by"])} had something taken out of the record`,
    detail: (p) => text(p["reason"]) || null,
  },
  plan_created: {
    kind: "plan",
    tell: (p) =>
      list(p["steps"]) === "" ? "Planned, step by step" : `Planned: ${list(p["steps"])}`,
  },
  approval_requested: {
    kind: "approval",
    tell: (p) => `Waits for a decision of ${text(p["approver"])}`,
    detail: (p) => `expires ${text(p["expires_at"])}`,
  },
  approval_resolved: {
    kind: "approval",
    tell: (p) =>
      p["decided_by"] === null || p["decided_by"] === undefined
        ? `The approval ended as ${text(p["decision"])}`
        : `${text(p["decided_by"])} decided: ${text(p["decision"])}`,
    detail: (p) => text(p["reason"]) || null,
  },
  approval_voted: {
    kind: "approval",
    tell: (p) => `${text(p["decided_by"])} approves; ${String(p["missing"])} more needed`,
    detail: (p) => text(p["reason"]) || null,
  },
  approval_delegated: {
    kind: "approval",
    tell: (p) => `${text(p["by"])} lets ${text(p["to"])} decide`,
  },
  approval_escalated: {
    kind: "approval",
    tell: (p) => `Nobody decided yet; ${text(p["to"])} may decide as well`,
  },
  input_requested: {
    kind: "other",
    tell: (p) => `${text(p["asked_by"])} asks for more`,
    detail: (p) => text(p["question"]) || null,
  },
  input_provided: {
    kind: "other",
    tell: (p) => `${text(p["provided_by"])} answered`,
    detail: (p) => list(p["fields"]) || null,
  },
  input_closed: {
    kind: "other",
    tell: (p) =>
      p["outcome"] === "expired" ? "Nobody answered in time" : "The question is open no more",
  },
  dependency_added: {
    kind: "other",
    tell: (p) => `Waits until ${text(p["parent_command_id"])} is ${text(p["required_status"])}`,
  },
  effect_planned: { kind: "effect", tell: (p) => `Will do ${text(p["effect_type"])}` },
  effect_reused: {
    kind: "effect",
    tell: (p) => `${text(p["effect_type"])} had already happened; it is not repeated`,
  },
  task_enqueued: { kind: "other", tell: (p) => `Queued on ${text(p["queue"])}` },
  task_started: { kind: "effect", tell: (p) => `Started ${text(p["effect_type"])}` },
  task_succeeded: { kind: "effect", tell: (p) => `Done: ${text(p["effect_type"])}` },
  task_failed: {
    kind: "effect",
    tell: (p) => `Failed: ${text(p["effect_type"])}`,
    detail: (p) => text(p["error"]) || null,
  },
  connector_called: {
    kind: "connector",
    tell: (p) =>
      `Called ${text(p["connector"])}.${text(p["operation"])}: ${p["ok"] === true ? "ok" : text(p["error_class"])}`,
    detail: (p) => text(p["error"]) || (p["reconciled"] === true ? "found by its key" : null),
  },
  artifact_created: { kind: "artifact", tell: (p) => `Wrote ${text(p["title"])}` },
  compensation_started: {
    kind: "effect",
    tell: (p) => `Undoes ${list(p["effects"]) || text(p["effect_type"])}`,
    detail: (p) => text(p["reason"]) || null,
  },
  compensation_completed: {
    kind: "effect",
    tell: (p) =>
      text(p["effect_type"]) === ""
        ? "Everything that could be undone is undone"
        : `${text(p["effect_type"])} is settled: ${text(p["how"])}`,
  },
  compensation_drift: {
    kind: "effect",
    tell: (p) => `Undoing ${text(p["effect_type"])} was not what was declared: ${text(p["kind"])}`,
  },
  incident_opened: {
    kind: "other",
    tell: (p) => `Needs a person: ${text(p["kind"])}`,
    detail: (p) => text(p["message"]) || null,
  },
  incident_closed: {
    kind: "other",
    tell: (p) => `${text(p["closed_by"])} closed an incident: ${text(p["action"])}`,
    detail: (p) => text(p["note"]) || null,
  },
  agent_started: { kind: "agent", tell: (p) => `Agent ${text(p["agent_type"])} began` },
  tool_call_proposed: {
    kind: "agent",
    tell: (p) => `The agent proposes ${text(p["tool_name"])}`,
  },
  tool_call_denied: {
    kind: "agent",
    tell: (p) => `${text(p["tool_name"])} was refused`,
    detail: (p) => text(p["reason"]) || null,
  },
  agent_completed: { kind: "agent", tell: () => "The agent finished" },
  command_cancelled: {
    kind: "status",
    tell: (p) => `${text(p["cancelled_by"])} asked to stop`,
    detail: (p) => text(p["cancel_reason"]) || null,
  },
};

/** The sentence for one event; an unknown type is shown by its name, never hidden. */
export function describeEvent(
  eventType: string,
  payload: JsonObject,
  taskName: string | null,
): TimelineText {
  const told = TOLD[eventType];
  if (told === undefined) return { kind: "other", title: eventType, detail: null };
  return {
    kind: told.kind,
    title: told.tell(payload, taskName ?? "a task"),
    detail: told.detail?.(payload) ?? null,
  };
}
