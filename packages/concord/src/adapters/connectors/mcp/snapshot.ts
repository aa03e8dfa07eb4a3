/**
 * Owns what was reviewed of an MCP server: its tools as they were when somebody said yes, and how far the server has
 * moved from that since. A tool's words reach a model, so a changed description counts as much as a changed schema.
 */
import {
  canonicalJson,
  isJsonObject,
  type Json,
  type JsonObject,
  toJson,
} from "../../../core/json.ts";

export interface McpTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonObject;
  readonly outputSchema?: JsonObject;
  /** Hints of the server about itself (MCP, tool annotations). */
  readonly annotations: {
    readonly readOnlyHint?: boolean;
    readonly destructiveHint?: boolean;
    readonly idempotentHint?: boolean;
    readonly openWorldHint?: boolean;
  };
}

/** Plain data: keep it in a file beside the contracts, and a change of it is a change that somebody reviews. */
export interface McpSnapshot {
  readonly server: { readonly name: string; readonly version: string };
  readonly tools: readonly McpTool[];
}

export interface Drift {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

const TOOLS_MAX = 500;
const HINTS = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] as const;

/** The tools of a `tools/list` answer, by name; fields that we do not look at are left out. Throws on too many. */
export function toolsOf(listed: readonly unknown[]): readonly McpTool[] {
  if (listed.length > TOOLS_MAX) throw new Error(`the server offers more than ${TOOLS_MAX} tools`);
  return listed
    .map((one) => toolOf(toJson(one)))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

export function driftOf(reviewed: readonly McpTool[], now: readonly McpTool[]): Drift {
  const before = new Map(reviewed.map((tool) => [tool.name, tool]));
  const after = new Map(now.map((tool) => [tool.name, tool]));
  const same = (one: McpTool, other: McpTool) =>
    canonicalJson(toJson(one)) === canonicalJson(toJson(other));
  return {
    added: now.filter(({ name }) => !before.has(name)).map(({ name }) => name),
    removed: reviewed.filter(({ name }) => !after.has(name)).map(({ name }) => name),
    changed: reviewed
      .filter((tool) => {
        const other = after.get(tool.name);
        return other !== undefined && !same(tool, other);
      })
      .map(({ name }) => name),
  };
}

export function hasDrifted({ added, removed, changed }: Drift): boolean {
  return added.length + removed.length + changed.length > 0;
}

function toolOf(listed: Json): McpTool {
  const tool = objectOf(listed);
  const { name, description = "", outputSchema } = tool;
  const hints = objectOf(tool["annotations"]);
  const annotations = HINTS.flatMap((hint) =>
    typeof hints[hint] === "boolean" ? [[hint, hints[hint]] as const] : [],
  );
  return {
    name: String(name),
    description: String(description),
    inputSchema: objectOf(tool["inputSchema"]),
    ...(isJsonObject(outputSchema ?? null) ? { outputSchema: outputSchema as JsonObject } : {}),
    annotations: Object.fromEntries(annotations),
  };
}

function objectOf(value: Json | undefined): JsonObject {
  return isJsonObject(value ?? null) ? (value as JsonObject) : {};
}
