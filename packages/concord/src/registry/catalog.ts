/**
 * Owns the in-process catalog: what contracts register, and the checked look-ups the services use.
 * Refuses to own: checking (check-catalog.ts) and running.
 */
import { isJsonObject, type JsonObject } from "../core/json.ts";
import type { Policy } from "../core/policy.ts";
import { compilePolicy } from "../core/retry.ts";
import type { ReviewSummary } from "../core/review-packet.ts";
import { compileSchema } from "../core/validation.ts";
import { ARTIFACT_TYPES } from "../core/vocabulary.ts";
import { personFields } from "../domain/asking.ts";
import type { Connector, ConnectorDefinition } from "../domain/connectors.ts";
import type { ScheduleDefinition } from "../domain/schedules.ts";
import type {
  AgentDefinition,
  ApprovalTypeDefinition,
  ArtifactType,
  ArtifactTypeDefinition,
  CompensationDefinition,
  EffectTypeDefinition,
  StepView,
  Task,
  TaskCatalog,
  TaskDefinition,
  TaskFunction,
  Tool,
} from "../domain/tasks.ts";
import type { WebhookDefinition } from "../domain/webhooks.ts";
import type { TaskSpec } from "./task-specs.ts";

/** What `defineContracts` hands to a contracts module. */
export interface Catalog {
  task(definition: TaskDefinition): void;
  /** Work whose terms are declared apart; nobody can ask for it itself. */
  taskFunction(definition: TaskFunction): void;
  /** The terms of a task, about a function (PLN-10). */
  taskSpec(spec: TaskSpec): void;
  policy(policy: Policy): void;
  connector(definition: ConnectorDefinition): void;
  approvalType(definition: ApprovalTypeDefinition): void;
  artifactType(definition: ArtifactTypeDefinition): void;
  compensation(definition: CompensationDefinition): void;
  schedule(definition: ScheduleDefinition): void;
  webhook(definition: WebhookDefinition): void;
  effectType(definition: EffectTypeDefinition): void;
  agent(definition: AgentDefinition): void;
  /** What is wrong with contracts that could not be registered at all; told with every other problem. */
  problem(text: string): void;
}

/** Everything registered, in order; names may still clash or dangle. */
export interface Registrations {
  readonly tasks: readonly TaskDefinition[];
  readonly functions: readonly TaskFunction[];
  readonly specs: readonly TaskSpec[];
  readonly policies: readonly Policy[];
  readonly connectors: readonly ConnectorDefinition[];
  readonly approvalTypes: readonly ApprovalTypeDefinition[];
  readonly artifactTypes: readonly ArtifactTypeDefinition[];
  readonly compensations: readonly CompensationDefinition[];
  readonly schedules: readonly ScheduleDefinition[];
  readonly webhooks: readonly WebhookDefinition[];
  readonly effectTypes: readonly EffectTypeDefinition[];
  readonly agents: readonly AgentDefinition[];
  readonly problems: readonly string[];
}

export function recorder(): { readonly catalog: Catalog; readonly registrations: Registrations } {
  const tasks: TaskDefinition[] = [];
  const functions: TaskFunction[] = [];
  const specs: TaskSpec[] = [];
  const policies: Policy[] = [];
  const connectors: ConnectorDefinition[] = [];
  const approvalTypes: ApprovalTypeDefinition[] = [];
  const artifactTypes: ArtifactTypeDefinition[] = [];
  const compensations: CompensationDefinition[] = [];
  const schedules: ScheduleDefinition[] = [];
  const webhooks: WebhookDefinition[] = [];
  const effectTypes: EffectTypeDefinition[] = [];
  const agents: AgentDefinition[] = [];
  const problems: string[] = [];
  const catalog: Catalog = {
    task: (one) => void tasks.push(one),
    taskFunction: (one) => void functions.push(one),
    taskSpec: (one) => void specs.push(one),
    policy: (one) => void policies.push(one),
    connector: (one) => void connectors.push(one),
    approvalType: (one) => void approvalTypes.push(one),
    artifactType: (one) => void artifactTypes.push(one),
    compensation: (one) => void compensations.push(one),
    schedule: (one) => void schedules.push(one),
    webhook: (one) => void webhooks.push(one),
    effectType: (one) => void effectTypes.push(one),
    agent: (one) => void agents.push(one),
    problem: (text) => void problems.push(text),
  };
  const registrations = {
    tasks,
    functions,
    specs,
    policies,
    connectors,
    approvalTypes,
    artifactTypes,
    compensations,
    schedules,
    webhooks,
    effectTypes,
    agents,
    problems,
  };
  return { catalog, registrations };
}

