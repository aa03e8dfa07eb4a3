/** Owns one call of an MCP tool: first whether it is still the tool that was reviewed, then the call and its answer. */
import { classifyHttpStatus } from "../../../core/errors.ts";
import { isJsonObject, type Json, type JsonObject, toJson } from "../../../core/json.ts";
import type { ErrorClass } from "../../../core/vocabulary.ts";
import {
  assertIssued,
  type CallContext,
  type ConnectorResult,
} from "../../../domain/connectors.ts";
import type { McpSession } from "./session.ts";
import { type Drift, driftOf, hasDrifted, type McpSnapshot, type McpTool } from "./snapshot.ts";

export interface McpAccess {
  readonly session: McpSession;
  readonly snapshot: McpSnapshot;
  readonly onDrift: ((drift: Drift) => void) | undefined;
}

const TEXT_CHARACTERS_MAX = 200_000;
/** The signal ends a call; the client's own limit must not come first. */
const NEVER_MS = 2_147_483_647;

export async function callTool(
  access: McpAccess,
  tool: McpTool,
  input: JsonObject,
  context: CallContext,
): Promise<ConnectorResult> {
  assertIssued(context);
  const { session } = access;
  try {
    const { client, tools } = await session.open(context.secret, context.signal);
    const moved = movedAway(tellDrift(access, tools), tool.name);
    if (moved !== undefined)
      return { ok: false, errorClass: "permanent_connector_error", message: moved };
    const answer = await client.callTool(
      {
        name: tool.name,
        arguments: { ...input },
        // W3C trace context travels in the request's metadata.
        _meta: { traceparent: context.traceparent },
      },
      { signal: context.signal, timeout: NEVER_MS },
    );
    return resultOf(toJson(answer) as JsonObject);
  } catch (error) {
    const failure = failureOf(error);
    // A connection on which something went wrong is not used again.
    if (!failure.ok && failure.errorClass !== "validation_error") await session.drop();
    return failure;
  }
}

export async function checkDrift(
  access: McpAccess,
  context: CallContext,
): Promise<ConnectorResult> {
  assertIssued(context);
  try {
    // A new connection: what an old one listed may be what it remembers.
    await access.session.drop();
    const { tools } = await access.session.open(context.secret, context.signal);
    const { added, removed, changed } = tellDrift(access, tools);
    const drifted = added.length + removed.length + changed.length > 0;
    return { ok: true, output: { drifted, added, removed, changed } };
  } catch (error) {
    return failureOf(error);
  }
}

/** What was told last for each server, so that a call a second later does not tell it again. */
const told = new WeakMap<McpSnapshot, string>();

function tellDrift({ snapshot, onDrift }: McpAccess, tools: readonly McpTool[]): Drift {
  const drift = driftOf(snapshot.tools, tools);
  const text = JSON.stringify(drift);
  if (hasDrifted(drift) && told.get(snapshot) !== text) onDrift?.(drift);
  told.set(snapshot, text);
  return drift;
}

function movedAway({ removed, changed }: Drift, tool: string): string | undefined {
  const advice = "review it and take a new snapshot";
  if (removed.includes(tool)) return `the server no longer offers ${tool}; ${advice}`;
  return changed.includes(tool) ? `${tool} is no longer what was reviewed; ${advice}` : undefined;
}

function resultOf(answer: JsonObject): ConnectorResult {
  const content = Array.isArray(answer["content"]) ? (answer["content"] as readonly Json[]) : [];
  const blocks = content.filter(isJsonObject);
  const text = blocks
    .flatMap(({ type, text: part }) => (type === "text" && typeof part === "string" ? [part] : []))
    .join("\n");
  if (text.length > TEXT_CHARACTERS_MAX) {
    const message = `the tool's answer is larger than ${TEXT_CHARACTERS_MAX} characters`;
    return { ok: false, errorClass: "malformed_payload", message };
  }
  if (answer["isError"] === true) {
    return {
      ok: false,
      errorClass: "permanent_connector_error",
      message: text || "the tool failed",
    };
  }
  // Pictures and sounds are told, not kept.
  const other = blocks
    .filter(({ type }) => type !== "text")
    .map(({ type, mimeType }) => ({ type: type ?? null, mime_type: mimeType ?? null }));
  const { structuredContent } = answer;
  return {
    ok: true,
    output: {
      text,
      other,
      ...(structuredContent === undefined ? {} : { structured: structuredContent }),
    },
  };
}

const INVALID_PARAMS = -32_602;
const BROKEN: readonly unknown[] = ["CONNECTION_CLOSED", "SEND_FAILED", "NOT_CONNECTED"];

function failureOf(error: unknown): ConnectorResult {
  const message = error instanceof Error ? error.message : String(error);
  return { ok: false, errorClass: classOf(error), message };
}

function classOf(error: unknown): ErrorClass {
  const { code, status, name } = error as Readonly<Record<"code" | "status" | "name", unknown>>;
  if (typeof status === "number") return classifyHttpStatus(status);
  if (code === INVALID_PARAMS) return "validation_error";
  if (code === "REQUEST_TIMEOUT" || name === "TimeoutError") return "timeout";
  const isAway =
    BROKEN.includes(code) || (error instanceof TypeError && /fetch/i.test(error.message));
  return isAway ? "transient_connector_error" : "permanent_connector_error";
}
