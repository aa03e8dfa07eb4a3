/** Owns the records the pure rooms speak about: who asks, the command, its plan. Times are ISO 8601 UTC. */
import type { CompensationManifest } from "./compensation.ts";
import type { CommandId, EffectId } from "./ids.ts";
import type { Json, JsonObject } from "./json.ts";
import type {
  CancellationMode,
  CommandStatus,
  ErrorClass,
  IngressType,
  RiskLevel,
} from "./vocabulary.ts";

/** The person (or schedule) a command runs as. A child command has its parent's principal, never more (G7). */
export interface Principal {
  readonly tenant: string;
  readonly user: string;
  readonly email?: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
}

/** Where an agent's call came from, on the child command that it became. */
export interface AgentCallRef {
  readonly turnCommandId: CommandId;
  readonly callId: string;
  readonly agentType: string;
}

/** Where a request belongs, for policies and for bindings of the registry (spec §13.1, §112.2). */
export interface Place {
  readonly workspaceId?: string;
  readonly appId?: string;
  readonly teamId?: string;
  /** e.g. `prod`. */
  readonly environment?: string;
}

export interface CommandContext {
  readonly actor: Principal;
  readonly runAs: string;
  readonly requestId: string;
  readonly metadata: JsonObject;
  readonly place?: Place;
  readonly agentCall?: AgentCallRef;
  /** what the caller says of the risk; it counts where it is higher than the task's. */
  readonly riskAtLeast?: RiskLevel;
}

export interface PlanStep {
  readonly stepId: string;
  readonly primitive:
    | "connector_call"
    | "artifact_write"
    | "state_transition"
    | "agent_turn"
    | "human_task";
  /** `connector.operation`, the artifact type, `publish`, `take_back`, or the agent runtime. */
  readonly functionName: string;
  readonly dependsOn: readonly string[];
  /** What a reader wants to know of it beside its name; nothing decides by it. */
  readonly metadata: JsonObject;
  /** Set when the step writes to the outside: the effect type, its key, and what undoes it. */
  readonly effect?: PlannedEffect;
}

export interface PlannedEffect {
  readonly effectType: string;
  readonly idempotencyKey: string | null;
  readonly declaredCompensation: string | null;
  /** What that compensation promised when this was planned; null when nothing undoes the effect. */
  readonly compensation: CompensationManifest | null;
}

export interface ExecutionPlan {
  readonly planId: string;
  readonly commandId: CommandId;
  readonly executionMode: "sync" | "async";
  readonly primitives: readonly string[];
  readonly steps: readonly PlanStep[];
  readonly requiredApprovals: readonly string[];
  readonly expectedArtifacts: readonly string[];
  /** Memory schemas that it may propose to. */
  readonly memoryWriteIntents: readonly string[];
  /** Operations that tell people something. */
  readonly notificationIntents: readonly string[];
  readonly createdAt: string;
}

export interface Command {
  readonly commandId: CommandId;
  readonly tenantId: string;
  readonly commandType: string;
  readonly taskName: string;
  readonly status: CommandStatus;
  readonly requestedBy: string;
  readonly ingress: IngressType;
  readonly payload: JsonObject;
  readonly context: CommandContext;
  /** What the task read before policy ran; bound to the approval with payload and plan. */
  readonly facts: JsonObject;
  readonly plan: ExecutionPlan | null;
  /** Results of finished steps by step id. */
  readonly stepResults: JsonObject;
  readonly requestHash: string;
  readonly idempotencyKey: string | null;
  readonly parentCommandId: CommandId | null;
  readonly rootCommandId: CommandId;
  readonly traceId: string;
  readonly workflowId: string | null;
  /** It waits for a person, and its run `workflowId` is started when that is over. */
  readonly isParked: boolean;
  /** It waits for other commands before it starts. */
  readonly hasDependencies: boolean;
  readonly cancellationMode: CancellationMode;
  readonly cancellationRequestedAt: string | null;
  readonly result: Json;
  readonly error: string | null;
  readonly errorClass: ErrorClass | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly completedAt: string | null;
}

export interface Effect {
  readonly effectId: EffectId;
  readonly commandId: CommandId;
  readonly stepId: string;
  readonly ordinal: number;
  readonly effectType: string;
  readonly idempotencyKey: string | null;
  readonly status: "planned" | "executing" | "succeeded" | "failed";
  readonly attempts: number;
  readonly result: Json;
  readonly compensation: CompensationManifest | null;
  /** Set on a link of a compensation chain: the effect it undoes. */
  readonly compensatesEffectId: EffectId | null;
  /** Attempts before a person granted new ones; they no longer count against the retry policy. */
  readonly attemptsForgiven: number;
  /** Set when a person settled the link: left undone, or undone outside Concord. */
  readonly settledAs: "skipped" | "by_hand" | null;
}

/** What an approval is bound to: the same payload, facts and steps, or it no longer counts (APR-17). */
export function boundContent(
  command: Pick<Command, "taskName" | "payload" | "facts"> & { readonly plan: ExecutionPlan },
): JsonObject {
  const { taskName, payload, facts, plan } = command;
  return { taskName, payload, facts, steps: JSON.parse(JSON.stringify(plan.steps)) as Json };
}
