/**
 * Owns what gateways tell one another, and its text on the wire. A hint is never the truth: each can be lost, and then
 * the log, the registry or the table of owners says the same to whoever looks. Pure.
 */
import * as Option from "effect/Option";
import * as Schema from "effect/Schema";
import { ROLES } from "../protocol/index.ts";

const Events = Schema.Struct({
  kind: Schema.tag("session_events"),
  sessionId: Schema.String,
  /** Dense and ascending, as they were committed. */
  events: Schema.NonEmptyArray(Schema.Struct({ seq: Schema.Int, frame: Schema.String })),
});
/** Events were committed that are too large to be told: read the log. */
const Moved = Schema.Struct({
  kind: Schema.tag("session_moved"),
  sessionId: Schema.String,
  lastSeq: Schema.Int,
});
const Ended = Schema.Struct({ kind: Schema.tag("session_ended"), sessionId: Schema.String });
/** Something for every client of a tenant but the one that caused it. */
const Notice = Schema.Struct({
  kind: Schema.tag("tenant_notice"),
  tenantId: Schema.String,
  /** The owner's count of what it has told the tenant. */
  place: Schema.Int,
  text: Schema.String,
  /** The connection that has a direct answer instead. */
  origin: Schema.NullOr(Schema.String),
});
const RoleChanged = Schema.Struct({
  kind: Schema.tag("role_changed"),
  tenantId: Schema.String,
  place: Schema.Int,
  userId: Schema.String,
  /** Null: no member any more. */
  role: Schema.NullOr(Schema.Literals(ROLES)),
});
/** A tenant has another owner, or none: look at the table. */
const OwnersChanged = Schema.Struct({ kind: Schema.tag("owners_changed") });

const Hint = Schema.Union([Events, Moved, Ended, Notice, RoleChanged, OwnersChanged]);
export type Hint = typeof Hint.Type;

const Message = Schema.Struct({
  v: Schema.Literal(1),
  /** The gateway that says it. */
  from: Schema.String,
  hint: Schema.optionalKey(Hint),
  /** Instead of a hint: a sign of life. */
  beat: Schema.optionalKey(Schema.Int),
});
export type Message = typeof Message.Type;

/** Below the least that an engine takes (NATS: 1 MiB). */
export const HINT_CHARS_MAX = 262_144;

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Message));

/** Undefined for what another version says. */
export const decodeMessage = (text: string): Message | undefined =>
  Option.getOrUndefined(decode(text));

/** The text of a hint, or of the smaller one that says where to look. */
export function encodeHint(from: string, hint: Hint): string {
  const size = hint.kind === "session_events" ? sizeOf(hint.events) : 0;
  const fitting = size > HINT_CHARS_MAX ? moved(hint) : hint;
  return JSON.stringify({ v: 1, from, hint: fitting });
}

export const encodeBeat = (from: string, beat: number): string =>
  JSON.stringify({ v: 1, from, beat });

const sizeOf = (events: (typeof Events.Type)["events"]): number =>
  events.reduce((sum, { frame }) => sum + frame.length, 0);

function moved(hint: Hint): Hint {
  if (hint.kind !== "session_events") return hint;
  const lastSeq = hint.events.at(-1)?.seq ?? 0;
  return { kind: "session_moved", sessionId: hint.sessionId, lastSeq };
}
