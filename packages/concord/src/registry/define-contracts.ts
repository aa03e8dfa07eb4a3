/** Owns the shape of a contracts module and loading several into one checked catalog. */
import { isJsonObject } from "../core/json.ts";
import { anyonePolicy } from "../core/policies.ts";
import { compileSchema } from "../core/validation.ts";
import type { Task, TaskCatalog, TaskDefinition } from "../domain/tasks.ts";
import { buildCatalog, type Catalog, recorder } from "./catalog.ts";
import { CatalogError, catalogProblems } from "./check-catalog.ts";
import {
  type RuntimeOffer,
  runtimeProblems,
  scheduleProblems,
  webhookProblems,
} from "./check-runtime.ts";
import { tierProblems } from "./records-left.ts";
import { withSpecs } from "./task-specs.ts";

export interface Contracts {
  readonly kind: "concord.contracts";
  readonly register: (catalog: Catalog) => void;
}

/** The default export of a contracts module. */
export function defineContracts(register: (catalog: Catalog) => void): Contracts {
  return { kind: "concord.contracts", register };
}

export function isContracts(value: unknown): value is Contracts {
  return (
    typeof value === "object" &&
    value !== null &&
    (value as { readonly kind?: unknown }).kind === "concord.contracts"
  );
}

const TURN_POLICY = "concord.anyone_may_talk";

/** The agent wants to know something in the middle of its work: the answer is the result of the call. */
const ASK_PERSON: TaskDefinition = {
  name: "agent.ask_person",
  description:
    "Ask the person you work for one thing that only they can decide or know, and wait for the answer.",
  inputSchema: {
    type: "object",
    required: ["question"],
    additionalProperties: false,
    properties: {
      question: { type: "string", minLength: 1, maxLength: 2_000 },
      answer: { type: "string", title: "Answer", minLength: 1, maxLength: 4_000 },
    },
  },
  ingressTypes: ["agent_action"],
  policies: [TURN_POLICY],
  asks: [{ fields: ["answer"], text: ({ payload }) => String(payload["question"]) }],
  steps: [],
  result: ({ payload }) => ({ answer: payload["answer"] ?? null }),
  tool: { name: "ask_person" },
};

export interface CatalogOptions {
  /** What the runtime offers; absent: not checked. */
  readonly runtime?: RuntimeOffer;
  /** CMP-4: how many compensations may follow from one effect. Default 2. */
  readonly compensationDepthMax?: number;
}

/**
 * Registers and checks everything, also against what the runtime offers when it is given. Throws `CatalogError`
 * with all problems at once.
 */
export function loadCatalog(
  contracts: readonly Contracts[],
  { runtime, compensationDepthMax }: CatalogOptions = {},
): TaskCatalog {
  const { catalog, registrations: recorded } = recorder();
  for (const one of contracts) one.register(catalog);
  catalog.policy(anyonePolicy(TURN_POLICY, "talking is free; each call is judged by itself"));
  catalog.task(ASK_PERSON);
  const registrations = withSpecs(recorded);
  const builtIn = [agentTurnTask()];
  const builtInNames = builtIn.map((task) => task.name);
  const problems = [
    ...registrations.problems,
    ...catalogProblems(registrations, builtInNames, compensationDepthMax),
    ...tierProblems(registrations),
    ...scheduleProblems(registrations, builtInNames),
    ...webhookProblems(registrations),
    ...(runtime === undefined ? [] : runtimeProblems(registrations, runtime)),
  ];
  if (problems.length > 0) throw new CatalogError(problems);
  return buildCatalog(registrations, builtIn);
}

/** Wire §3. The conversation before the turn travels in the payload, at most 40 messages. */
function agentTurnTask(): Task {
  const text = { type: "string", minLength: 1, maxLength: 200 };
  const message = {
    type: "object",
    required: ["role", "content"],
    additionalProperties: false,
    properties: {
      role: { enum: ["user", "assistant"] },
      content: { type: "string", maxLength: 100_000 },
    },
  };
  const inputSchema = {
    type: "object",
    required: ["agent_type", "instance_id", "session_id", "turn_id", "text", "history"],
    additionalProperties: false,
    properties: {
      agent_type: text,
      instance_id: text,
      session_id: text,
      turn_id: text,
      text: { type: "string", minLength: 1, maxLength: 32_000 },
      history: { type: "array", maxItems: 40, items: message },
    },
  };
  if (!isJsonObject(inputSchema)) throw new Error("unreachable: a literal object");
  return {
    name: "agent.turn",
    commandType: "agent.turn",
    description: "One turn of a conversation with an agent.",
    inputSchema,
    riskLevel: "low",
    cancellationMode: "graceful",
    policies: [TURN_POLICY],
    steps: [],
    validate: compileSchema(inputSchema),
    review: () => ({ action: "", why: "", affected: [], afterApproval: "" }),
    result: () => ({}),
    runsAs: "agent_turn",
  };
}
