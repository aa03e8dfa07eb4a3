/**
 * Owns what Podium is told about a session's open turn. Sent whenever a link opens and whenever the turn
 * changes; Podium knows turns by id, so that telling it twice does nothing.
 */
import { continueTrace, traceparent } from "@concert/service-kit/trace";
import * as Effect from "effect/Effect";
import type { TurnCause } from "../protocol/index.ts";
import type { PodiumClient, PodiumLink } from "../upstream/PodiumClient.ts";
import type { LiveSession } from "./LiveSession.ts";
import type { OpenTurn } from "./session-model.ts";

/**
 * The message until Podium has made it a command, then what was said into it since, and the wish to stop, if there is
 * one. A Podium that cannot steer refuses the frame; the words then become the next turn.
 */
export const sendOpenTurn = Effect.fnUntraced(function* (
  podium: PodiumClient["Service"],
  session: LiveSession,
  link: PodiumLink,
) {
  const turn = session.model.openTurn;
  if (turn === null) return;
  if (turn.commandId === null) link.send(yield* processMessage(podium, session.sessionId, turn));
  else yield* sendSteers(podium, session, link);
  if (turn.stopActor === null) return;
  const actor = yield* podium.sign(turn.stopActor);
  link.send({ type: "stop_turn", turn_id: turn.turnId, actor });
});

const sendSteers = Effect.fnUntraced(function* (
  podium: PodiumClient["Service"],
  session: LiveSession,
  link: PodiumLink,
) {
  for (const { steerId, turnId, text, actor } of session.model.steers) {
    const token = yield* podium.sign(actor);
    session.unansweredSteers += 1;
    link.send({ type: "steer", turn_id: turnId, steer_id: steerId, text, actor: token });
  }
});

const causeOf = ({ automationId, runId, dueAt, tools }: TurnCause) => ({
  automation_id: automationId,
  run_id: runId,
  due_at: new Date(dueAt).toISOString(),
  ...(tools === undefined ? {} : { tools }),
});

const processMessage = (podium: PodiumClient["Service"], sessionId: string, turn: OpenTurn) =>
  Effect.map(podium.sign(turn.actor), (actor) => ({
    type: "process_message" as const,
    content: {
      text: turn.text,
      turn_id: turn.turnId,
      session_id: sessionId,
      actor,
      traceparent: traceparent(continueTrace(turn.traceId)),
      ...(turn.cause === undefined ? {} : { cause: causeOf(turn.cause) }),
    },
  }));
