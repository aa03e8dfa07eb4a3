/**
 * Owns what a client may send (docs/protocol.md, "Client messages"). The ten messages that are built have
 * schemas of their own; the other eleven names are known, so that they are answered `NotSupported`.
 */
import * as Schema from "effect/Schema";
import { EVENTS_PAGE_MAX, TURN_TEXT_CHARS_MAX } from "./limits.ts";
import { Count, Decision, Id } from "./values.ts";
import { Words } from "./well-formed.ts";

/** The client's own mark on a message; the direct answer or error repeats it. */
const requestId = Schema.optionalKey(Id);
const idempotencyKey = Schema.optionalKey(Id);

export const Authenticate = Schema.Struct({
  type: Schema.tag("authenticate"),
  requestId,
  token: Schema.NonEmptyString.check(Schema.isMaxLength(8_192)),
});
export const ListSessions = Schema.Struct({
  type: Schema.tag("list_sessions"),
  requestId,
  includeArchived: Schema.optionalKey(Schema.Boolean),
});
export const CreateSession = Schema.Struct({
  type: Schema.tag("create_session"),
  requestId,
  agentType: Words.check(Schema.isMinLength(1), Schema.isMaxLength(100)),
  name: Schema.optionalKey(Words.check(Schema.isMaxLength(200))),
  idempotencyKey,
});
export const JoinSession = Schema.Struct({
  type: Schema.tag("join_session"),
  requestId,
  sessionId: Id,
  /** Replay what came after this `seq`; absent means from the start. */
  afterSeq: Schema.optionalKey(Count),
});
export const LeaveSession = Schema.Struct({
  type: Schema.tag("leave_session"),
  requestId,
  sessionId: Id,
});
export const RunTurn = Schema.Struct({
  type: Schema.tag("run_turn"),
  requestId,
  sessionId: Id,
  text: Words.check(Schema.isMinLength(1), Schema.isMaxLength(TURN_TEXT_CHARS_MAX)),
  idempotencyKey,
});
export const StopTurn = Schema.Struct({
  type: Schema.tag("stop_turn"),
  requestId,
  sessionId: Id,
});
export const AnswerQuestion = Schema.Struct({
  type: Schema.tag("answer_question"),
  sessionId: Id,
  /** The approval that is answered; it is this message's request id as well. */
  requestId: Id,
  answers: Schema.Struct({
    decision: Decision,
    reason: Schema.optionalKey(Words.check(Schema.isMaxLength(2_000))),
  }),
  /** The person closed the question: counts as a rejection, whatever `answers` says. */
  dismissed: Schema.optionalKey(Schema.Boolean),
});
export const GetEvents = Schema.Struct({
  type: Schema.tag("get_events"),
  requestId,
  sessionId: Id,
  afterSeq: Schema.optionalKey(Count),
  limit: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: EVENTS_PAGE_MAX })),
  ),
});
export const Ping = Schema.Struct({
  type: Schema.tag("ping"),
  requestId,
  ts: Schema.optionalKey(Schema.Finite),
});

/** Names the protocol knows whose rooms are not built. */
const unsupported = <const T extends string>(type: T) =>
  Schema.Struct({ type: Schema.tag(type), requestId });
export const Unsupported = Schema.Union([
  unsupported("rename_session"),
  unsupported("archive_session"),
  unsupported("unarchive_session"),
  unsupported("delete_session"),
  unsupported("steer"),
  unsupported("get_history"),
  unsupported("list_files"),
  unsupported("read_file"),
  unsupported("file_history"),
  unsupported("file_at_iteration"),
  unsupported("manage_members"),
]);

export const ClientMessage = Schema.Union([
  Authenticate,
  ListSessions,
  CreateSession,
  JoinSession,
  LeaveSession,
  RunTurn,
  StopTurn,
  AnswerQuestion,
  GetEvents,
  Ping,
  ...Unsupported.members,
]);

/** Every `type` a client may send. */
export const CLIENT_MESSAGE_TYPES: readonly string[] = ClientMessage.members.map(
  (member) => member.fields.type.schema.literal,
);

export type Authenticate = typeof Authenticate.Type;
export type ListSessions = typeof ListSessions.Type;
export type CreateSession = typeof CreateSession.Type;
export type JoinSession = typeof JoinSession.Type;
export type LeaveSession = typeof LeaveSession.Type;
export type RunTurn = typeof RunTurn.Type;
export type StopTurn = typeof StopTurn.Type;
export type AnswerQuestion = typeof AnswerQuestion.Type;
export type GetEvents = typeof GetEvents.Type;
export type Ping = typeof Ping.Type;
export type Unsupported = typeof Unsupported.Type;
export type ClientMessage = typeof ClientMessage.Type;
export type ClientMessageOf<T extends ClientMessage["type"]> = Extract<
  ClientMessage,
  { readonly type: T }
>;
