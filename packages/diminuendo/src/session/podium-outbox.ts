/**
 * Owns what Podium is told about a session's open turn. Sent whenever a link opens and whenever the turn
 * changes; Podium knows turns by id, so that telling it twice does nothing.
 */
import { continueTrace, traceparent } from "@concert/service-kit/trace";
import * as Effect from "effect/Effect";
import type { PodiumClient, PodiumLink } from "../upstream/PodiumClient.ts";
import type { LiveSession } from "./LiveSession.ts";
import type { OpenTurn } from "./session-model.ts";

/** The message until Podium has made it a command, then only the wish to stop, if there is one. */
export const sendOpenTurn = Effect.fnUntraced(function* (
  podium: PodiumClient["Service"],
  session: LiveSession,
  link: PodiumLink,
) {
  const turn = session.model.openTurn;
  if (turn === null) return;
  if (turn.commandId === null) link.send(yield* processMessage(podium, session.sessionId, turn));
  if (turn.stopActor === null) return;
  const actor = yield* podium.sign(turn.stopActor);
  link.send({ type: "stop_turn", turn_id: turn.turnId, actor });
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
    },
  }));
