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
const decode = Schema.decodeUnknownResult(Schema.Union([Update, Failure]));

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
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (isUpdate(json)) return { kind: "event", event: eventOf(json) };
  const frame = decode(json);
  if (Result.isFailure(frame)) return undefined;
  if (frame.success.type === "update") return { kind: "event", event: eventOf(frame.success) };
  return { kind: "refused", turnId: frame.success.turn_id ?? null, ...frame.success.error };
}

const eventOf = ({
  event_id: eventId,
  event_type: eventType,
  turn_id: turnId,
  content,
}: typeof Update.Type): PodiumEvent => ({ eventId, eventType, turnId: turnId ?? null, content });

/** What the schema would say, by plain checks: nearly every frame is one, and there are many. */
function isUpdate(json: unknown): json is typeof Update.Type {
  if (typeof json !== "object" || json === null) return false;
  const { type, event_id, event_type, turn_id } = json as Readonly<Record<string, unknown>>;
  const hasTurn = turn_id === undefined || turn_id === null || typeof turn_id === "string";
  const hasId = Number.isSafeInteger(event_id) && (event_id as number) >= 1;
  return type === "update" && hasId && typeof event_type === "string" && hasTurn;
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
