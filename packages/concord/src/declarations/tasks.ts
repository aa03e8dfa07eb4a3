/**
 * Owns tasks and tools declared in YAML (CON-16, spec §26): a tool is a task of one connector call that an agent may
 * propose, a task has steps whose inputs are filled from the payload and from steps before. They become contracts like
 * any other: policies, approval, effects and audit apply, and what is wrong is a problem of the catalog.
 */
import { canonicalJson, type Json, type JsonObject } from "../core/json.ts";
import type { Approver } from "../core/policy.ts";
import type { IngressType, RiskLevel } from "../core/vocabulary.ts";
import type { PersonQuestion, StepDefinition, StepView, TaskDefinition } from "../domain/tasks.ts";
import type { Declared } from "./connectors.ts";
import { fillObject, fillText, placeholdersIn } from "./placeholders.ts";

interface Common {
  readonly name: string;
  readonly description?: string;
  readonly risk_level?: RiskLevel;
  readonly execution_mode?: "sync" | "async";
  readonly policies?: readonly string[];
  readonly approval?: { readonly type: string; readonly approver: Approver };
  readonly ingress_types?: readonly IngressType[];
  readonly idempotency_key?: string;
  readonly input_schema: JsonObject;
  readonly asks?: readonly AskDeclaration[];
}

/** What only a person can say (wire §2). `when`: only if these fields of the payload have these values. */
interface AskDeclaration {
  readonly fields: readonly string[];
  readonly text: string;
  readonly when?: JsonObject;
}

export interface ToolDeclaration extends Common {
  readonly connector: string;
  readonly capability: string;
  readonly effect_type?: string;
  readonly requires_approval?: boolean;
}

interface ConnectorStepDeclaration {
  readonly id: string;
  readonly connector: string;
  readonly capability: string;
  readonly effect_type?: string;
  readonly depends_on?: readonly string[];
  readonly input?: JsonObject;
}

interface ArtifactStepDeclaration {
  readonly id: string;
  readonly depends_on?: readonly string[];
  readonly artifact: {
    readonly type: string;
    readonly title: string;
    readonly content: JsonObject;
  };
}

interface PublishStepDeclaration {
  readonly id: string;
  readonly depends_on?: readonly string[];
  /** The id of the artifact. */
  readonly publish: string;
}

interface TakeBackStepDeclaration {
  readonly id: string;
  readonly depends_on?: readonly string[];
  /** The id of the command. */
  readonly take_back: string;
}

type StepDeclaration =
  | ConnectorStepDeclaration
  | ArtifactStepDeclaration
  | PublishStepDeclaration
  | TakeBackStepDeclaration;

export interface TaskDeclaration extends Common {
  readonly command_type?: string;
  readonly tool?: {
    readonly name: string;
    readonly description?: string;
    readonly waits_for_person?: boolean;
  };
  readonly steps: readonly StepDeclaration[];
  readonly result?: JsonObject;
}

const CALL = "call";

/** TOL-3: the tool's call goes to the capability of its connector. */
export function toolTaskOf(declared: ToolDeclaration): Declared<TaskDefinition> {
  const { name, connector, capability, effect_type, requires_approval, approval } = declared;
  if (requires_approval === true && approval === undefined) {
    return {
      problems: ["it requires approval, but approval does not say of which type and by whom"],
    };
  }
  const step: ConnectorStepDeclaration = {
    id: CALL,
    connector,
    capability,
    ...(effect_type === undefined ? {} : { effect_type }),
  };
  const problems = askProblems(declared);
  if (problems.length > 0) return { problems };
  const definition: TaskDefinition = {
    ...commonOf(declared),
    steps: [stepOf(step)],
    result: ({ results }) => (results[CALL] ?? {}) as JsonObject,
    tool: { name },
  };
  return { definition, problems: [] };
}

export function taskOf(declared: TaskDeclaration): Declared<TaskDefinition> {
  const problems = [
    ...declared.steps.flatMap((step) => stepProblems(declared, step)),
    ...resultProblems(declared),
    ...askProblems(declared),
  ];
  const { command_type: commandType, tool, result } = declared;
  const definition: TaskDefinition = {
    ...commonOf(declared),
    ...(commandType === undefined ? {} : { commandType }),
    ...(tool === undefined ? {} : { tool: toolOf(tool) }),
    steps: declared.steps.map(stepOf),
    result: (view) => (result === undefined ? view.results : fillObject(result, valuesOf(view))),
  };
  return problems.length > 0 ? { problems } : { definition, problems };
}

function commonOf(declared: Common): Omit<TaskDefinition, "steps" | "result"> {
  const { name, description = name, risk_level: riskLevel, approval, policies = [] } = declared;
  const { ingress_types: ingressTypes, idempotency_key: key, input_schema } = declared;
  return {
    name,
    description,
    inputSchema: input_schema,
    policies,
    syncAllowed: declared.execution_mode === "sync",
    ...(riskLevel === undefined ? {} : { riskLevel }),
    ...(approval === undefined ? {} : { approval }),
    ...(ingressTypes === undefined ? {} : { ingressTypes }),
    ...(key === undefined ? {} : { idempotency: { key } }),
    ...(declared.asks === undefined ? {} : { asks: declared.asks.map(askOf) }),
  };
}

