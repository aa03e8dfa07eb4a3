/**
 * Owns `run_turn`, `stop_turn` and `steer`. The person's words, the turn and the state it brings are one commit, and
 * the answer follows it: what was accepted survives whatever crashes next.
 */
import type { Actor } from "@concert/service-kit/identity";
import { newTrace } from "@concert/service-kit/trace";
import * as Effect from "effect/Effect";
import { mayStop } from "../../auth/permissions.ts";
import { WorkerManager } from "../../db/WorkerManager.ts";
import { Metrics } from "../../observability/Metrics.ts";
import { CurrentTrace } from "../../observability/trace.ts";
import {
  type ClientMessageOf,
  QUEUED_TURNS_MAX,
  type ServerMessage,
  type ServerMessageOf,
} from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { Attachments } from "../Attachments.ts";
import { sessionFor } from "../access.ts";
import { newId } from "../ids.ts";
import type { LiveSession } from "../LiveSession.ts";
import { recallAnswer, rememberedAs } from "../remembering.ts";
import { Sessions } from "../Sessions.ts";
import type { Decision } from "../session-log.ts";
import { inOrder, keep, type OpenTurn, type SessionModel, type Step } from "../session-model.ts";
import { openTurn, requestStop } from "../session-steps.ts";
import { dequeue, letWait, requestSteer } from "../waiting-steps.ts";

type RunTurn = ClientMessageOf<"run_turn">;
type StopTurn = ClientMessageOf<"stop_turn">;
type Steer = ClientMessageOf<"steer">;
type Accepted = ServerMessageOf<"turn_accepted">;

export const runTurn = Effect.fn("runTurn")(function* (actor: Actor, message: RunTurn) {
  const session = yield* sessionFor(actor, "session:write", message.sessionId);
  const { traceId } = (yield* CurrentTrace) ?? newTrace();
  const decide = Effect.fnUntraced(function* (model: SessionModel) {
    const first = yield* firstAnswer(actor, message);
    if (first !== null) return { answer: { told: first, isNew: false } };
    if (session.isArchived) return yield* archived;
    const turn = newTurn(actor, message.text, traceId);
    const { told, step } = yield* admit(model, message, turn);
    return { answer: { told, isNew: true }, step };
  });
  const { told, isNew } = yield* (yield* Sessions).change(session, decide);
  if (isNew) {
    yield* (yield* Metrics).count("diminuendo_turns_total");
    yield* (yield* Attachments).pursue(session);
  }
  return told;
});

const newTurn = (actor: Actor, text: string, traceId: string): OpenTurn => ({
  turnId: newId("turn"),
  text,
  actor,
  traceId,
  commandId: null,
  stopActor: null,
});

/** A turn is found by its key wherever it is by now; words said into another turn, by what was answered. */
const firstAnswer = Effect.fnUntraced(function* (actor: Actor, message: RunTurn) {
  const { sessionId, idempotencyKey } = message;
  if (idempotencyKey === undefined) return null;
  const workers = yield* WorkerManager;
  const key = { userId: actor.user, idempotencyKey } as const;
  const turn = yield* workers.read({ kind: "turn_by_key", sessionId, ...key });
  if (turn === null) return yield* recallAnswer(actor, sessionId, message);
  if (turn.text !== message.text) return yield* otherText;
  return accepted(sessionId, turn.turnId, turn.waits ? "queued" : undefined);
});

interface Admitted {
  readonly told: ServerMessage;
  readonly step: Step;
}

/** Opens the turn, or does what was asked for while another is open. */
const admit = (model: SessionModel, message: RunTurn, turn: OpenTurn) => {
  const { sessionId } = message;
  const idempotencyKey = message.idempotencyKey ?? null;
  const request = { turn, messageId: newId("msg"), idempotencyKey };
  const { turnId, actor } = turn;
  if (model.openTurn === null) {
    const told = accepted(sessionId, turnId);
    return Effect.succeed<Admitted>({ told, step: openTurn(request) });
  }
  const { whenBusy = "reject" } = message;
  if (whenBusy === "reject") return Effect.fail(inProgress);
  if (isFull(model)) return Effect.fail(full);
  if (whenBusy === "steer") {
    const told = accepted(sessionId, model.openTurn.turnId, "steering");
    return Effect.succeed(said(actor, message, model.openTurn, { text: turn.text, told }));
  }
  const told = accepted(sessionId, turnId, "queued");
  const wait = letWait({ ...request, whenBusy });
  if (whenBusy === "enqueue") return Effect.succeed<Admitted>({ told, step: wait });
  return mayStop(actor, model.openTurn.actor.user)
    ? Effect.succeed<Admitted>({ told, step: inOrder(requestStop(actor), wait) })
    : Effect.fail(notTheirs);
};

