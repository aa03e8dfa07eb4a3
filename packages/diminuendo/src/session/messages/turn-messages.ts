/**
 * Owns `run_turn` and `stop_turn`. The person's words, the turn and the state it brings are one commit, and
 * `turn_accepted` follows it: an accepted turn survives whatever crashes next.
 */
import type { Actor } from "@concert/service-kit/identity";
import { newTrace } from "@concert/service-kit/trace";
import * as Effect from "effect/Effect";
import { mayStop } from "../../auth/permissions.ts";
import { WorkerManager } from "../../db/WorkerManager.ts";
import { Metrics } from "../../observability/Metrics.ts";
import { CurrentTrace } from "../../observability/trace.ts";
import type { RunTurn, StopTurn } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { Attachments } from "../Attachments.ts";
import { sessionFor } from "../access.ts";
import { newId } from "../ids.ts";
import { Sessions } from "../Sessions.ts";
import type { SessionModel } from "../session-model.ts";
import { openTurn, requestStop } from "../session-steps.ts";

export const runTurn = Effect.fn("runTurn")(function* (actor: Actor, message: RunTurn) {
  const session = yield* sessionFor(actor, "session:write", message.sessionId);
  const { sessionId } = session;
  const sessions = yield* Sessions;
  const attachments = yield* Attachments;
  const workers = yield* WorkerManager;
  const { traceId } = (yield* CurrentTrace) ?? newTrace();
  const idempotencyKey = message.idempotencyKey ?? null;

  const decide = Effect.fnUntraced(function* (model: SessionModel) {
    const first =
      idempotencyKey === null
        ? null
        : yield* workers.read({
            kind: "turn_by_key",
            sessionId,
            userId: actor.user,
            idempotencyKey,
          });
    if (first !== null) {
      return first.text === message.text
        ? { answer: { turnId: first.turnId, isNew: false } }
        : yield* otherText;
    }
    if (model.openTurn !== null) return yield* inProgress;
    const turnId = newId("turn");
    const turn = { turnId, text: message.text, actor, traceId, commandId: null, stopActor: null };
    const step = openTurn({ turn, messageId: newId("msg"), idempotencyKey });
    return { answer: { turnId, isNew: true }, step };
  });

  const { turnId, isNew } = yield* sessions.change(session, decide);
  if (isNew) {
    yield* (yield* Metrics).count("diminuendo_turns_total");
    yield* attachments.pursue(session);
  }
  return { type: "turn_accepted" as const, sessionId, turnId };
});

export const stopTurn = Effect.fn("stopTurn")(function* (actor: Actor, message: StopTurn) {
  const session = yield* sessionFor(actor, "session:write", message.sessionId);
  const sessions = yield* Sessions;
  const attachments = yield* Attachments;
  const turnId = yield* sessions.change(session, ({ openTurn: turn }) => {
    if (turn === null) return Effect.fail(noTurn);
    // Concord would refuse it later, when this person has long been told that the stop was accepted.
    if (!mayStop(actor, turn.actor.user)) return Effect.fail(notTheirs);
    return Effect.succeed({ answer: turn.turnId, step: requestStop(actor) });
  });
  yield* attachments.pursue(session);
  return { type: "stop_accepted" as const, sessionId: session.sessionId, turnId };
});

const otherText = refuse(
  "IdempotencyConflict",
  "This idempotencyKey belongs to a turn with another text; use a new key.",
);
const inProgress = refuse(
  "TurnInProgress",
  "The session is busy with a turn; wait for its end or stop it.",
);
const notTheirs = refuse(
  "PermissionDenied",
  "Only the person who asked for this turn, or an owner, may stop it.",
);
const noTurn = refuse("NoActiveTurn", "The session has no turn to stop.");
