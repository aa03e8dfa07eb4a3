/**
 * Owns telling what each connector can do and on which terms (CON-14): who may call an operation, through which task,
 * what happens outside, who approves, under which key, what is left behind, how it is undone, what goes on record.
 */
import type { Policy } from "../core/policy.ts";
import type { Connector, Operation } from "../domain/connectors.ts";
import type { ConnectorSummary, OperationSummary, OperationUse } from "../domain/describing.ts";
import type { Task, TaskCatalog } from "../domain/tasks.ts";

export function describeConnectors(catalog: TaskCatalog): readonly ConnectorSummary[] {
  const tasks = catalog.taskNames().flatMap((name) => catalog.task(name) ?? []);
  return catalog.connectors().map((connector) => describe(catalog, tasks, connector));
}

function describe(
  catalog: TaskCatalog,
  tasks: readonly Task[],
  connector: Connector,
): ConnectorSummary {
  const { name, connectorType, riskLevel, auth, rateLimit } = connector;
  return {
    name,
    connectorType,
    riskLevel,
    secretRef: auth.mode === "none" ? null : auth.secretRef,
    scopes: auth.mode === "none" ? [] : (auth.scopes ?? []),
    rateLimit: rateLimit ?? null,
    operations: Object.entries(connector.operations).map(([operation, definition]) =>
      summaryOf(catalog, tasks, name, operation, definition),
    ),
  };
}

function summaryOf(
  catalog: TaskCatalog,
  tasks: readonly Task[],
  connector: string,
  operation: string,
  definition: Operation,
): OperationSummary {
  const { description, sideEffect, keyTemplate, compensation, scope, timeoutMs } = definition;
  const uses = tasks.flatMap((task) => usesOf(catalog, task, connector, operation));
  return {
    name: operation,
    description,
    sideEffect,
    scope: scope ?? null,
    keyTemplate: keyTemplate ?? null,
    compensation: compensation ?? null,
    timeoutMs,
    attemptsMax: definition.retry.attemptsMax,
    waitsSeconds: definition.retry.waitsSeconds,
    retryable: definition.retry.retryable,
    inputSchema: definition.inputSchema ?? null,
    outputSchema: definition.outputSchema ?? null,
    auditEvents: sideEffect
      ? ["effect_planned", "task_started", "connector_called", "task_succeeded", "task_failed"]
      : ["connector_called"],
    uses,
  };
}

function usesOf(
  catalog: TaskCatalog,
  task: Task,
  connector: string,
  operation: string,
): readonly OperationUse[] {
  const artifacts = task.steps.flatMap((step) =>
    step.kind === "artifact" ? [step.artifactType] : [],
  );
  const policies = task.policies.map(catalog.policy);
  return task.steps.flatMap((step) => {
    if (step.kind !== "connector") return [];
    if (step.connector !== connector || step.operation !== operation) return [];
    const { effectType = null } = step;
    const undoing = effectType === null ? undefined : catalog.compensationOf(effectType);
    return [
      {
        taskName: task.name,
        commandType: task.commandType,
        policies: task.policies,
        approvalTypes: approvalsOf(task, policies),
        effectType,
        compensatedBy: undoing?.name ?? null,
        artifacts,
        agentsMay: task.tool !== undefined,
      },
    ];
  });
}

/** Approvals that may be asked for: always, or when a policy says so. */
function approvalsOf(task: Task, policies: readonly Policy[]): readonly string[] {
  const always = task.approval === undefined ? [] : [task.approval.type];
  return [...new Set([...always, ...policies.flatMap((one) => one.approvalTypes ?? [])])];
}