function askOf({ fields, text, when = {} }: AskDeclaration): PersonQuestion {
  const conditions = Object.entries(when);
  return {
    fields,
    text: (view) => String(fillText(text, valuesOf({ ...view, results: {} }))),
    when: ({ payload }) =>
      conditions.every(
        ([field, value]) => canonicalJson(payload[field] ?? null) === canonicalJson(value),
      ),
  };
}

function toolOf({
  waits_for_person: waitsForPerson,
  ...tool
}: NonNullable<TaskDeclaration["tool"]>) {
  return waitsForPerson === undefined ? tool : { ...tool, waitsForPerson };
}

function stepOf(declared: StepDeclaration): StepDefinition {
  const { id, depends_on: dependsOn = [] } = declared;
  if ("artifact" in declared) {
    const { type, title, content } = declared.artifact;
    return {
      kind: "artifact",
      id,
      dependsOn,
      artifactType: type,
      title: (view) => String(fillText(title, valuesOf(view))),
      content: (view) => fillObject(content, valuesOf(view)),
    };
  }
  if ("publish" in declared) {
    const artifact = (view: StepView) => String(fillText(declared.publish, valuesOf(view)));
    return { kind: "publish", id, dependsOn, artifact };
  }
  if ("take_back" in declared) {
    const command = (view: StepView) => String(fillText(declared.take_back, valuesOf(view)));
    return { kind: "take_back", id, dependsOn, command };
  }
  const { connector, capability, effect_type: effectType, input } = declared;
  return {
    kind: "connector",
    id,
    dependsOn,
    connector,
    operation: capability,
    ...(effectType === undefined ? {} : { effectType }),
    input: (view) => (input === undefined ? view.payload : fillObject(input, valuesOf(view))),
  };
}

/** What placeholders may name. */
function valuesOf({ payload, results, requester }: StepView): JsonObject {
  return { payload, results, requester: { user: requester.user, tenant: requester.tenant } };
}

function stepProblems(task: TaskDeclaration, step: StepDeclaration): readonly string[] {
  return unknownIn(templatesOf(step), task, reachedBy(task, step)).map(
    (one) => `step "${step.id}": ${one}`,
  );
}

function templatesOf(step: StepDeclaration): readonly Json[] {
  if ("artifact" in step) return [step.artifact.title, step.artifact.content];
  if ("take_back" in step) return [step.take_back];
  return "publish" in step ? [step.publish] : [step.input ?? {}];
}

function askProblems(declared: Common): readonly string[] {
  const fields = Object.keys((declared.input_schema["properties"] ?? {}) as JsonObject);
  return (declared.asks ?? []).flatMap(({ text, when = {} }) => [
    ...unknownIn([text], declared, []).map((one) => `asks: ${one}`),
    ...Object.keys(when)
      .filter((name) => !fields.includes(name))
      .map((name) => `asks: when names ${name}, which is no field of input_schema`),
  ]);
}

function resultProblems(task: TaskDeclaration): readonly string[] {
  const all = task.steps.map(({ id }) => id);
  return unknownIn([task.result ?? {}], task, all).map((one) => `result: ${one}`);
}

/** Steps that are over when `step` begins. */
function reachedBy(task: TaskDeclaration, step: StepDeclaration): readonly string[] {
  const reached = new Set<string>();
  const visit = (one: StepDeclaration) => {
    for (const id of one.depends_on ?? []) {
      const before = task.steps.find((other) => other.id === id);
      if (before === undefined || reached.has(id)) continue;
      reached.add(id);
      visit(before);
    }
  };
  visit(step);
  return [...reached];
}

function unknownIn(
  templates: readonly Json[],
  { input_schema: schema }: Pick<Common, "input_schema">,
  steps: readonly string[],
): readonly string[] {
  const fields = Object.keys((schema["properties"] ?? {}) as JsonObject);
  const required = schema["required"];
  const sure = Array.isArray(required) ? (required as readonly Json[]) : [];
  return placeholdersIn([...templates]).flatMap((used) => {
    const [root, name = ""] = used.split(".");
    if (root === "requester" && (name === "user" || name === "tenant")) return [];
    if (root === "results" && steps.includes(name)) return [];
    if (root === "results") return [`{${used}} is not of a step that it depends on`];
    if (root === "payload" && name !== "" && !fields.includes(name)) {
      return [`{${used}} is no field of input_schema`];
    }
    if (root === "payload" && (name === "" || sure.includes(name))) return [];
    if (root === "payload")
      return [`{${used}} need not be there: input_schema does not require it`];
    return [`{${used}} is none of payload, results, requester`];
  });
}
