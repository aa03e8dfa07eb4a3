/**
 * Owns text from a socket → a frame the SDK can trust in shape: the parts it branches on are checked, the rest
 * is carried. A frame that makes no sense becomes a value, never an exception.
 */
import type { ConfigFrame, ServerMessage, SessionEvent } from "./protocol.ts";

export type Frame =
  | { readonly kind: "event"; readonly event: SessionEvent }
  | { readonly kind: "message"; readonly message: ServerMessage }
  | { readonly kind: "config"; readonly frame: ConfigFrame }
  | { readonly kind: "malformed"; readonly reason: string };

type Json = Readonly<Record<string, unknown>>;

/** Fields that each message must have before the SDK acts on it. */
const REQUIRED: Readonly<Record<string, (json: Json) => boolean>> = {
  welcome: (json) => typeof json["requiresAuth"] === "boolean",
  authenticated: (json) => isObject(json["identity"]),
  session_list: (json) => Array.isArray(json["sessions"]),
  session_created: (json) => isObject(json["session"]),
  session_updated: (json) => isObject(json["session"]),
  state_snapshot: (json) =>
    isText(json["sessionId"]) && isText(json["epoch"]) && isSeq(json["headSeq"]),
  caught_up: (json) => isText(json["sessionId"]) && isSeq(json["seq"]),
  events: (json) => Array.isArray(json["events"]) && json["events"].every(isSessionEvent),
  deleted_sessions: (json) => Array.isArray(json["deletions"]),
  session_deleted: (json) => isText(json["sessionId"]),
  automation: (json) => isObject(json["automation"]),
  automation_list: (json) => Array.isArray(json["automations"]),
  automation_deleted: (json) => isText(json["automationId"]),
  automation_run: (json) => isObject(json["run"]),
  automation_runs: (json) => Array.isArray(json["runs"]),
  automation_log: (json) => Array.isArray(json["entries"]),
  automation_preview: (json) => Array.isArray(json["dueAt"]),
  inbox: (json) => Array.isArray(json["items"]),
  inbox_item: (json) => isObject(json["item"]),
  inbox_changed: (json) => isText(json["userId"]) && isText(json["itemId"]),
  auth_expiring: (json) => isSeq(json["expiresAt"]),
  going_away: (json) => isSeq(json["reconnectAfterMs"]) && isSeq(json["jitterMs"]),
  server_shutdown: (json) => isSeq(json["reconnectAfterMs"]),
  error: (json) => isText(json["code"]) && typeof json["message"] === "string",
};

/** Reads one text frame of the gateway. */
export function decodeFrame(data: unknown): Frame {
  const json = parse(data);
  if (!isObject(json)) return { kind: "malformed", reason: "a frame is not a JSON object" };
  if (json["jsonrpc"] === "2.0") return { kind: "config", frame: json as unknown as ConfigFrame };
  const type = json["type"];
  if (!isText(type)) return { kind: "malformed", reason: "a frame has no type" };
  if ("seq" in json && type !== "caught_up") {
    if (!isSessionEvent(json)) return { kind: "malformed", reason: `${type} has a bad envelope` };
    return { kind: "event", event: json };
  }
  if (REQUIRED[type]?.(json) === false) {
    return { kind: "malformed", reason: `${type} lacks what it promises` };
  }
  return { kind: "message", message: json as unknown as ServerMessage };
}

function parse(data: unknown): unknown {
  if (typeof data !== "string") return undefined;
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

function isSessionEvent(value: unknown): value is SessionEvent {
  return (
    isObject(value) && isText(value["type"]) && isText(value["sessionId"]) && isSeq(value["seq"])
  );
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isSeq(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
