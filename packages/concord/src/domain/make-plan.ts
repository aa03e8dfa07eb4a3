/**
 * Owns what a command is going to do (PLN-2, PLN-3): its steps, the keys and ways back of its effects, the approvals
 * it needs, whether it may answer within the request. Pure: ids and time are passed in, nothing is stored.
 */
import { executionMode, mapTaskToPrimitives } from "../core/classify.ts";
import type { Command, ExecutionPlan, PlanStep } from "../core/command.ts";
import type { Failure } from "../core/errors.ts";
import { encodeId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { CombinedDecision, RequiredApproval } from "../core/policy.ts";
import { renderTemplate } from "../core/template.ts";
import { manifestOf } from "./manifest.ts";
import type { StepDefinition, Task, TaskCatalog } from "./tasks.ts";

/** What planning looks up. */
export type PlanCatalog = Pick<TaskCatalog, "connector" | "operation" | "compensationOf">;

export interface PlanRequest {
  readonly command: Pick<Command, "commandId" | "payload">;
  readonly task: Task;
  readonly combined: CombinedDecision;
  readonly planId: string;
  readonly createdAt: string;
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

/** The plan, or why the command cannot be planned. */
export function makePlan(
  catalog: PlanCatalog,
  { command, task, combined, planId, createdAt }: PlanRequest,
): { readonly plan: ExecutionPlan } | { readonly failure: Failure } {
  const steps: PlanStep[] = [];
  for (const definition of task.steps) {
    const step = planStep(catalog, keyValues(command), definition);
    if ("errorClass" in step) return { failure: step };
    steps.push(step);
  }
  const approvals = approvalsNeeded(task, combined);
  const plan = {
    planId,
    commandId: command.commandId,
    ...classified(catalog, task, combined, steps, approvals.length > 0),
    steps,
    requiredApprovals: approvals.map((one) => one.approvalType),
    expectedArtifacts: artifactTypes(task),
    memoryWriteIntents: [],
    notificationIntents: steps
      .filter((step) => tellsPeople(catalog, task, step.stepId))
      .map((step) => step.functionName),
    createdAt,
  };
  return { plan };
}

function classified(
  catalog: PlanCatalog,
  task: Task,
  combined: CombinedDecision,
  steps: readonly PlanStep[],
  gated: boolean,
): Pick<ExecutionPlan, "executionMode" | "primitives"> {
  const syncAllowed = task.syncAllowed === true;
  const asyncRequired =
    task.asyncRequired === true ||
    combined.decision === "route_async" ||
    task.runsAs === "agent_turn";
  const writesOutside = steps.some((step) => step.effect !== undefined);
  return {
    executionMode: executionMode({
      syncAllowed,
      asyncRequired,
      gated,
      writesOutside,
      riskLevel: task.riskLevel,
    }),
    primitives: mapTaskToPrimitives({
      approvalRequired: gated,
      asyncRequired,
      syncAllowed,
      usesConnector: steps.some((step) => step.primitive === "connector_call"),
      artifactPossible: artifactTypes(task).length > 0,
      memoryWritePossible: false,
      notificationRequired: task.steps.some(({ id }) => tellsPeople(catalog, task, id)),
    }),
  };
}

/** The type of the connectors that tell people something. */
const NOTIFICATION = "notification";

export function tellsPeople(
  catalog: Pick<PlanCatalog, "connector">,
  { steps }: Pick<Task, "steps">,
  stepId: string,
): boolean {
  const step = steps.find((one) => one.id === stepId);
  return (
    step?.kind === "connector" && catalog.connector(step.connector).connectorType === NOTIFICATION
  );
}

export function artifactTypes(task: Pick<Task, "steps">): readonly string[] {
  return task.steps.flatMap((one) => (one.kind === "artifact" ? [one.artifactType] : []));
}

/** What a key may be made of: the payload, and the command itself where the vendor has no name for the thing. */
function keyValues(command: PlanRequest["command"]): JsonObject {
  return { ...command.payload, this_command: encodeId("command", command.commandId) };
}

function planStep(
  catalog: PlanCatalog,
  values: JsonObject,
  definition: StepDefinition,
): PlanStep | Failure {
  const base = { stepId: definition.id, dependsOn: definition.dependsOn ?? [], metadata: {} };
  if (definition.kind === "take_back") {
    return { ...base, primitive: "state_transition", functionName: "take_back" };
  }
  if (definition.kind !== "connector") {
    const functionName = definition.kind === "artifact" ? definition.artifactType : "publish";
    return { ...base, primitive: "artifact_write", functionName };
  }
  const { connector, operation, effectType } = definition;
  const { keyTemplate, sideEffect, retry, timeoutMs } = catalog.operation(connector, operation);
  const call = {
    ...base,
    primitive: "connector_call",
    functionName: `${connector}.${operation}`,
    metadata: { side_effect: sideEffect, attempts_max: retry.attemptsMax, timeout_ms: timeoutMs },
  } as const;
  if (effectType === undefined) return call;
  const rendered = renderTemplate(keyTemplate ?? "", values);
  if ("missing" in rendered) {
    const message = `the key of ${connector}.${operation} needs "${rendered.missing}" in the payload`;
    return { errorClass: "validation_error", message };
  }
  const undo = catalog.compensationOf(effectType);
  const effect = {
    effectType,
    idempotencyKey: rendered.key,
    declaredCompensation: undo?.name ?? null,
    compensation: undo === undefined ? null : manifestOf(undo),
  };
  return { ...call, effect };
}
