/** Owns the frames of Podium's native socket (docs/wire.md §4) as the gateway reads and writes them. */
import * as Result from "effect/Result";
import * as Schema from "effect/Schema";
import type { PodiumEvent } from "../domain/podium-event.ts";

const Update = Schema.Struct({
  type: Schema.tag("update"),
  event_id: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  event_type: Schema.String,
  turn_id: Schema.optionalKey(Schema.NullOr(Schema.String)),
  content: Schema.optionalKey(Schema.Unknown),
});
const Failure = Schema.Struct({
  type: Schema.tag("error"),
  turn_id: Schema.optionalKey(Schema.String),
  error: Schema.Struct({ code: Schema.String, message: Schema.String }),
});
const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Union([Update, Failure])));

export type PodiumFrame =
  | { readonly kind: "event"; readonly event: PodiumEvent }
  /** Podium refused one of our frames. */
  | {
      readonly kind: "refused";
      /** The turn the refused frame was about, if Podium could tell. */
      readonly turnId: string | null;
      readonly code: string;
      readonly message: string;
    };

/** Undefined for text that is no frame of this socket. */
export function decodePodiumFrame(text: string): PodiumFrame | undefined {
  const frame = decode(text);
  if (Result.isFailure(frame)) return undefined;
  if (frame.success.type === "error") {
    return { kind: "refused", turnId: frame.success.turn_id ?? null, ...frame.success.error };
  }
  const { event_id: eventId, event_type: eventType, turn_id: turnId, content } = frame.success;
  return { kind: "event", event: { eventId, eventType, turnId: turnId ?? null, content } };
}

export interface ProcessMessage {
  readonly type: "process_message";
  readonly content: {
    readonly text: string;
    readonly turn_id: string;
    readonly session_id: string;
    /** Signed actor token, audience `podium`. */
    readonly actor: string;
    readonly traceparent: string;
    /** Absent for a turn that a person asked for. */
    readonly cause?: {
      readonly automation_id: string;
      readonly run_id: string;
      readonly due_at: string;
      readonly tools?: readonly string[];
    };
  };
}
export interface StopTurn {
  readonly type: "stop_turn";
  readonly turn_id: string;
  readonly actor: string;
}
/** Words for a turn under way; Podium knows them by `steer_id` and answers with the event `steered`. */
export interface Steer {
  readonly type: "steer";
  readonly turn_id: string;
  readonly steer_id: string;
  readonly text: string;
  readonly actor: string;
}
export type ToPodium = ProcessMessage | StopTurn | Steer;
