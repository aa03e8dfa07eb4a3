/** Owns turning a decided command into a stored plan with its planned effects (PLN-2, EFF-3, EFF-12). */

import { executionMode, mapTaskToPrimitives } from "../core/classify.ts";
import type { Command, ExecutionPlan, PlanStep } from "../core/command.ts";
import type { Failure } from "../core/errors.ts";
import { encodeId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { CombinedDecision, RequiredApproval } from "../core/policy.ts";
import { renderTemplate } from "../core/template.ts";
import { eventOf } from "./audit.ts";
import { isoTime, type Kit } from "./kit.ts";
import { manifestOf } from "./manifest.ts";
import type { StatusPatch, Tx } from "./store.ts";
import type { StepDefinition, Task } from "./tasks.ts";

export type PlannedCommand = NonNullable<StatusPatch["planned"]>;
export type Planned = PlannedCommand | { readonly failure: Failure };

/** The workflow that runs a command; re-runs get a suffix (CMD-17). */
export function workflowIdOf(command: Pick<Command, "commandId">): string {
  return `command:${encodeId("command", command.commandId)}`;
}

/** Approvals this command needs: what policies ask for, or what the task always asks for. */
export function approvalsNeeded(
  task: Task,
  combined: CombinedDecision,
): readonly RequiredApproval[] {
  if (combined.requiredApprovals.length > 0) return combined.requiredApprovals;
  if (task.approval === undefined) return [];
  return [{ approvalType: task.approval.type, approver: task.approval.approver }];
}

/** Writes the planned effects and what was planned; the plan itself is stored by the move that follows. */
export async function planCommand(
  tx: Tx,
  kit: Kit,
  command: Command,
  task: Task,
  combined: CombinedDecision,
): Promise<Planned> {
  const refused = refusalOf(task, combined);
  if (refused !== undefined) return { failure: refused };
  const steps: PlanStep[] = [];
  for (const definition of task.steps) {
    const step = planStep(kit, keyValues(command), definition);
    if ("errorClass" in step) return { failure: step };
    steps.push(step);
  }
  const plan = makePlan(kit, command, task, combined, steps);
  const workflowId = command.workflowId ?? workflowIdOf(command);
  const effects = steps.flatMap(({ stepId, effect }) =>
    effect === undefined ? [] : [{ ...effect, stepId }],
  );
  await tx.effects.plan(command, effects, kit.newId);
  await tx.events.append([
    eventOf(command, "plan_created", planPayload(plan)),
    ...effects.map((effect) =>
      eventOf(command, "effect_planned", {
        effect_type: effect.effectType,
        idempotency_key: effect.idempotencyKey,
        declared_compensation: effect.declaredCompensation,
      }),
    ),
  ]);
  return { plan, workflowId };
}

/** Outcomes that end the command here. What this version cannot perform is refused, never skipped. */
function refusalOf(task: Task, combined: CombinedDecision): Failure | undefined {
  const message = combined.reasons.join("; ");
  switch (combined.decision) {
    case "deny":
      return { errorClass: "policy_denied", message };
    case "escalate":
    case "require_approval":
      return approvalsNeeded(task, combined).length > 0
        ? undefined
        : { errorClass: "policy_denied", message: `nobody is named to decide: ${message}` };
    default:
      return undefined;
  }
}

/** What a key may be made of: the payload, and the command itself where the vendor has no name for the thing. */
function keyValues(command: Command): JsonObject {
  return { ...command.payload, this_command: encodeId("command", command.commandId) };
}

function planStep(kit: Kit, values: JsonObject, definition: StepDefinition): PlanStep | Failure {
  const base = { stepId: definition.id, dependsOn: definition.dependsOn ?? [] };
  if (definition.kind === "artifact") {
    return { ...base, primitive: "artifact_write", functionName: definition.artifactType };
  }
  const { connector, operation, effectType } = definition;
  const call = {
    ...base,
    primitive: "connector_call",
    functionName: `${connector}.${operation}`,
  } as const;
  const { keyTemplate } = kit.catalog.operation(connector, operation);
  if (effectType === undefined) return call;
  const rendered = renderTemplate(keyTemplate ?? "", values);
  if ("missing" in rendered) {
    const message = `the key of ${connector}.${operation} needs "${rendered.missing}" in the payload`;
    return { errorClass: "validation_error", message };
  }
  const undo = kit.catalog.compensationOf(effectType);
  const effect = {
    effectType,
    idempotencyKey: rendered.key,
    declaredCompensation: undo?.name ?? null,
    compensation: undo === undefined ? null : manifestOf(undo),
  };
  return { ...call, effect };
}

function makePlan(
  kit: Kit,
  command: Command,
  task: Task,
  combined: CombinedDecision,
  steps: readonly PlanStep[],
): ExecutionPlan {
  const approvals = approvalsNeeded(task, combined);
  const syncAllowed = task.syncAllowed === true;
  const artifacts = task.steps.flatMap((one) =>
    one.kind === "artifact" ? [one.artifactType] : [],
  );
  const asyncRequired = combined.decision === "route_async" || task.runsAs === "agent_turn";
  return {
    planId: `plan_${kit.newId().replaceAll("-", "")}`,
    commandId: command.commandId,
    executionMode: executionMode({
      syncAllowed,
      asyncRequired,
      gated: approvals.length > 0,
      writesOutside: steps.some((step) => step.effect !== undefined),
    }),
    primitives: mapTaskToPrimitives({
      approvalRequired: approvals.length > 0,
      asyncRequired,
      syncAllowed,
      usesConnector: steps.some((step) => step.primitive === "connector_call"),
      artifactPossible: artifacts.length > 0,
      memoryWritePossible: false,
      notificationRequired: false,
    }),
    steps,
    requiredApprovals: approvals.map((one) => one.approvalType),
    expectedArtifacts: artifacts,
    createdAt: isoTime(kit.nowMs()),
  };
}

function planPayload(plan: ExecutionPlan): JsonObject {
  return {
    plan_id: plan.planId,
    execution_mode: plan.executionMode,
    primitives: plan.primitives,
    steps: plan.steps.map((step) => step.functionName),
    required_approvals: plan.requiredApprovals,
  };
}