/** Look-ups over checked registrations. `builtIn` tasks come with the runtime, not from contracts. */
export function buildCatalog(registered: Registrations, builtIn: readonly Task[]): TaskCatalog {
  const tasks = byName([...registered.tasks.map(toTask), ...builtIn]);
  const policies = byName(registered.policies);
  const connectors = byName(registered.connectors.map(toConnector));
  const approvalTypes = byName(registered.approvalTypes);
  const artifactTypes = byName([...commonArtifactTypes(), ...registered.artifactTypes].map(toType));
  const compensations = new Map(registered.compensations.map((one) => [one.of, one]));
  const compensationsByName = byName(registered.compensations);
  const toolTasks = new Map(
    [...tasks.values()].flatMap((task) =>
      task.tool === undefined ? [] : [[task.tool.name, task] as const],
    ),
  );
  const findOperation = (connector: string, name: string) =>
    connectors.get(connector)?.operations[name];
  const operation = (connector: string, name: string) => {
    const found = findOperation(connector, name);
    if (found === undefined)
      throw new Error(`the operation ${connector}.${name} is not registered`);
    return found;
  };
  const tools = [...toolTasks.values()].map((task) => toTool(task, operation));
  return {
    task: (name) => tasks.get(name),
    taskNames: () => [...tasks.keys()],
    tools: (agentType) => tools.filter(({ name }) => shows(registered.agents, agentType, name)),
    toolTask: (name, agentType) =>
      shows(registered.agents, agentType, name) ? toolTasks.get(name) : undefined,
    policy: (name) => must(policies, "policy", name),
    policies: () => [...policies.values()],
    approvalType: (name) => must(approvalTypes, "approval type", name),
    artifactType: (name) => artifactTypes.get(name),
    artifactTypes: () => [...artifactTypes.values()],
    connector: (name) => must(connectors, "connector", name),
    connectors: () => [...connectors.values()],
    operation,
    findOperation,
    compensationOf: (effectType) => compensations.get(effectType),
    schedules: () => registered.schedules,
    webhook: (provider) => registered.webhooks.find((one) => one.provider === provider),
    compensation: (name) => compensationsByName.get(name),
  };
}

/** What is not shown to an agent is not there for it. */
function shows(
  agents: readonly AgentDefinition[],
  agentType: string | undefined,
  tool: string,
): boolean {
  if (agentType === undefined) return true;
  const definition =
    agents.find((one) => one.agentType === agentType) ??
    agents.find((one) => one.agentType === EVERY_OTHER);
  const { allowedTools, forbiddenTools = [] } = definition ?? {};
  return (allowedTools?.includes(tool) ?? true) && !forbiddenTools.includes(tool);
}

const EVERY_OTHER = "*";

/** RTY-2: the only policies that are made for operations. */
function toConnector(definition: ConnectorDefinition): Connector {
  const { name, operations } = definition;
  const compiled = Object.entries(operations).map(([operation, one]) => {
    const retry = compilePolicy(`${name}.${operation}`, one.retry);
    return [operation, { ...one, retry }] as const;
  });
  return { ...definition, operations: Object.fromEntries(compiled) };
}

function commonArtifactTypes(): readonly ArtifactTypeDefinition[] {
  return ARTIFACT_TYPES.map((name) => ({ name, description: `A ${name.replace("_", " ")}.` }));
}

function toType(definition: ArtifactTypeDefinition): ArtifactType {
  const { contentSchema: schema } = definition;
  return { ...definition, validate: schema === undefined ? undefined : compileSchema(schema) };
}

function toTask(definition: TaskDefinition): Task {
  return {
    ...definition,
    commandType: definition.commandType ?? definition.name,
    riskLevel: definition.riskLevel ?? "low",
    cancellationMode: definition.cancellationMode ?? "graceful",
    validate: compileSchema(definition.inputSchema),
    review: definition.review ?? ((view) => plainReview(definition, view)),
    runsAs: "steps",
  };
}

function plainReview(
  definition: TaskDefinition,
  { payload }: Omit<StepView, "results">,
): ReviewSummary {
  const lines = Object.entries(payload).map(([label, value]) => ({ label, value }));
  return {
    action: definition.description,
    why: `A policy of ${definition.name} asks for a decision.`,
    affected: lines.length > 0 ? lines : [{ label: "task", value: definition.name }],
    afterApproval: `${definition.name} runs once.`,
  };
}

function toTool(task: Task, operation: TaskCatalog["operation"]): Tool {
  const sideEffect = task.steps.some(
    (step) =>
      step.kind === "take_back" ||
      (step.kind === "connector" && operation(step.connector, step.operation).sideEffect),
  );
  const { name, description = task.description } = task.tool ?? { name: task.name };
  const inputSchema = withoutFields(task.inputSchema, personFields(task));
  return {
    name,
    description,
    inputSchema,
    taskName: task.name,
    riskLevel: task.riskLevel,
    sideEffect,
  };
}

/** What only a person can say is no part of the tool: a model cannot invent what it is not asked for. */
function withoutFields(schema: JsonObject, hidden: readonly string[]): JsonObject {
  const { properties } = schema;
  if (hidden.length === 0 || !isJsonObject(properties)) return schema;
  const shown = Object.entries(properties).filter(([name]) => !hidden.includes(name));
  return { ...schema, properties: Object.fromEntries(shown) };
}

function byName<T extends { readonly name: string }>(items: readonly T[]): ReadonlyMap<string, T> {
  return new Map(items.map((item) => [item.name, item]));
}

function must<T>(items: ReadonlyMap<string, T>, kind: string, name: string): T {
  const item = items.get(name);
  if (item === undefined) throw new Error(`the ${kind} ${name} is not registered`);
  return item;
}
