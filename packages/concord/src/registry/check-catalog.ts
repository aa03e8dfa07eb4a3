/** Owns refusing a catalog that cannot work, before anything starts: every problem at once (CMP-8, POL-20, PLN-4). */
import { isJsonObject } from "../core/json.ts";
import { planProblems } from "../core/planning.ts";
import type { Policy } from "../core/policy.ts";
import { templateVariables } from "../core/template.ts";
import {
  ARTIFACT_TYPES,
  CANCELLATION_MODES,
  INGRESS_TYPES,
  POLICY_CATEGORIES,
  QUEUES,
} from "../core/vocabulary.ts";
import { ARTIFACT_VISIBILITIES } from "../domain/artifacts.ts";
import type { ConnectorDefinition } from "../domain/connectors.ts";
import type {
  AgentDefinition,
  ArtifactTypeDefinition,
  ConnectorStep,
  TaskDefinition,
} from "../domain/tasks.ts";
import type { Registrations } from "./catalog.ts";
import { COMPENSATION_DEPTH_MAX, compensationProblems } from "./check-compensations.ts";
import { connectorProblems, schemaProblem } from "./check-connectors.ts";

/** All problems of a catalog; the message lists them one a line. */
export class CatalogError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The contracts cannot be used:\n${problems.map((one) => `  - ${one}`).join("\n")}`);
    this.name = "CatalogError";
    this.problems = problems;
  }
}

/** Every problem, in plain words; empty when the catalog can be used. */
export function catalogProblems(
  registered: Registrations,
  builtInNames: readonly string[],
  depthMax: number = COMPENSATION_DEPTH_MAX,
): readonly string[] {
  const { tasks, policies, connectors, approvalTypes, compensations } = registered;
  const toolNames = tasks.flatMap((task) => (task.tool === undefined ? [] : [task.tool.name]));
  return [
    ...repeated("task", [...tasks.map(nameOf), ...builtInNames]),
    ...repeated("policy", policies.map(nameOf)),
    ...repeated("connector", connectors.map(nameOf)),
    ...repeated("approval type", approvalTypes.map(nameOf)),
    ...repeated("tool", toolNames),
    ...repeated("artifact type", registered.artifactTypes.map(nameOf)),
    ...registered.artifactTypes.flatMap(artifactTypeProblems),
    ...policies.flatMap((policy) => policyProblems(policy, approvalTypes.map(nameOf))),
    ...tasks.flatMap((task) => taskProblems(task, registered)),
    ...connectors.flatMap(connectorProblems),
    ...repeated(
      "agent",
      registered.agents.map((one) => one.agentType),
    ),
    ...registered.agents.flatMap((agent) => agentProblems(agent, toolNames)),
    ...repeated("compensation", compensations.map(nameOf)),
    ...repeated(
      "compensation of",
      compensations.map((one) => one.of),
    ),
    ...compensationProblems(registered, depthMax),
  ];
}

const nameOf = (one: { readonly name: string }) => one.name;

function repeated(kind: string, names: readonly string[]): readonly string[] {
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  return [...new Set(twice)].map((name) => `the ${kind} "${name}" is registered twice`);
}

/** A name that is misspelt in a list of what is forbidden would forbid nothing. */
function agentProblems(
  { agentType, allowedTools = [], forbiddenTools = [] }: AgentDefinition,
  toolNames: readonly string[],
): readonly string[] {
  const at = `agent "${agentType}"`;
  const unknown = [...allowedTools, ...forbiddenTools].filter((name) => !toolNames.includes(name));
  const both = allowedTools.filter((name) => forbiddenTools.includes(name));
  return [
    ...unknown.map((name) => `${at} names the unknown tool "${name}"`),
    ...both.map((name) => `${at} is both allowed and forbidden the tool "${name}"`),
  ];
}

function policyProblems(policy: Policy, approvalTypes: readonly string[]): readonly string[] {
  const at = `policy "${policy.name}"`;
  const unknown = (policy.approvalTypes ?? []).filter((name) => !approvalTypes.includes(name));
  return [
    ...(policy.problems ?? []).map((problem) => `${at}: ${problem}`),
    ...(POLICY_CATEGORIES.includes(policy.category)
      ? []
      : [`${at} has the unknown category "${policy.category}"`]),
    ...unknown.map((name) => `${at} asks for the unknown approval type "${name}"`),
  ];
}

function taskProblems(task: TaskDefinition, registered: Registrations): readonly string[] {
  const at = `task "${task.name}"`;
  const policies = registered.policies.map(nameOf);
  const approvalTypes = registered.approvalTypes.map(nameOf);
  const steps = task.steps.map((step) => ({
    stepId: step.id,
    dependsOn: step.dependsOn ?? [],
  }));
  const unknownPolicies = task.policies.filter((name) => !policies.includes(name));
  const onlyWatched =
    task.policies.length > 0 &&
    task.policies.every((name) =>
      registered.policies.some((one) => one.name === name && one.mode === "shadow"),
    );
  const approval = task.approval?.type;
  return [
    ...schemaProblems(at, task),
    ...(task.policies.length === 0
      ? [`${at} names no policy; silence is not consent, so say who may run it`]
      : []),
    ...(onlyWatched ? [`${at} has only policies in shadow, so nobody would decide`] : []),
    ...unknownPolicies.map((name) => `${at} names the unknown policy "${name}"`),
    ...(approval !== undefined && !approvalTypes.includes(approval)
      ? [`${at} names the unknown approval type "${approval}"`]
      : []),
    ...wordProblems(at, task),
    ...artifactProblems(at, task, registered.artifactTypes),
    ...publicationProblems(at, task, registered.policies),
    ...keyProblems(at, task),
    ...windowProblems(at, task),
    ...questionProblems(at, task),
    ...planProblems(steps).map((problem) => `${at}: ${problem}`),
    ...task.steps.flatMap((step) =>
      step.kind === "connector" ? stepProblems(task, step, registered.connectors) : [],
    ),
  ];
}

function artifactTypeProblems(type: ArtifactTypeDefinition): readonly string[] {
  const at = `artifact type "${type.name}"`;
  const { retentionDays, contentSchema, publication, visibility } = type;
  return [
    ...schemaProblem(`${at}: contentSchema`, contentSchema),
    ...(retentionDays === undefined || retentionDays > 0
      ? []
      : [`${at}: retentionDays is not above 0`]),
    ...(publication === undefined || publication === "never" || contentSchema !== undefined
      ? []
      : [`${at}: what is published was validated, so it needs a contentSchema`]),
    ...(visibility === undefined || ARTIFACT_VISIBILITIES.includes(visibility)
      ? []
      : [`${at} has the unknown visibility "${visibility}"`]),
  ];
}

/** ART-2: a type that nobody declared has no schema and no end. */
function artifactProblems(
  at: string,
  { steps }: TaskDefinition,
  registered: readonly ArtifactTypeDefinition[],
): readonly string[] {
  const known: readonly string[] = [...ARTIFACT_TYPES, ...registered.map(nameOf)];
  const writing = steps.flatMap((one) => (one.kind === "artifact" ? [one] : []));
  const unknown = new Set(
    writing.map((one) => one.artifactType).filter((type) => !known.includes(type)),
  );
  const needsLineage = registered.filter((type) => type.lineageRequired === true).map(nameOf);
  return [
    ...[...unknown].map((type) => `${at} writes the unknown artifact type "${type}"; register it`),
    ...writing
      .filter(({ artifactType, dependsOn = [] }) => {
        return needsLineage.includes(artifactType) && dependsOn.length === 0;
      })
      .map(({ id, artifactType }) => {
        const where = `${at}, step "${id}"`;
        return `${where} does not say what the ${artifactType} is made from; name steps in dependsOn`;
      }),
  ];
}

/** ART-8: what is published was looked at for what may not leave. */
function publicationProblems(
  at: string,
  { steps, policies: names }: TaskDefinition,
  policies: readonly Policy[],
): readonly string[] {
  const looking = policies.filter(
    ({ name, category, mode }) =>
      names.includes(name) && category === "data_safety" && mode !== "shadow",
  );
  if (looking.length > 0 || !steps.some((step) => step.kind === "publish")) return [];
  return [`${at} publishes an artifact without an enforced policy of the category data_safety`];
}

/** QUE-5, CMD-8: words of closed vocabularies; contracts may come from code that no compiler saw. */
function wordProblems(at: string, { queue, ingressTypes = [] }: TaskDefinition): readonly string[] {
  const strange = ingressTypes.filter((one) => !INGRESS_TYPES.includes(one));
  return [
    ...(queue === undefined || QUEUES.includes(queue)
      ? []
      : [`${at} names the unknown queue "${queue}"; known: ${QUEUES.join(", ")}`]),
    ...strange.map((one) => `${at} names the unknown ingress "${one}"`),
  ];
}

/** Nobody brings a derived key, so what it is made of must always be there. */
function keyProblems(at: string, { idempotency, inputSchema }: TaskDefinition): readonly string[] {
  if (idempotency === undefined) return [];
  const required = inputSchema["required"];
  const known: readonly unknown[] = ["requester", ...(Array.isArray(required) ? required : [])];
  return templateVariables(idempotency.key)
    .filter((name) => !known.includes(name))
    .map(
      (name) => `${at}: its idempotency key needs "${name}", which inputSchema does not require`,
    );
}

/** CAN-1, CAN-12: only what undoes itself can be taken back, and reserved modes do not exist yet. */
function windowProblems(at: string, task: TaskDefinition): readonly string[] {
  const { cancellationMode = "graceful", cancelWithinMinutes: minutes } = task;
  return [
    ...(CANCELLATION_MODES.includes(cancellationMode)
      ? []
      : [`${at}: the cancellation mode "${cancellationMode}" is not available`]),
    ...(minutes !== undefined && cancellationMode !== "compensate_then_stop"
      ? [`${at}: cancelWithinMinutes needs cancellationMode "compensate_then_stop"`]
      : []),
    ...(minutes === undefined || minutes > 0 ? [] : [`${at}: cancelWithinMinutes is not above 0`]),
  ];
}

/** A question that nothing can leave open, or whose answer fits nothing, would never be asked or never be over. */
function questionProblems(at: string, { asks = [], inputSchema }: TaskDefinition) {
  const { properties = {}, required = [] } = inputSchema;
  const known = isJsonObject(properties) ? Object.keys(properties) : [];
  const always: readonly unknown[] = Array.isArray(required) ? required : [];
  return asks.flatMap(({ fields, text }) => [
    ...(fields.length === 0 ? [`${at} asks a question that names no field`] : []),
    ...(text === "" ? [`${at} asks a question without words`] : []),
    ...fields
      .filter((name) => !known.includes(name))
      .map((name) => `${at} asks for "${name}", which inputSchema does not know`),
    ...fields
      .filter((name) => always.includes(name))
      .map((name) => `${at} asks for "${name}", which inputSchema requires from the beginning`),
  ]);
}

function schemaProblems(at: string, task: TaskDefinition): readonly string[] {
  const problems =
    task.inputSchema["type"] === "object" ? [] : [`${at}: inputSchema is not an object`];
  return [...problems, ...schemaProblem(`${at}: inputSchema`, task.inputSchema)];
}

function stepProblems(
  task: TaskDefinition,
  step: ConnectorStep,
  connectors: readonly ConnectorDefinition[],
): readonly string[] {
  const at = `task "${task.name}", step "${step.id}"`;
  const connector = connectors.find((one) => one.name === step.connector);
  if (connector === undefined) return [`${at} uses the unknown connector "${step.connector}"`];
  const operation = connector.operations[step.operation];
  if (operation === undefined) {
    const known = Object.keys(connector.operations).join(", ");
    return [`${at} uses "${step.operation}", but ${connector.name} offers ${known}`];
  }
  if (!operation.sideEffect) {
    return step.effectType === undefined ? [] : [`${at} names an effect, but only reads`];
  }
  if (step.effectType === undefined) return [`${at} writes outside without naming its effectType`];
  const required = task.inputSchema["required"];
  const known = ["this_command", ...(Array.isArray(required) ? required : [])];
  return templateVariables(operation.keyTemplate ?? "")
    .filter((name) => !known.includes(name))
    .map((name) => `${at}: the key needs "${name}", which inputSchema does not require`);
}
