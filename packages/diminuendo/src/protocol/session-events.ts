/**
 * Owns the durable events of a session (docs/protocol.md, "Session events"). Each is in the session's log,
 * under its `seq`, before anybody sees it. What agents and tools produced (`arguments`, `result`,
 * `reviewPacket`, `content`) is carried as its author wrote it, snake_case where the author is Concord.
 */
import * as Schema from "effect/Schema";
import { Carried, CarriedObject, Count, EpochMs, Id, SessionStatus, WaitingFor } from "./values.ts";

const envelope = {
  sessionId: Id,
  /** Absent on events that belong to no turn. */
  turnId: Schema.optionalKey(Id),
  /** Starts at 1, dense, only grows, also across restarts. */
  seq: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  ts: EpochMs,
};
const attempt = Count;
const text = Schema.String;
const name = Schema.String;
const optionalText = { text: Schema.optionalKey(Schema.String) };
const outcome = { toolCallId: Id, toolName: name, commandId: Id, status: Schema.String };

const event = <const T extends string, F extends Schema.Struct.Fields>(type: T, fields: F) =>
  Schema.Struct({ type: Schema.tag(type), ...envelope, ...fields });

export const UserMessage = event("user_message", {
  messageId: Id,
  text,
  userId: Id,
  idempotencyKey: Schema.optionalKey(Id),
});
export const SessionStateChanged = event("session_state", {
  status: SessionStatus,
  previous: SessionStatus,
  waitingFor: Schema.optionalKey(WaitingFor),
});
export const TurnStarted = event("turn_started", { commandId: Id });
export const MessageStarted = event("message_started", { messageId: Id, attempt });
export const MessageRestarted = event("message_restarted", { messageId: Id, attempt });
export const TextDelta = event("text_delta", { messageId: Id, attempt, text });
export const MessageComplete = event("message_complete", { messageId: Id, text });
export const ThinkingStart = event("thinking.start", optionalText);
export const ThinkingProgress = event("thinking.progress", optionalText);
export const ThinkingComplete = event("thinking.complete", optionalText);
export const ToolCallStart = event("tool_call_start", { toolCallId: Id, toolName: name });
export const ToolCall = event("tool_call", { toolCallId: Id, toolName: name, arguments: Carried });
export const ToolCommand = event("tool_command", {
  toolCallId: Id,
  commandId: Id,
  taskName: name,
});
export const PermissionRequested = event("permission_requested", {
  /** The approval id, to be repeated in `answer_question`. */
  requestId: Id,
  commandId: Id,
  toolCallId: Schema.optionalKey(Id),
  approvalType: Schema.String,
  /** Concord's review packet (docs/wire.md §2): `action`, `requester`, `why`, `affected`, … */
  reviewPacket: CarriedObject,
  /** Null when the approval never expires. */
  expiresAt: Schema.NullOr(EpochMs),
});
export const ApprovalResolved = event("approval_resolved", {
  requestId: Id,
  commandId: Id,
  /** `approved`, `rejected`, or how else it ended, e.g. `expired`. */
  decision: Schema.String,
  decidedBy: Schema.NullOr(Schema.String),
  reason: Schema.optionalKey(Schema.String),
});
export const CommandStatus = event("command_status", {
  commandId: Id,
  toolCallId: Schema.optionalKey(Id),
  status: Schema.String,
  taskName: name,
});
export const ToolResult = event("tool_result", { ...outcome, result: Carried });
export const ToolError = event("tool_error", {
  ...outcome,
  error: Schema.Struct({ class: Schema.String, message: Schema.String }),
});
export const UsageUpdate = event("usage_update", { inputTokens: Count, outputTokens: Count });
export const TurnComplete = event("turn_complete", {
  finalText: Schema.String,
  status: Schema.Literals(["succeeded", "cancelled"]),
  commandId: Id,
});
export const TurnError = event("turn_error", { code: Schema.String, message: Schema.String });
/** A kind of event this gateway does not know, or one that lacks what its kind promises. */
export const UnknownEvent = event("unknown_event", { eventType: Schema.String, content: Carried });

export const SESSION_EVENTS = [
  UserMessage,
  SessionStateChanged,
  TurnStarted,
  MessageStarted,
  MessageRestarted,
  TextDelta,
  MessageComplete,
  ThinkingStart,
  ThinkingProgress,
  ThinkingComplete,
  ToolCallStart,
  ToolCall,
  ToolCommand,
  PermissionRequested,
  ApprovalResolved,
  CommandStatus,
  ToolResult,
  ToolError,
  UsageUpdate,
  TurnComplete,
  TurnError,
  UnknownEvent,
] as const;
export const SessionEvent = Schema.Union(SESSION_EVENTS);

export type SessionEvent = typeof SessionEvent.Type;
export type SessionEventOf<T extends SessionEvent["type"]> = Extract<
  SessionEvent,
  { readonly type: T }
>;
