/** Owns what every durable event of a session carries beside its own fields. */
import * as Schema from "effect/Schema";
import { EpochMs, Id } from "./values.ts";

const envelope = {
  sessionId: Id,
  /** Absent on events that belong to no turn. */
  turnId: Schema.optionalKey(Id),
  /** Starts at 1, dense when it is live, only grows, also across restarts. */
  seq: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  ts: EpochMs,
};

/** The schema of one type of durable event. */
export const event = <const T extends string, F extends Schema.Struct.Fields>(type: T, fields: F) =>
  Schema.Struct({ type: Schema.tag(type), ...envelope, ...fields });
