/**
 * Owns what the server sends that is not in a session's log: greetings, direct answers, notices to the
 * tenant, errors. None carries a `seq`; a direct answer repeats the `requestId` it answers.
 */
import * as Schema from "effect/Schema";
import { AUTOMATION_ANSWERS } from "./automation-messages.ts";
import { ERROR_CODES } from "./limits.ts";
import { SESSION_EVENTS, SessionEvent } from "./session-events.ts";
import {
  Answered,
  Count,
  DeletedSession,
  EpochMs,
  FileContent,
  FileEntry,
  FileIteration,
  HistoryMessage,
  Id,
  Identity,
  Invitation,
  Member,
  Problem,
  SessionMeta,
} from "./values.ts";

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
export const Authenticated = message("authenticated", {
  identity: Identity,
  /** When this sign-in runs out: send `authenticate` with a new token before. Absent: it does not. */
  expiresAt: Schema.optionalKey(EpochMs),
});
/** The sign-in is about to run out. */
export const AuthExpiring = message("auth_expiring", { expiresAt: EpochMs });
export const Heartbeat = message("heartbeat", { ts: EpochMs });
export const SessionList = message("session_list", {
  /** Those used last come first. */
  sessions: Schema.Array(SessionMeta),
  /** Where the next page is read from; absent on the last one. */
  cursor: Schema.optionalKey(Id),
});
export const SessionCreated = message("session_created", { session: SessionMeta });
export const SessionUpdated = message("session_updated", { session: SessionMeta });
export const StateSnapshot = message("state_snapshot", {
  sessionId: Id,
  session: SessionMeta,
  /** Changes only if the log was lost or rewritten; a client then forgets what it has. */
  epoch: Id,
  /** `seq` of the newest durable event when the snapshot was taken. */
  headSeq: Count,
  /** `seq` of the oldest event the log has; 0 for an empty log. */
  firstSeq: Count,
  /**
   * What comes between this and `caught_up`: `full` the whole log, `tail` what follows the cursor, `snapshot` only
   * the newest events, because the cursor's log is no more or `limit` was reached: forget what came before.
   */
  replay: Schema.Literals(["full", "tail", "snapshot"]),
  /** Whether the log holds events before those that come now and that the client cannot have. */
  hasOlder: Schema.Boolean,
  activeTurnId: Schema.NullOr(Id),
  ts: EpochMs,
});
export const CaughtUp = message("caught_up", { sessionId: Id, seq: Count });
export const SessionLeft = message("session_left", { sessionId: Id });
export const SessionDeleted = message("session_deleted", { sessionId: Id });
export const DeletedSessions = message("deleted_sessions", {
  /** Those deleted last come first. */
  deletions: Schema.Array(DeletedSession),
  /** Where the next page is read from; absent on the last one. */
  cursor: Schema.optionalKey(Id),
});
export const TurnAccepted = message("turn_accepted", {
  sessionId: Id,
  turnId: Id,
  /** Absent: it runs. `queued`: it waits for the open turn. `steering`: it was said into the open turn. */
  state: Schema.optionalKey(Schema.Literals(["queued", "steering"])),
});
export const SteerAccepted = message("steer_accepted", { sessionId: Id, steerId: Id, turnId: Id });
export const StopAccepted = message("stop_accepted", { sessionId: Id, turnId: Id });
export const AnswerAccepted = message("answer_accepted", { sessionId: Id, decision: Answered });
export const Events = message("events", {
  sessionId: Id,
  events: Schema.Array(SessionEvent),
  /** `seq` of the newest durable event of the session, not of this page. */
  lastSeq: Count,
  hasMore: Schema.Boolean,
});
export const History = message("history", {
  sessionId: Id,
  /** Oldest first. */
  messages: Schema.Array(HistoryMessage),
  /** Where the page before this one is read from; null at the beginning of the conversation. */
  cursor: Schema.NullOr(Id),
});
export const FileList = message("file_list", {
  sessionId: Id,
  path: Schema.String,
  entries: Schema.Array(FileEntry),
});
export const FileRead = message("file_content", { sessionId: Id, file: FileContent });
export const FileVersions = message("file_history", {
  sessionId: Id,
  path: Schema.String,
  iterations: Schema.Array(FileIteration),
});
export const Members = message("members", {
  members: Schema.Array(Member),
  invitations: Schema.Array(Invitation),
});
export const Pong = message("pong", { ts: EpochMs });
export const ServerShutdown = message("server_shutdown", { reconnectAfterMs: Count });
/** This connection will be closed soon: come back after a pause between the two, each client at another moment. */
export const GoingAway = message("going_away", { reconnectAfterMs: Count, jitterMs: Count });
export const ErrorMessage = message("error", {
  code: Schema.Literals(ERROR_CODES),
  message: Schema.String,
  /** With `AUTH_RATE_LIMITED`: how long to wait. */
  retryAfterMs: Schema.optionalKey(Count),
  /** With `InvalidAutomation` and `InvalidAnswer`: everything that is wrong, and where. */
  problems: Schema.optionalKey(Schema.Array(Problem)),
});

export const ServerMessage = Schema.Union([
  Welcome,
  Connected,
  Authenticated,
  AuthExpiring,
  Heartbeat,
  SessionList,
  SessionCreated,
  SessionUpdated,
  SessionDeleted,
  DeletedSessions,
  StateSnapshot,
  CaughtUp,
  SessionLeft,
  TurnAccepted,
  SteerAccepted,
  StopAccepted,
  AnswerAccepted,
  Events,
  History,
  FileList,
  FileRead,
  FileVersions,
  Members,
  Pong,
  GoingAway,
  ServerShutdown,
  ErrorMessage,
  ...AUTOMATION_ANSWERS,
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
