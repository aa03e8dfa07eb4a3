/**
 * Owns the primitives that every behaviour is composed of (spec §3, §4, §14; V-1, V-3, V-4, V-7, V-8), and which family
 * each belongs to. A new behaviour needs none beside these (PLN-13).
 */

export const PRIMITIVE_FAMILIES = [
  "ingress",
  "intent",
  "policy_and_planning",
  "execution",
  "coordination",
  "state_lifecycle",
  "human_judgment",
  "knowledge_and_output",
  "connectors",
  "observability_and_governance",
] as const;
export type PrimitiveFamily = (typeof PRIMITIVE_FAMILIES)[number];

export const EXECUTION_TYPES = [
  "sync_function",
  "async_task",
  "background_worker",
  "external_job",
  "connector_call",
  "agent_tool_call",
  "human_task",
] as const;
export type ExecutionType = (typeof EXECUTION_TYPES)[number];

export const COORDINATION_TYPES = [
  "queue",
  "idempotency",
  "deduplication",
  "lease",
  "lock",
  "retry",
  "backoff",
  "rate_limit",
  "dependency",
  "fanout",
  "join",
] as const;
export type CoordinationType = (typeof COORDINATION_TYPES)[number];

export const KNOWLEDGE_TYPES = [
  "memory",
  "artifact",
  "version",
  "lineage",
  "retrieval",
  "summary",
  "embedding",
] as const;
export type KnowledgeType = (typeof KNOWLEDGE_TYPES)[number];

export const OBSERVABILITY_TYPES = [
  "audit_event",
  "trace",
  "metric",
  "policy_decision",
  "cost_record",
  "permission_check",
  "data_safety_check",
  "secret_access_log",
] as const;
export type ObservabilityType = (typeof OBSERVABILITY_TYPES)[number];

/** What a task is mapped to (PLN-1), with the family of each. */
const FAMILY_OF = {
  ingress: "ingress",
  command: "intent",
  context: "intent",
  policy: "policy_and_planning",
  plan: "policy_and_planning",
  human_approval: "human_judgment",
  queue: "coordination",
  sync_function: "execution",
  async_task: "execution",
  connector_call: "connectors",
  artifact_write: "knowledge_and_output",
  memory_write: "knowledge_and_output",
  notification: "knowledge_and_output",
  state_transition: "state_lifecycle",
  audit: "observability_and_governance",
} as const satisfies Readonly<Record<string, PrimitiveFamily>>;
export type Primitive = keyof typeof FAMILY_OF;

export function familyOf(primitive: Primitive): PrimitiveFamily {
  return FAMILY_OF[primitive];
}
