/**
 * Owns text ↔ typed frame, for both ends. Decoding never throws: a bad frame is a value that says which
 * error code it deserves. Unknown keys are dropped on decode, so that additions do not break older ends.
 */
import * as Result from "effect/Result";
import * as Schema from "effect/Schema";
import { CLIENT_MESSAGE_TYPES, ClientMessage } from "./client-messages.ts";
import { ConfigFrame, ConfigRequest, RpcId } from "./config-rpc.ts";
import type { ErrorCode } from "./limits.ts";
import { ServerEvent } from "./server-messages.ts";
import { Id } from "./values.ts";

export type ClientFrame =
  | { readonly kind: "message"; readonly message: ClientMessage }
  | { readonly kind: "config"; readonly request: ConfigRequest }
  | ({ readonly kind: "bad_message"; readonly code: ErrorCode; readonly reason: string } & Marked)
  | ({ readonly kind: "bad_config"; readonly id: string | number | null } & BadConfig);

interface Marked {
  /** The client's mark, when the broken frame still had a readable one. */
  readonly requestId?: string;
}
interface BadConfig {
  readonly unknownMethod: boolean;
  readonly reason: string;
}

export type ServerFrame =
  | { readonly kind: "event"; readonly event: ServerEvent }
  | { readonly kind: "config"; readonly frame: ConfigFrame }
  /** Not understood: a newer server may say more than this end knows. */
  | { readonly kind: "unknown"; readonly reason: string };

const asClientMessage = Schema.decodeUnknownResult(ClientMessage);
const asConfigRequest = Schema.decodeUnknownResult(ConfigRequest);
const asServerEvent = Schema.decodeUnknownResult(ServerEvent);
const asConfigFrame = Schema.decodeUnknownResult(ConfigFrame);
const asRpcId = Schema.decodeUnknownResult(RpcId);
const asMark = Schema.decodeUnknownResult(Schema.Struct({ requestId: Id }));

const CONFIG_METHODS = new Set<unknown>(ConfigRequest.members.map((m) => m.fields.method.literal));

/** Reads one text frame from a client. */
export function decodeClientFrame(text: string): ClientFrame {
  const json = parseJson(text);
  if (json === NOT_JSON) {
    return { kind: "bad_message", code: "INVALID_JSON", reason: "The frame is not valid JSON." };
  }
  if (isRecord(json) && "jsonrpc" in json) return decodeConfigRequest(json);
  const message = asClientMessage(json);
  if (Result.isSuccess(message)) return { kind: "message", message: message.success };
  const requestId = requestIdOf(json);
  return {
    kind: "bad_message",
    code: "INVALID_MESSAGE",
    reason: wrongType(json) ?? explain(message.failure),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

/** Which of a client's frames an answer is about, when that much of it can be read. */
export type FrameMark =
  | { readonly kind: "message"; readonly requestId: string | undefined }
  | { readonly kind: "config"; readonly id: string | number | null };

const MARKED_CHARS_MAX = 65_536;

/** The mark of a frame that is refused unread; a long frame is not worth parsing for that. */
export function markOf(text: string | null): FrameMark {
  const json = text === null || text.length > MARKED_CHARS_MAX ? NOT_JSON : parseJson(text);
  if (isRecord(json) && "jsonrpc" in json) return { kind: "config", id: rpcIdOf(json) };
  return { kind: "message", requestId: requestIdOf(json) };
}

/** Reads one text frame from a server. */
export function decodeServerFrame(text: string): ServerFrame {
  const json = parseJson(text);
  if (json === NOT_JSON) return { kind: "unknown", reason: "not JSON" };
  if (isRecord(json) && "jsonrpc" in json) {
    const frame = asConfigFrame(json);
    if (Result.isSuccess(frame)) return { kind: "config", frame: frame.success };
    return { kind: "unknown", reason: explain(frame.failure) };
  }
  const event = asServerEvent(json);
  if (Result.isSuccess(event)) return { kind: "event", event: event.success };
  return { kind: "unknown", reason: explain(event.failure) };
}

/** The text of a client's frame. */
export const encodeClientFrame = (frame: ClientMessage | ConfigRequest): string =>
  JSON.stringify(frame);

/** The text of a server's frame. */
export const encodeServerFrame = (frame: ServerEvent | ConfigFrame): string =>
  JSON.stringify(frame);

function decodeConfigRequest(json: Readonly<Record<string, unknown>>): ClientFrame {
  const request = asConfigRequest(json);
  if (Result.isSuccess(request)) return { kind: "config", request: request.success };
  return {
    kind: "bad_config",
    id: rpcIdOf(json),
    unknownMethod: !CONFIG_METHODS.has(json["method"]),
    reason: explain(request.failure),
  };
}

function requestIdOf(json: unknown): string | undefined {
  const mark = asMark(json);
  return Result.isSuccess(mark) ? mark.success.requestId : undefined;
}

function rpcIdOf(json: unknown): string | number | null {
  const id = asRpcId(json);
  return Result.isSuccess(id) ? id.success.id : null;
}

const NOT_JSON = Symbol("not JSON");

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return NOT_JSON;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrongType(json: unknown): string | undefined {
  if (!isRecord(json)) return "A frame is one JSON object.";
  if (CLIENT_MESSAGE_TYPES.includes(String(json["type"]))) return undefined;
  return `Unknown "type"; known: ${CLIENT_MESSAGE_TYPES.join(", ")}.`;
}

const REASON_CHARS_MAX = 300;

function explain(error: { readonly message: string }): string {
  return error.message.replace(/\s+/g, " ").slice(0, REASON_CHARS_MAX);
}
