/**
 * Owns making the tools of any MCP server governed capabilities: each becomes an operation and a task, with policy,
 * approval, effects and record like any other. Nothing is taken on trust: a tool that does not say it only reads is a
 * side effect that a person approves, and a tool that is no longer what was reviewed is not called.
 */
import type { JsonObject } from "../../../core/json.ts";
import type { Approver } from "../../../core/policy.ts";
import { NO_RETRY, type RetryDeclaration } from "../../../core/retry.ts";
import { compileSchema } from "../../../core/validation.ts";
import type { RiskLevel } from "../../../core/vocabulary.ts";
import type {
  ConnectorDefinition,
  OperationDefinition,
  RequestLimit,
  SecretRef,
} from "../../../domain/connectors.ts";
import type { TaskDefinition } from "../../../domain/tasks.ts";
import { callTool, checkDrift } from "./call.ts";
import { type McpTransport, mcpSession } from "./session.ts";
import type { Drift, McpSnapshot, McpTool } from "./snapshot.ts";

/** What the contract's author says about a tool, over what the server says about itself. */
export interface ToolReview {
  /** Default true. */
  readonly offered?: boolean;
  readonly sideEffect?: boolean;
  /** False: nobody has to be asked. */
  readonly approval?: boolean;
  /** Asking twice does no harm, so a call that may have happened is repeated. */
  readonly idempotent?: boolean;
  readonly riskLevel?: RiskLevel;
}

export interface McpServerOptions {
  /** Names the connector; tasks are called `name.tool`, tools `name_tool`. */
  readonly name: string;
  readonly transport: McpTransport;
  /** What was reviewed: see `takeMcpSnapshot`. */
  readonly snapshot: McpSnapshot;
  /** Names of registered policies that judge every call. */
  readonly policies: readonly string[];
  /** Who is asked about a tool that may change something. */
  readonly approval: { readonly type: string; readonly approver: Approver };
  readonly secretRef?: SecretRef;
  readonly reviews?: Readonly<Record<string, ToolReview>>;
  /** Told when a server offers something else than was reviewed, once for each change. */
  readonly onDrift?: (drift: Drift) => void;
  /** Default 60 s. */
  readonly timeoutMs?: number;
  readonly rateLimit?: RequestLimit;
}

export interface McpServer {
  readonly connector: ConnectorDefinition;
  readonly tasks: readonly TaskDefinition[];
  /** Tools that are not offered, and why. */
  readonly refused: readonly { readonly tool: string; readonly reason: string }[];
  /** Ends the connection, and with stdio the server's process. */
  close(): Promise<void>;
}

const TIMEOUT_MS = 60_000;
const RETRY: RetryDeclaration = { attemptsMax: 3, waitsSeconds: [1, 5] };
const TOOL_NAME = /^[A-Za-z0-9_.-]{1,64}$/;

/** Register `connector` and every one of `tasks`. Throws when no policy is named. */
export function mcpServer(options: McpServerOptions): McpServer {
  const { name, transport, snapshot, secretRef, rateLimit, reviews = {} } = options;
  if (options.policies.length === 0)
    throw new Error(`${name}: name the policies that judge its calls`);
  const session = mcpSession(transport);
  const judged = snapshot.tools.map((tool) => ({
    tool,
    reason: refusal(tool, reviews[tool.name]),
    means: meaningOf(tool, reviews[tool.name]),
  }));
  const offered = judged.filter(({ reason }) => reason === undefined);
  const told = { session, snapshot, onDrift: options.onDrift };
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const operations = offered.map(({ tool, means }) => {
    const call: OperationDefinition["call"] = (input, context) =>
      callTool(told, tool, input, context);
    return [tool.name, operationOf(tool, means, timeoutMs, call)] as const;
  });
  return {
    connector: {
      name,
      connectorType: "mcp",
      riskLevel: offered.some(({ means }) => means.sideEffect) ? "high" : "low",
      auth: secretRef === undefined ? { mode: "none" } : { mode: "secret", secretRef },
      ...(rateLimit === undefined ? {} : { rateLimit }),
      operations: {
        ...Object.fromEntries(operations),
        [DRIFT]: {
          description: "What the server offers now against what was reviewed.",
          sideEffect: false,
          timeoutMs,
          retry: RETRY,
          call: (_input, context) => checkDrift(told, context),
        },
      },
    },
    tasks: [...offered.map(({ tool, means }) => taskOf(options, tool, means)), driftTask(options)],
    refused: judged.flatMap(({ tool, reason }) =>
      reason === undefined ? [] : [{ tool: tool.name, reason }],
    ),
    close: session.drop,
  };
}

