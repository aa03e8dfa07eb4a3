/**
 * Owns MCP servers declared in YAML: where one runs, the file that holds what somebody reviewed of it, and what the author
 * says over what it says of itself. Each tool becomes a task, as `mcpServer` makes it.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  type McpServer,
  mcpServer,
  type ToolReview,
} from "../adapters/connectors/mcp/connector.ts";
import type { McpTransport } from "../adapters/connectors/mcp/session.ts";
import type { McpSnapshot } from "../adapters/connectors/mcp/snapshot.ts";
import type { Approver } from "../core/policy.ts";
import { compileSchema, issuesText } from "../core/validation.ts";
import type { RiskLevel } from "../core/vocabulary.ts";
import type { SecretRef } from "../domain/connectors.ts";
import type { Declared } from "./connectors.ts";
import { limitOf } from "./shipped.ts";

export interface McpServerDeclaration {
  readonly name: string;
  readonly transport:
    | {
        readonly kind: "stdio";
        readonly command: string;
        readonly args?: readonly string[];
        readonly env?: Readonly<Record<string, string>>;
        readonly secret_variable?: string;
      }
    | { readonly kind: "http"; readonly url: string };
  /** A file beside this one. */
  readonly snapshot: string;
  readonly policies: readonly string[];
  readonly approval: { readonly type: string; readonly approver: Approver };
  readonly secret_ref?: string;
  readonly timeout_seconds?: number;
  readonly rate_limits?: { readonly requests_per_minute: number };
  readonly reviews?: Readonly<
    Record<
      string,
      Omit<ToolReview, "sideEffect" | "riskLevel"> & {
        readonly side_effect?: boolean;
        readonly risk_level?: RiskLevel;
      }
    >
  >;
}

const SNAPSHOT_BYTES_MAX = 4_194_304;
const SNAPSHOT = compileSchema({
  type: "object",
  required: ["server", "tools"],
  properties: {
    server: { type: "object", required: ["name", "version"] },
    tools: {
      type: "array",
      items: { type: "object", required: ["name", "description", "inputSchema", "annotations"] },
    },
  },
});

export function mcpServerOf(declared: McpServerDeclaration, folder: string): Declared<McpServer> {
  const snapshot = snapshotIn(join(folder, declared.snapshot));
  if (typeof snapshot === "string") return { problems: [`snapshot: ${snapshot}`] };
  const { name, policies, approval, secret_ref, timeout_seconds, rate_limits } = declared;
  const definition = mcpServer({
    name,
    transport: transportOf(declared.transport),
    snapshot,
    policies,
    approval,
    reviews: Object.fromEntries(
      Object.entries(declared.reviews ?? {}).map(([tool, said]) => [tool, reviewOf(said)]),
    ),
    ...(secret_ref === undefined ? {} : { secretRef: secret_ref as SecretRef }),
    ...(timeout_seconds === undefined ? {} : { timeoutMs: timeout_seconds * 1_000 }),
    ...(rate_limits === undefined ? {} : { rateLimit: limitOf(rate_limits) }),
  });
  const unknown = Object.keys(declared.reviews ?? {}).filter(
    (tool) => !snapshot.tools.some((one) => one.name === tool),
  );
  const problems = unknown.map(
    (tool) => `reviews a tool "${tool}" that the snapshot does not hold`,
  );
  return problems.length > 0 ? { problems } : { definition, problems };
}

/** What was reviewed, or why it cannot be read. */
function snapshotIn(path: string): McpSnapshot | string {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) return "there is no such file";
  if (size > SNAPSHOT_BYTES_MAX) return `it is larger than ${SNAPSHOT_BYTES_MAX} bytes`;
  try {
    const found: unknown = JSON.parse(readFileSync(path, "utf8"));
    const issues = SNAPSHOT(found);
    return issues.length === 0 ? (found as McpSnapshot) : issuesText(issues);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function transportOf(declared: McpServerDeclaration["transport"]): McpTransport {
  if (declared.kind === "http") return declared;
  const { secret_variable: secretVariable, ...rest } = declared;
  return { ...rest, ...(secretVariable === undefined ? {} : { secretVariable }) };
}

function reviewOf({
  side_effect: sideEffect,
  risk_level: riskLevel,
  ...rest
}: NonNullable<McpServerDeclaration["reviews"]>[string]): ToolReview {
  return {
    ...rest,
    ...(sideEffect === undefined ? {} : { sideEffect }),
    ...(riskLevel === undefined ? {} : { riskLevel }),
  };
}
