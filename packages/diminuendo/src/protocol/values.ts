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

/** What a `waiting` session waits for. */
export const WaitingFor = Schema.Literal("approval");
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
