/**
 * Owns what the server sends that is not in a session's log: greetings, direct answers, notices to the
 * tenant, errors. None carries a `seq`; a direct answer repeats the `requestId` it answers.
 */
import * as Schema from "effect/Schema";
import { ERROR_CODES } from "./limits.ts";
import { SESSION_EVENTS, SessionEvent } from "./session-events.ts";
import { Count, Decision, EpochMs, Id, Identity, SessionMeta } from "./values.ts";

const requestId = Schema.optionalKey(Id);
const message = <const T extends string, F extends Schema.Struct.Fields>(type: T, fields: F) =>
  Schema.Struct({ type: Schema.tag(type), requestId, ...fields });

export const Welcome = message("welcome", {
  protocolVersion: Schema.Int,
  requiresAuth: Schema.Boolean,
});
export const Connected = message("connected", {
  clientId: Id,
  heartbeatIntervalMs: Count,
  ts: EpochMs,
});
export const Authenticated = message("authenticated", { identity: Identity });
export const Heartbeat = message("heartbeat", { ts: EpochMs });
export const SessionList = message("session_list", { sessions: Schema.Array(SessionMeta) });
export const SessionCreated = message("session_created", { session: SessionMeta });
export const SessionUpdated = message("session_updated", { session: SessionMeta });
export const StateSnapshot = message("state_snapshot", {
  sessionId: Id,
  session: SessionMeta,
  /** Changes only if the log was lost or rewritten; a client then forgets what it has. */
  epoch: Id,
  /** `seq` of the newest durable event when the snapshot was taken. */
  headSeq: Count,
  activeTurnId: Schema.NullOr(Id),
  ts: EpochMs,
});
export const CaughtUp = message("caught_up", { sessionId: Id, seq: Count });
export const SessionLeft = message("session_left", { sessionId: Id });
export const TurnAccepted = message("turn_accepted", { sessionId: Id, turnId: Id });
export const StopAccepted = message("stop_accepted", { sessionId: Id, turnId: Id });
export const AnswerAccepted = message("answer_accepted", { sessionId: Id, decision: Decision });
export const Events = message("events", {
  sessionId: Id,
  events: Schema.Array(SessionEvent),
  /** `seq` of the newest durable event of the session, not of this page. */
  lastSeq: Count,
  hasMore: Schema.Boolean,
});
export const Pong = message("pong", { ts: EpochMs });
export const ServerShutdown = message("server_shutdown", { reconnectAfterMs: Count });
export const ErrorMessage = message("error", {
  code: Schema.Literals(ERROR_CODES),
  message: Schema.String,
});

export const ServerMessage = Schema.Union([
  Welcome,
  Connected,
  Authenticated,
  Heartbeat,
  SessionList,
  SessionCreated,
  SessionUpdated,
  StateSnapshot,
  CaughtUp,
  SessionLeft,
  TurnAccepted,
  StopAccepted,
  AnswerAccepted,
  Events,
  Pong,
  ServerShutdown,
  ErrorMessage,
]);
/** Every frame with a `type` that a server may send. */
export const ServerEvent = Schema.Union([...ServerMessage.members, ...SESSION_EVENTS]);

export type Welcome = typeof Welcome.Type;
export type Connected = typeof Connected.Type;
export type Authenticated = typeof Authenticated.Type;
export type StateSnapshot = typeof StateSnapshot.Type;
export type CaughtUp = typeof CaughtUp.Type;
export type Events = typeof Events.Type;
export type ErrorMessage = typeof ErrorMessage.Type;
export type ServerMessage = typeof ServerMessage.Type;
export type ServerMessageOf<T extends ServerMessage["type"]> = Extract<
  ServerMessage,
  { readonly type: T }
>;
export type ServerEvent = typeof ServerEvent.Type;
