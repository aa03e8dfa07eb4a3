/**
 * Owns tasks whose terms are declared apart from their work (spec §26, PLN-10): twelve answers about a function that code
 * registered. An answer that is not true of the function is a problem of the catalog.
 */
import type { JsonObject } from "../core/json.ts";
import type { Approver } from "../core/policy.ts";
import { canTransition } from "../core/transitions.ts";
import {
  type CommandStatus,
  type IngressType,
  isResting,
  type RiskLevel,
} from "../core/vocabulary.ts";
import type { TaskDefinition, TaskFunction } from "../domain/tasks.ts";
import type { Registrations } from "./catalog.ts";

/** As the specification prints it. */
export interface TaskSpec {
  readonly name: string;
  readonly description?: string;
  readonly command_type: string;
  readonly ingress_types?: readonly IngressType[];
  readonly required_inputs?: readonly string[];
  readonly execution: { readonly mode: "sync" | "async"; readonly function_name: string };
  readonly policies?: readonly string[];
  readonly approval?: {
    readonly required: boolean;
    readonly type?: string;
    readonly approver?: Approver;
  };
  readonly outputs?: {
    readonly artifacts?: readonly string[];
    readonly memory?: readonly string[];
    readonly notifications?: readonly string[];
  };
  readonly lifecycle?: readonly CommandStatus[];
  readonly risk_level?: RiskLevel;
  readonly metadata?: JsonObject;
}

/** The registrations with every spec a task, and what is wrong with those that are none. */
export function withSpecs(registered: Registrations): Registrations {
  const made = registered.specs.map((spec) => {
    const work = registered.functions.find(({ name }) => name === spec.execution.function_name);
    const at = `task "${spec.name}"`;
    if (work === undefined) {
      const problem = `${at} names the unknown function "${spec.execution.function_name}"`;
      return { tasks: [], problems: [problem] };
    }
    const problems = specProblems(spec, work, registered).map((one) => `${at}: ${one}`);
    return { tasks: problems.length > 0 ? [] : [taskOf(spec, work)], problems };
  });
  const names = registered.functions.map(({ name }) => name);
  const twice = names.filter((name, at) => names.indexOf(name) !== at);
  return {
    ...registered,
    tasks: [...registered.tasks, ...made.flatMap(({ tasks }) => tasks)],
    problems: [
      ...registered.problems,
      ...twice.map((name) => `the function "${name}" is registered twice`),
      ...made.flatMap(({ problems }) => problems),
    ],
  };
}

function taskOf(spec: TaskSpec, work: TaskFunction): TaskDefinition {
  const { name, execution, ingress_types: ingressTypes, approval, risk_level: riskLevel } = spec;
  const { required = [] } = work.inputSchema as { readonly required?: readonly string[] };
  return {
    ...work,
    name,
    description: spec.description ?? work.description,
    commandType: spec.command_type,
    functionName: work.name,
    inputSchema: {
      ...work.inputSchema,
      required: [...new Set([...required, ...(spec.required_inputs ?? [])])],
    },
    syncAllowed: execution.mode === "sync",
    asyncRequired: execution.mode === "async",
    policies: spec.policies ?? [],
    ...(ingressTypes === undefined ? {} : { ingressTypes }),
    ...(riskLevel === undefined ? {} : { riskLevel }),
    ...(spec.metadata === undefined ? {} : { metadata: spec.metadata }),
    ...(approval?.type === undefined || approval.approver === undefined
      ? {}
      : { approval: { type: approval.type, approver: approval.approver } }),
  };
}

function specProblems(
  spec: TaskSpec,
  work: TaskFunction,
  { connectors }: Registrations,
): readonly string[] {
  const { required_inputs: inputs = [], approval, outputs = {} } = spec;
  const fields = Object.keys((work.inputSchema["properties"] ?? {}) as JsonObject);
  const artifacts = work.steps.flatMap((one) =>
    one.kind === "artifact" ? [one.artifactType] : [],
  );
  const tells = work.steps.flatMap((one) => {
    const connector = connectors.find(
      ({ name }) => one.kind === "connector" && name === one.connector,
    );
    return connector?.connectorType === "notification" ? [connector.name] : [];
  });
  return [
    ...inputs
      .filter((one) => !fields.includes(one))
      .map((one) => `required_inputs names ${one}, which ${work.name} does not take`),
    ...(approval?.required === true &&
    (approval.type === undefined || approval.approver === undefined)
      ? ["approval is required, but does not say of which type and by whom"]
      : []),
    ...differences("outputs.artifacts", outputs.artifacts ?? [], artifacts, work.name),
    ...differences("outputs.memory", outputs.memory ?? [], [], work.name),
    ...differences("outputs.notifications", outputs.notifications ?? [], tells, work.name),
    ...lifecycleProblems(spec),
  ];
}

/** What is declared has to be what is done, no less and no more. */
function differences(
  at: string,
  declared: readonly string[],
  done: readonly string[],
  work: string,
): readonly string[] {
  return [
    ...declared
      .filter((one) => !done.includes(one))
      .map((one) => `${at} names ${one}, which ${work} does not make`),
    ...[...new Set(done)]
      .filter((one) => !declared.includes(one))
      .map((one) => `${at} leaves out ${one}, which ${work} makes`),
  ];
}

/** The path that is declared has to be one that a command of the task can go. */
function lifecycleProblems({ lifecycle, approval, execution }: TaskSpec): readonly string[] {
  if (lifecycle === undefined) return [];
  const first = lifecycle[0];
  const last = lifecycle.at(-1);
  const asks = approval?.required === true;
  return [
    ...(first === "created" ? [] : ["lifecycle does not begin with created"]),
    ...(last !== undefined && isResting(last) ? [] : ["lifecycle does not end at rest"]),
    ...lifecycle.slice(1).flatMap((to, at) => {
      const from = lifecycle[at] ?? to;
      return canTransition(from, to) ? [] : [`lifecycle: ${from} does not lead to ${to}`];
    }),
    ...(lifecycle.includes("waiting_for_approval") === asks
      ? []
      : ["lifecycle and approval do not agree on whether somebody is asked"]),
    ...(execution.mode === "sync" || lifecycle.includes("queued")
      ? []
      : ["lifecycle leaves out queued, which what is async goes through"]),
  ];
}
