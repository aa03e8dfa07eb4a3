/**
 * Owns how Podium's frames enter a session's log: in order, without a hole, each once, together with the
 * cursor they came under. Refuses to own: what events mean (handlers/) and the socket (Attachments.ts).
 */
import * as Effect from "effect/Effect";
import type { PodiumEvent } from "../domain/podium-event.ts";
import { sanitizeMessage } from "../security/error-message.ts";
import { decodePodiumFrame, type PodiumFrame } from "../upstream/podium-frames.ts";
import { Unreachable } from "../upstream/upstream-http.ts";
import { podiumEventsArrived } from "./handlers/index.ts";
import type { LiveSession } from "./LiveSession.ts";
import type { Sessions } from "./Sessions.ts";
import { failTurn } from "./session-steps.ts";

type Refused = Extract<PodiumFrame, { kind: "refused" }>;

/** Podium refuses these for reasons that pass: connect again, and send again. */
const PASSING_REFUSALS = new Set(["internal_error", "too_many_frames"]);

/**
 * Stores one run of frames. True if Podium must be told something now: the next turn has begun, or the open one has
 * become a command and can be steered. Fails with `Unreachable` where the link must be made again.
 */
export const ingest = Effect.fnUntraced(function* (
  sessions: Sessions["Service"],
  session: LiveSession,
  frames: readonly PodiumFrame[],
) {
  const before = session.model.openTurn;
  const events = eventsIn(frames);
  if (events.length > 0) yield* store(sessions, session, events);
  const steered = events.filter(({ eventType }) => eventType === "steered").length;
  session.unansweredSteers = Math.max(0, session.unansweredSteers - steered);
  for (const frame of frames) {
    if (frame.kind === "refused") yield* refused(sessions, session, frame);
  }
  const now = session.model.openTurn;
  const isNext = now?.turnId !== before?.turnId;
  const canSteer = now?.commandId !== before?.commandId && session.model.steers.length > 0;
  return now !== null && (isNext || canSteer);
});

const store = (
  sessions: Sessions["Service"],
  session: LiveSession,
  events: readonly PodiumEvent[],
) =>
  sessions.change(session, ({ podiumEventId }) => {
    const fresh = freshEvents(events, podiumEventId);
    return fresh === null
      ? Effect.fail(new Unreachable({ service: "podium", reason: "its event ids have a hole" }))
      : Effect.succeed({ answer: undefined, step: podiumEventsArrived(fresh) });
  });

/** Those after `lastId`; null if they do not follow it without a hole. */
export function freshEvents(
  events: readonly PodiumEvent[],
  lastId: number,
): readonly PodiumEvent[] | null {
  const fresh = events.filter(({ eventId }) => eventId > lastId);
  return fresh.every(({ eventId }, index) => eventId === lastId + index + 1) ? fresh : null;
}

export const eventsIn = (frames: readonly PodiumFrame[]): readonly PodiumEvent[] =>
  frames.flatMap((frame) => (frame.kind === "event" ? [frame.event] : []));

/** A frame we cannot read would leave a hole: the link ends, and the cursor stays before it. */
export function understood(
  texts: readonly string[],
): Effect.Effect<readonly PodiumFrame[], Unreachable> {
  const frames = texts.map(decodePodiumFrame).filter((frame) => frame !== undefined);
  return frames.length === texts.length
    ? Effect.succeed(frames)
    : Effect.fail(new Unreachable({ service: "podium", reason: "sent an unreadable frame" }));
}

const refused = Effect.fnUntraced(function* (
  sessions: Sessions["Service"],
  session: LiveSession,
  { turnId, code, message }: Refused,
) {
  yield* Effect.logWarning(`podium refused a frame: ${code} ${message}`);
  if (PASSING_REFUSALS.has(code)) {
    return yield* new Unreachable({ service: "podium", reason: `refused with ${code}` });
  }
  // A Podium that cannot steer cannot say which turn the words were for either.
  if (turnId === null && session.unansweredSteers > 0) {
    session.unansweredSteers -= 1;
    return;
  }
  const turn = session.model.openTurn;
  const concerns = turn !== null && (turnId === null || turnId === turn.turnId);
  // A turn that is a command already runs on, whatever was refused about it.
  if (!concerns || turn.commandId !== null) return;
  yield* sessions.take(session, failTurn(code, sanitizeMessage(message)));
});
