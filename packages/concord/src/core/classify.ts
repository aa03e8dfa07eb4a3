/** Owns how a task is classified: primitives (PLN-1), sync or async (PLN-6, PLN-7), queue (QUE-2, QUE-3). Pure. */
import type { Primitive } from "./primitives.ts";
import type { QueueName, RiskLevel } from "./vocabulary.ts";

/** The seven flags that PLN-1 maps. */
export interface TaskFlags {
  readonly approvalRequired: boolean;
  readonly asyncRequired: boolean;
  readonly syncAllowed: boolean;
  readonly usesConnector: boolean;
  readonly artifactPossible: boolean;
  readonly memoryWritePossible: boolean;
  readonly notificationRequired: boolean;
}

/** The primitives of a task, in the canonical order of spec §14. */
export function mapTaskToPrimitives(flags: TaskFlags): readonly Primitive[] {
  const execution: readonly Primitive[] =
    flags.syncAllowed && !flags.asyncRequired ? ["sync_function"] : ["queue", "async_task"];
  const when = (flag: boolean, one: Primitive): readonly Primitive[] => (flag ? [one] : []);
  return [
    "ingress",
    "command",
    "context",
    "policy",
    "plan",
    ...when(flags.approvalRequired, "human_approval"),
    ...execution,
    ...when(flags.usesConnector, "connector_call"),
    ...when(flags.artifactPossible, "artifact_write"),
    ...when(flags.memoryWritePossible, "memory_write"),
    ...when(flags.notificationRequired, "notification"),
    "state_transition",
    "audit",
  ];
}

export interface ExecutionFacts {
  readonly syncAllowed: boolean;
  readonly asyncRequired: boolean;
  readonly gated: boolean;
  readonly writesOutside: boolean;
  readonly riskLevel: RiskLevel;
}

/**
 * Sync is for what may answer within the request: low risk, no gate, no write to the outside. How long the request is held
 * is up to the API; the work is as durable as any other (docs/adr/0030).
 */
export function executionMode(facts: ExecutionFacts): "sync" | "async" {
  const { syncAllowed, asyncRequired, gated, writesOutside, riskLevel } = facts;
  const mayAnswer = syncAllowed && riskLevel === "low";
  return mayAnswer && !asyncRequired && !gated && !writesOutside ? "sync" : "async";
}

/** An explicit queue wins, then the connector rule, then the prefix of the function. */
export function chooseQueue(functionName: string, explicit?: QueueName): QueueName {
  if (explicit !== undefined) return explicit;
  if (functionName.startsWith("connector.")) return "connector_calls";
  if (functionName.startsWith("agent.run")) return "agent_runs";
  if (functionName.startsWith("agent.spawn")) return "swarm_children";
  if (functionName.startsWith("notification.")) return "notifications";
  return "concord_default";
}
