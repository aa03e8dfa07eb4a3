/** Owns turning a decided command into a stored plan with its planned effects (EFF-3, EFF-12). */
import type { Command, ExecutionPlan } from "../core/command.ts";
import type { Failure } from "../core/errors.ts";
import type { JsonObject } from "../core/json.ts";
import type { CombinedDecision } from "../core/policy.ts";
import { eventOf } from "./audit.ts";
import { isoTime, type Kit } from "./kit.ts";
import { approvalsNeeded, makePlan } from "./make-plan.ts";
import { workflowIdOf } from "./runs.ts";
import type { StatusPatch, Tx } from "./store.ts";
import type { Task } from "./tasks.ts";

export type PlannedCommand = NonNullable<StatusPatch["planned"]>;
export type Planned = PlannedCommand | { readonly failure: Failure };

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
  const made = makePlan(kit.catalog, {
    command,
    task,
    combined,
    planId: `plan_${kit.newId().replaceAll("-", "")}`,
    createdAt: isoTime(kit.nowMs()),
  });
  if ("failure" in made) return made;
  const { plan } = made;
  const workflowId = command.workflowId ?? workflowIdOf(command);
  const effects = plan.steps.flatMap(({ stepId, effect }) =>
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

function planPayload(plan: ExecutionPlan): JsonObject {
  return {
    plan_id: plan.planId,
    execution_mode: plan.executionMode,
    primitives: plan.primitives,
    steps: plan.steps.map((step) => step.functionName),
    required_approvals: plan.requiredApprovals,
  };
}
