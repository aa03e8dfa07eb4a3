/**
 * Owns the durable events of a session (docs/protocol.md, "Session events"). Each is in the session's log,
 * under its `seq`, before anybody sees it. What agents and tools produced (`arguments`, `result`,
 * `reviewPacket`, `content`) is carried as its author wrote it, snake_case where the author is Concord.
 */
import * as Schema from "effect/Schema";
import { AGENT_EVENTS } from "./agent-events.ts";
import { event } from "./event-envelope.ts";
import {
  Carried,
  CarriedObject,
  Count,
  EpochMs,
  Id,
  SessionStatus,
  TurnCause,
  WaitingFor,
  WhenBusy,
} from "./values.ts";

const attempt = Count;
const text = Schema.String;
const name = Schema.String;
const optionalText = { text: Schema.optionalKey(Schema.String) };
const outcome = { toolCallId: Id, toolName: name, commandId: Id, status: Schema.String };

export const UserMessage = event("user_message", {
  messageId: Id,
  text,
  userId: Id,
  idempotencyKey: Schema.optionalKey(Id),
  automation: Schema.optionalKey(TurnCause),
});
export const SessionStateChanged = event("session_state", {
  status: SessionStatus,
  previous: SessionStatus,
  waitingFor: Schema.optionalKey(WaitingFor),
});
/** A turn waits for the one that is open; it begins with its `user_message`, under the same `turnId`. */
export const TurnQueued = event("turn_queued", {
  messageId: Id,
  text,
  userId: Id,
  whenBusy: WhenBusy,
  idempotencyKey: Schema.optionalKey(Id),
  automation: Schema.optionalKey(TurnCause),
});
/** A queued turn will not run. */
export const TurnDequeued = event("turn_dequeued", { reason: Schema.Literal("cancelled") });
/** Somebody says something into the open turn. */
export const SteerRequested = event("steer_requested", { steerId: Id, text, userId: Id });
/** The agent has read it. */
export const SteerApplied = event("steer_applied", { steerId: Id });
/** The turn ended before the agent read it; it is said again as the turn `nextTurnId`. */
export const SteerDeferred = event("steer_deferred", { steerId: Id, nextTurnId: Id });
/** Its turn was stopped before the agent read it. */
export const SteerDropped = event("steer_dropped", { steerId: Id });
/** What a turn cost, in millionths of a credit. */
export const TurnBilled = event("turn_billed", {
  inputTokens: Count,
  outputTokens: Count,
  microcredits: Count,
});
export const TurnStarted = event("turn_started", { commandId: Id });
export const MessageStarted = event("message_started", { messageId: Id, attempt });
export const MessageRestarted = event("message_restarted", { messageId: Id, attempt });
export const TextDelta = event("text_delta", { messageId: Id, attempt, text });
export const MessageComplete = event("message_complete", {
  messageId: Id,
  text,
  /**
   * First and last `seq` of the message's deltas, which this event replaces: the log has them no more, and a replay
   * passes over their numbers.
   */
  coversSeq: Schema.optionalKey(Schema.Tuple([Count, Count])),
});
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
/** How a run of an automation ended that delivers to this session; it may have run in another. */
export const AutomationResult = event("automation_result", {
  automationId: Id,
  runId: Id,
  name,
  status: Schema.Literals(["succeeded", "failed", "cancelled", "timed_out"]),
  /** How the agent's last words begin, or what went wrong. */
  summary: Schema.String,
  /** Where it ran. */
  ranIn: Schema.NullOr(Id),
});
/** A kind of event this gateway does not know, or one that lacks what its kind promises. */
export const UnknownEvent = event("unknown_event", { eventType: Schema.String, content: Carried });

export const SESSION_EVENTS = [
  UserMessage,
  SessionStateChanged,
  TurnQueued,
  TurnDequeued,
  SteerRequested,
  SteerApplied,
  SteerDeferred,
  SteerDropped,
  TurnBilled,
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
  AutomationResult,
  ...AGENT_EVENTS,
  UnknownEvent,
] as const;
export const SessionEvent = Schema.Union(SESSION_EVENTS);

export type SessionEvent = typeof SessionEvent.Type;
export type SessionEventOf<T extends SessionEvent["type"]> = Extract<
  SessionEvent,
  { readonly type: T }
>;
