/**
 * Owns the messages a client may send (docs/protocol.md, "Client messages"): 22 about sessions and people, and those
 * about automations. One that changes something takes an `idempotencyKey`: sent again under the same key it changes nothing more, and the first answer is repeated.
 */
import * as Schema from "effect/Schema";
import { AUTOMATION_MESSAGES } from "./automation-messages.ts";
import {
  DELETIONS_PAGE_MAX,
  EVENTS_PAGE_MAX,
  HISTORY_PAGE_MAX,
  SESSIONS_PAGE_MAX,
  TURN_TEXT_CHARS_MAX,
} from "./limits.ts";
import { CarriedObject, Count, Decision, Id, LogCursor, Role, WhenBusy } from "./values.ts";
import { Words } from "./well-formed.ts";

/** The client's own mark on a message; the direct answer or error repeats it. */
const requestId = Schema.optionalKey(Id);
const idempotencyKey = Schema.optionalKey(Id);
const turnText = Words.check(Schema.isMinLength(1), Schema.isMaxLength(TURN_TEXT_CHARS_MAX));
const path = Words.check(Schema.isMinLength(1), Schema.isMaxLength(1_024));
const pageOf = (max: number) =>
  Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: max })));

export const Authenticate = Schema.Struct({
  type: Schema.tag("authenticate"),
  requestId,
  token: Schema.NonEmptyString.check(Schema.isMaxLength(8_192)),
});
export const ListSessions = Schema.Struct({
  type: Schema.tag("list_sessions"),
  requestId,
  includeArchived: Schema.optionalKey(Schema.Boolean),
  /** `cursor` of the page before; absent means the sessions used last. */
  cursor: Schema.optionalKey(Id),
  limit: pageOf(SESSIONS_PAGE_MAX),
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
  /** Like `afterSeq`, and says of which log: if that log is no more, the newest page comes instead. */
  cursor: Schema.optionalKey(LogCursor),
  /** At most so many events are replayed, the newest; older ones are read with `get_events`. */
  limit: pageOf(EVENTS_PAGE_MAX),
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
  text: turnText,
  /** What to do if a turn is open; absent means `reject`. */
  whenBusy: Schema.optionalKey(WhenBusy),
  idempotencyKey,
});
export const StopTurn = Schema.Struct({
  type: Schema.tag("stop_turn"),
  requestId,
  sessionId: Id,
  /** The open turn or a queued one; absent means the open one, whichever it is. */
  turnId: Schema.optionalKey(Id),
  idempotencyKey,
});

export const Steer = Schema.Struct({
  type: Schema.tag("steer"),
  requestId,
  sessionId: Id,
  content: turnText,
  idempotencyKey,
});
export const AnswerQuestion = Schema.Struct({
  type: Schema.tag("answer_question"),
  sessionId: Id,
  /** The approval or question that is answered; it is this message's request id as well. */
  requestId: Id,
  answers: Schema.Union([
    Schema.Struct({
      decision: Decision,
      reason: Schema.optionalKey(Words.check(Schema.isMaxLength(2_000))),
    }),
    /** To a question: what fits its `answerSchema`. */
    Schema.Struct({ input: CarriedObject }),
  ]),
  /**
   * The person closed it, whatever `answers` says: an approval is rejected, and what a question was asked for is
   * cancelled.
   */
  dismissed: Schema.optionalKey(Schema.Boolean),
  idempotencyKey,
});
export const GetEvents = Schema.Struct({
  type: Schema.tag("get_events"),
  requestId,
  sessionId: Id,
  afterSeq: Schema.optionalKey(Count),
  /** The newest events before this `seq`, for reading backwards; `afterSeq` still bounds them below. */
  beforeSeq: Schema.optionalKey(Count),
  limit: pageOf(EVENTS_PAGE_MAX),
});

export const GetHistory = Schema.Struct({
  type: Schema.tag("get_history"),
  requestId,
  sessionId: Id,
  /** `cursor` of the page before; absent means the newest messages. */
  cursor: Schema.optionalKey(Id),
  limit: pageOf(HISTORY_PAGE_MAX),
});
export const Ping = Schema.Struct({
  type: Schema.tag("ping"),
  requestId,
  ts: Schema.optionalKey(Schema.Finite),
});

export const RenameSession = Schema.Struct({
  type: Schema.tag("rename_session"),
  requestId,
  sessionId: Id,
  name: Words.check(Schema.isMinLength(1), Schema.isMaxLength(200)),
  idempotencyKey,
});

const ofSession = <const T extends string>(type: T) =>
  Schema.Struct({ type: Schema.tag(type), requestId, sessionId: Id, idempotencyKey });

export const ArchiveSession = ofSession("archive_session");
export const UnarchiveSession = ofSession("unarchive_session");
export const DeleteSession = ofSession("delete_session");
export const ListDeletedSessions = Schema.Struct({
  type: Schema.tag("list_deleted_sessions"),
  requestId,
  /** `cursor` of the page before; absent means those deleted last. */
  cursor: Schema.optionalKey(Id),
  limit: pageOf(DELETIONS_PAGE_MAX),
});

const ofFile = <const T extends string, F extends Schema.Struct.Fields>(type: T, fields: F) =>
  Schema.Struct({ type: Schema.tag(type), requestId, sessionId: Id, ...fields });

export const ListFiles = ofFile("list_files", {
  path: Schema.optionalKey(path),
  depth: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 }))),
});
export const ReadFile = ofFile("read_file", { path });
export const FileHistory = ofFile("file_history", { path });
export const FileAtIteration = ofFile("file_at_iteration", { path, iteration: Count });

const email = Schema.String.check(Schema.isPattern(/^[^\s@]+@[^\s@]+$/), Schema.isMaxLength(254));

/** What an administrator does about the people of the tenant. */
export const MemberAction = Schema.Union([
  Schema.Struct({ action: Schema.Literal("list") }),
  Schema.Struct({ action: Schema.Literal("set_role"), userId: Id, role: Role }),
  Schema.Struct({ action: Schema.Literal("remove"), userId: Id }),
  Schema.Struct({ action: Schema.Literal("invite"), email, role: Role }),
  Schema.Struct({ action: Schema.Literal("revoke_invitation"), email }),
]);

export const ManageMembers = Schema.Struct({
  type: Schema.tag("manage_members"),
  requestId,
  /** What to do, and about whom. */
  change: MemberAction,
  idempotencyKey,
});

export const ClientMessage = Schema.Union([
  Authenticate,
  ListSessions,
  CreateSession,
  RenameSession,
  ArchiveSession,
  UnarchiveSession,
  DeleteSession,
  ListDeletedSessions,
  JoinSession,
  LeaveSession,
  RunTurn,
  StopTurn,
  Steer,
  AnswerQuestion,
  GetHistory,
  GetEvents,
  Ping,
  ListFiles,
  ReadFile,
  FileHistory,
  FileAtIteration,
  ManageMembers,
  ...AUTOMATION_MESSAGES,
]);

/** Every `type` a client may send. */
export const CLIENT_MESSAGE_TYPES: readonly string[] = ClientMessage.members.map(
  (member) => member.fields.type.schema.literal,
);

export type MemberAction = typeof MemberAction.Type;
export type ClientMessage = typeof ClientMessage.Type;
export type ClientMessageOf<T extends ClientMessage["type"]> = Extract<
  ClientMessage,
  { readonly type: T }
>;