/** No tool can have this name. */
const DRIFT = "(drift)";

interface Meaning {
  readonly sideEffect: boolean;
  readonly approval: boolean;
  readonly idempotent: boolean;
  readonly riskLevel: RiskLevel;
}

/** MCP's own defaults for what a tool does not say: it writes, it may destroy, it is not idempotent. */
function meaningOf({ annotations }: McpTool, review: ToolReview = {}): Meaning {
  const { readOnlyHint = false, destructiveHint = true, idempotentHint = false } = annotations;
  const sideEffect = review.sideEffect ?? !readOnlyHint;
  const riskLevel = !sideEffect ? "low" : destructiveHint ? "high" : "medium";
  return {
    sideEffect,
    approval: review.approval ?? sideEffect,
    idempotent: review.idempotent ?? idempotentHint,
    riskLevel: review.riskLevel ?? riskLevel,
  };
}

function refusal(tool: McpTool, review: ToolReview = {}): string | undefined {
  if (review.offered === false) return "it was reviewed and is not wanted";
  if (!TOOL_NAME.test(tool.name)) return "its name is not one";
  if (tool.inputSchema["type"] !== "object") return "its input is not an object";
  for (const schema of [tool.inputSchema, tool.outputSchema]) {
    try {
      if (schema !== undefined) compileSchema(plainSchema(schema));
    } catch (error) {
      return `a schema of it cannot be compiled: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return undefined;
}

function operationOf(
  tool: McpTool,
  { sideEffect, idempotent }: Meaning,
  timeoutMs: number,
  call: OperationDefinition["call"],
): OperationDefinition {
  const common = {
    description: describe(tool),
    inputSchema: plainSchema(tool.inputSchema),
    timeoutMs,
    call,
  };
  if (!sideEffect) return { ...common, sideEffect, retry: RETRY };
  return {
    ...common,
    sideEffect,
    // MCP has no key for a call: each command is one call.
    keyTemplate: "mcp:{this_command}",
    compensation: { notNeeded: "MCP has no word for undoing; approve it knowing that" },
    retry: idempotent ? RETRY : NO_RETRY,
    ...(idempotent ? {} : { lookup: unknownOutcome }),
  };
}

/** MCP cannot be asked whether a call happened, so one that may have is not repeated (G4). */
const unknownOutcome: NonNullable<OperationDefinition["lookup"]> = async () => ({
  ok: false,
  errorClass: "permanent_connector_error",
  message: "the call was cut off and may have happened; look before you ask again",
});

function taskOf(options: McpServerOptions, tool: McpTool, means: Meaning): TaskDefinition {
  const { name, policies, approval } = options;
  const full = `${name}.${tool.name}`;
  return {
    name: full,
    description: describe(tool),
    inputSchema: plainSchema(tool.inputSchema),
    riskLevel: means.riskLevel,
    syncAllowed: !means.sideEffect,
    policies,
    dataTouched: [`mcp:${name}`],
    ...(means.approval ? { approval } : {}),
    steps: [
      {
        kind: "connector",
        id: "call",
        connector: name,
        operation: tool.name,
        input: ({ payload }) => payload,
        ...(means.sideEffect ? { effectType: full } : {}),
      },
    ],
    result: ({ results }) => results["call"] as JsonObject,
    tool: { name: `${name}_${tool.name}`.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, 64) },
  };
}

/** Run it on a schedule: a server that changes is noticed before somebody calls the changed tool. */
function driftTask({ name, policies }: McpServerOptions): TaskDefinition {
  return {
    name: `${name}.check_drift`,
    description: `Whether ${name} still offers what was reviewed.`,
    inputSchema: { type: "object", additionalProperties: false, properties: {} },
    syncAllowed: true,
    policies,
    steps: [
      { kind: "connector", id: "drift", connector: name, operation: DRIFT, input: () => ({}) },
    ],
    result: ({ results }) => results["drift"] as JsonObject,
  };
}

const DESCRIPTION_CHARACTERS_MAX = 1_000;

function describe({ name, description }: McpTool): string {
  return description === "" ? name : description.slice(0, DESCRIPTION_CHARACTERS_MAX);
}

/** A schema may name its own dialect and id; ours are compiled as one dialect, and ids would clash. */
function plainSchema(schema: JsonObject): JsonObject {
  const { $schema: _dialect, $id: _id, ...rest } = schema;
  return rest;
}
