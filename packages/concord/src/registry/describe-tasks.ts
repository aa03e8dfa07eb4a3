/** Owns telling what may be asked for and on which terms, in the words of the specification (§13.2; CMD-10). */
import { tierReached } from "../core/audit-tiers.ts";
import { mapTaskToPrimitives } from "../core/classify.ts";
import { familyOf } from "../core/primitives.ts";
import { compilePolicy } from "../core/retry.ts";
import type { TaskSummary } from "../domain/describing.ts";
import { artifactTypes, tellsPeople } from "../domain/make-plan.ts";
import type { Task, TaskCatalog } from "../domain/tasks.ts";
import { recordsLeft } from "./records-left.ts";

export function describeTasks(catalog: TaskCatalog): readonly TaskSummary[] {
  return catalog.taskNames().flatMap((name) => {
    const task = catalog.task(name);
    return task === undefined ? [] : [describe(catalog, task)];
  });
}

function describe(catalog: TaskCatalog, task: Task): TaskSummary {
  const { name, inputSchema, ingressTypes = [], metadata = {}, syncAllowed = false } = task;
  const { required = [] } = inputSchema as { readonly required?: readonly string[] };
  const calls = task.steps.flatMap((one) => (one.kind === "connector" ? [one] : []));
  const flags = {
    approvalRequired: task.approval !== undefined,
    asyncRequired: task.asyncRequired === true || task.runsAs === "agent_turn",
    syncAllowed,
    usesConnector: calls.length > 0,
    artifactPossible: artifactTypes(task).length > 0,
    memoryWritePossible: false,
    notificationRequired: task.steps.some(({ id }) => tellsPeople(catalog, task, id)),
  };
  const attempts = calls.map((one) => catalog.operation(one.connector, one.operation).retry);
  const left = recordsLeft(task, {
    policies: task.policies.map(catalog.policy),
    isCompensated: (type) => catalog.compensationOf(type) !== undefined,
  });
  return {
    name,
    description: task.description,
    commandType: task.commandType,
    functionName: task.functionName ?? name,
    ingressTypes,
    requiredInputs: required,
    ...flags,
    policyChecks: task.policies,
    connectorRequirements: [...new Set(calls.map((one) => one.connector))],
    riskLevel: task.riskLevel,
    // Where nothing is called, what would hold for a call.
    maxAttempts: Math.max(
      ...(attempts.length === 0 ? [compilePolicy(name)] : attempts).map((one) => one.attemptsMax),
    ),
    metadata,
    primitives: mapTaskToPrimitives(flags).map((one) => ({ name: one, family: familyOf(one) })),
    auditTier: tierReached(left),
    inputSchema,
    agentsMay: task.tool !== undefined,
  };
}
