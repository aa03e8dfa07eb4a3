/** Owns the values that messages and events share: identifiers, statuses, `SessionMeta`, `Identity`. */
import * as Schema from "effect/Schema";

/** An identifier as the wire carries it: opaque, never empty, bounded. */
export const Id = Schema.NonEmptyString.check(Schema.isMaxLength(200));
/** Whole and not negative: a `seq`, a count. */
export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0));
/** Milliseconds since 1970-01-01 UTC. */
export const EpochMs = Schema.Finite;
/** JSON as another system wrote it, carried on untouched. */
export const Carried = Schema.Unknown;
/** A JSON object as another system wrote it; its keys keep that system's spelling. */
export const CarriedObject = Schema.Record(Schema.String, Schema.Unknown);

export const SESSION_STATUSES = [
  "inactive",
  "activating",
  "ready",
  "running",
  "waiting",
  "deactivating",
  "error",
] as const;
export const SessionStatus = Schema.Literals(SESSION_STATUSES);
export type SessionStatus = typeof SessionStatus.Type;

/** What a `waiting` session waits for: a decision, an answer, or one of each. */
export const WaitingFor = Schema.Literals(["approval", "question", "both"]);
export type WaitingFor = typeof WaitingFor.Type;

export const SessionMeta = Schema.Struct({
  sessionId: Id,
  name: Schema.String,
  agentType: Schema.String,
  status: SessionStatus,
  createdAt: EpochMs,
  updatedAt: EpochMs,
  archived: Schema.Boolean,
  /** `seq` of the newest durable event; 0 for a session without events. */
  lastSeq: Count,
  waitingFor: Schema.NullOr(WaitingFor),
});
export type SessionMeta = typeof SessionMeta.Type;

/** A session that is no more, as the record of deletions has it. */
export const DeletedSession = Schema.Struct({
  sessionId: Id,
  deletedBy: Id,
  deletedAt: EpochMs,
  traceId: Schema.String,
  /** When what its agent said and wrote was removed, and how much that was; null while it is being asked for. */
  removed: Schema.NullOr(Schema.Struct({ at: EpochMs, turns: Count, events: Count, files: Count })),
});
export type DeletedSession = typeof DeletedSession.Type;

/** The person behind a connection, as the client may see it. */
export const Identity = Schema.Struct({
  userId: Id,
  email: Schema.String,
  tenantId: Id,
  roles: Schema.Array(Schema.String),
});
export type Identity = typeof Identity.Type;

export const Decision = Schema.Literals(["approved", "rejected"]);
export type Decision = typeof Decision.Type;

/** How a request was answered: an approval is decided, a question answered or left unanswered for good. */
export const Answered = Schema.Literals([...Decision.literals, "answered", "dismissed"]);
export type Answered = typeof Answered.Type;

/** A place in one session's log. `epoch` names the log; it changes only if the log was lost or rewritten. */
export const LogCursor = Schema.Struct({ epoch: Id, seq: Count });
export type LogCursor = typeof LogCursor.Type;

/**
 * What becomes of a turn while another is open: `enqueue` runs it next, `reject` refuses it, `interrupt` stops the
 * open one first, `steer` says it into the open one.
 */
export const WhenBusy = Schema.Literals(["enqueue", "reject", "interrupt", "steer"]);
export type WhenBusy = typeof WhenBusy.Type;

export const ROLES = ["owner", "admin", "billing_admin", "member", "viewer"] as const;
export const Role = Schema.Literals(ROLES);
export type Role = typeof Role.Type;

export const Member = Schema.Struct({
  userId: Id,
  email: Schema.String,
  role: Role,
  /** `token`: as their sign-in says; `set`: as an administrator has said here, whatever the sign-in says. */
  source: Schema.Literals(["token", "set"]),
  since: EpochMs,
});
export type Member = typeof Member.Type;

export const Invitation = Schema.Struct({
  email: Schema.String,
  role: Role,
  invitedBy: Id,
  expiresAt: EpochMs,
});
export type Invitation = typeof Invitation.Type;

/** The run of an automation that asked for a turn; nobody typed it. */
export const TurnCause = Schema.Struct({
  automationId: Id,
  runId: Id,
  dueAt: EpochMs,
  /** The only tools that its agent may use; absent: all. */
  tools: Schema.optionalKey(Schema.Array(Schema.String)),
});
export type TurnCause = typeof TurnCause.Type;

/** Something wrong in what a client sent: `path` e.g. `schedule.cron`. */
export const Problem = Schema.Struct({ path: Schema.String, problem: Schema.String });
export type Problem = typeof Problem.Type;

/** One message of the conversation, whole. */
export const HistoryMessage = Schema.Struct({
  messageId: Id,
  turnId: Schema.NullOr(Id),
  role: Schema.Literals(["user", "assistant"]),
  text: Schema.String,
  ts: EpochMs,
});
export type HistoryMessage = typeof HistoryMessage.Type;

export const FileEntry = Schema.Struct({
  path: Schema.String,
  kind: Schema.Literals(["file", "directory"]),
  size: Schema.optionalKey(Count),
});
export type FileEntry = typeof FileEntry.Type;

export const FileContent = Schema.Struct({
  path: Schema.String,
  content: Schema.String,
  encoding: Schema.Literals(["utf8", "base64"]),
  iteration: Schema.optionalKey(Count),
});
export type FileContent = typeof FileContent.Type;

export const FileIteration = Schema.Struct({
  iteration: Count,
  timestamp: EpochMs,
  size: Count,
  /** SHA-256 of the content in hex; empty for a deletion. */
  hash: Schema.String,
  /** From here on the file was no more. */
  deleted: Schema.optionalKey(Schema.Boolean),
});
export type FileIteration = typeof FileIteration.Type;