const isFull = ({ waiting, steers }: SessionModel) =>
  waiting.length + steers.length >= QUEUED_TURNS_MAX;

/** Words for the open turn; should it end before they are read, they are a turn of their own. */
function said(
  actor: Actor,
  message: RunTurn | Steer,
  open: OpenTurn,
  { text, told, steerId = newId("steer") }: { text: string; told: ServerMessage; steerId?: string },
): Admitted {
  const next = { nextTurnId: newId("turn"), nextMessageId: newId("msg") };
  const steer = requestSteer({ steerId, turnId: open.turnId, text, actor, ...next });
  const remembered = rememberedAs(actor, message, told);
  const kept = remembered === null ? [] : [keep([{ kind: "answered", remembered }], {})];
  return { told, step: inOrder(steer, ...kept) };
}

export const steer = Effect.fn("steer")(function* (actor: Actor, message: Steer) {
  const session = yield* sessionFor(actor, "session:steer", message.sessionId);
  const { sessionId } = session;
  const decide = Effect.fnUntraced(function* (model: SessionModel) {
    const first = yield* recallAnswer(actor, sessionId, message);
    if (first !== null) return { answer: first };
    const open = model.openTurn;
    if (open === null) return yield* nothingToSteer;
    if (isFull(model)) return yield* full;
    const steerId = newId("steer");
    const { turnId } = open;
    const answer: ServerMessage = { type: "steer_accepted", sessionId, steerId, turnId };
    const { step } = said(actor, message, open, { text: message.content, told: answer, steerId });
    return { answer, step };
  });
  const answer = yield* (yield* Sessions).change(session, decide);
  yield* (yield* Attachments).pursue(session);
  return answer;
});

export const stopTurn = Effect.fn("stopTurn")(function* (actor: Actor, message: StopTurn) {
  const session = yield* sessionFor(actor, "session:write", message.sessionId);
  const decide = Effect.fnUntraced(function* (model: SessionModel) {
    const first = yield* recallAnswer(actor, session.sessionId, message);
    return first === null ? yield* stop(session, actor, message, model) : { answer: first };
  });
  const answer = yield* (yield* Sessions).change(session, decide);
  yield* (yield* Attachments).pursue(session);
  return answer;
});

/** Concord would refuse it later, when this person has long been told that the stop was accepted. */
const stop = Effect.fnUntraced(function* (
  { sessionId }: LiveSession,
  actor: Actor,
  message: StopTurn,
  { openTurn: open, waiting }: SessionModel,
) {
  const turns = [...(open === null ? [] : [open]), ...waiting.map(({ turn }) => turn)];
  const wanted = message.turnId ?? open?.turnId;
  const turn = turns.find(({ turnId }) => turnId === wanted);
  if (turn === undefined) return yield* noTurn;
  if (!mayStop(actor, turn.actor.user)) return yield* notTheirs;
  const { turnId } = turn;
  const answer: ServerMessage = { type: "stop_accepted", sessionId, turnId };
  const remembered = rememberedAs(actor, message, answer);
  const kept = remembered === null ? [] : [keep([{ kind: "answered", remembered }], {})];
  const step = turn === open ? requestStop(actor) : dequeue(turnId);
  return { answer, step: inOrder(step, ...kept) } satisfies Decision<ServerMessage>;
});

const accepted = (sessionId: string, turnId: string, state?: Accepted["state"]): Accepted => ({
  type: "turn_accepted",
  sessionId,
  turnId,
  ...(state === undefined ? {} : { state }),
});

const otherText = refuse(
  "IdempotencyConflict",
  "This idempotencyKey belongs to a turn with another text; use a new key.",
);
const inProgress = refuse(
  "TurnInProgress",
  "The session is busy with a turn; wait for its end, stop it, or say with whenBusy what to do.",
);
const archived = refuse("SessionArchived", "The session is archived; unarchive it first.");
const full = refuse(
  "QueueFull",
  `${QUEUED_TURNS_MAX} turns wait in this session; let some run, or stop them.`,
);
const notTheirs = refuse(
  "PermissionDenied",
  "Only the person who asked for this turn, or an owner, may stop it.",
);
const noTurn = refuse("NoActiveTurn", "The session has no such turn to stop.");
const nothingToSteer = refuse("NoActiveTurn", "The session has no turn to steer; send run_turn.");
