/**
 * Owns `run_turn`, `stop_turn` and `steer`. The person's words, the turn and the state it brings are one commit, and
 * the answer follows it: what was accepted survives whatever crashes next.
 */
import type { Actor } from "@concert/service-kit/identity";
import { newTrace } from "@concert/service-kit/trace";
import * as Effect from "effect/Effect";
import { mayStop } from "../../auth/permissions.ts";
import { WorkerManager } from "../../db/WorkerManager.ts";
import { NO_USAGE, type Price } from "../../domain/prices.ts";
import { Metrics } from "../../observability/Metrics.ts";
import { CurrentTrace } from "../../observability/trace.ts";
import {
  type ClientMessageOf,
  QUEUED_TURNS_MAX,
  type ServerMessage,
  type ServerMessageOf,
  type TurnCause,
} from "../../protocol/index.ts";
import { type Refusal, refuse } from "../../security/Refusal.ts";
import { Attachments } from "../Attachments.ts";
import { sessionFor } from "../access.ts";
import { Billing } from "../Billing.ts";
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

/** Of a turn that an automation asks for: its id says what it stands for. */
export interface TurnOrigin {
  readonly turnId: string;
  readonly cause: TurnCause;
}

export const runTurn = Effect.fn("runTurn")(function* (
  actor: Actor,
  message: RunTurn,
  origin?: TurnOrigin,
) {
  const session = yield* sessionFor(actor, "session:write", message.sessionId);
  const { traceId } = (yield* CurrentTrace) ?? newTrace();
  const turn = { ...newTurn(actor, message.text, traceId), ...origin };
  const decide = Effect.fnUntraced(function* (model: SessionModel) {
    const first = yield* firstAnswer(actor, message);
    if (first !== null) return { answer: { told: first, isNew: false } };
    if (session.isArchived) return yield* archived;
    const admitted = yield* admit(model, message, turn);
    const price = yield* (yield* Billing).reserve(session, turn.turnId, actor.user);
    return { answer: { told: admitted.told, isNew: true }, step: admitted.step(price) };
  });
  const { told, isNew } = yield* paidFor(session, turn.turnId, decide);
  if (isNew) {
    yield* (yield* Metrics).count("diminuendo_turns_total");
    yield* (yield* Attachments).pursue(session);
  }
  return told;
});

/** A reservation whose turn did not come to be is given back. */
const paidFor = Effect.fnUntraced(function* <A, E, R>(
  session: LiveSession,
  turnId: string,
  decide: (model: SessionModel) => Effect.Effect<Decision<A>, E, R>,
) {
  const { release } = yield* Billing;
  return yield* (yield* Sessions)
    .change(session, decide)
    .pipe(
      Effect.tapErrorTag("StorageError", () =>
        release(session.tenantId, turnId).pipe(
          Effect.catch(({ reason }) =>
            Effect.logWarning(`the credits put aside for ${turnId} wait for a restart: ${reason}`),
          ),
        ),
      ),
    );
});

const newTurn = (actor: Actor, text: string, traceId: string): OpenTurn => ({
  turnId: newId("turn"),
  text,
  actor,
  traceId,
  commandId: null,
  stopActor: null,
  price: null,
  usage: NO_USAGE,
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
  /** What happens once the turn's credits are put aside. */
  readonly step: (price: Price) => Step;
}

/** Opens the turn, or does what was asked for while another is open. */
const admit = (
  model: SessionModel,
  message: RunTurn,
  turn: OpenTurn,
): Effect.Effect<Admitted, Refusal> => {
  const { sessionId } = message;
  const idempotencyKey = message.idempotencyKey ?? null;
  const { turnId, actor } = turn;
  const request = (price: Price) => ({
    turn: { ...turn, price },
    messageId: newId("msg"),
    idempotencyKey,
  });
  if (model.openTurn === null) {
    const told = accepted(sessionId, turnId);
    return Effect.succeed({ told, step: (price) => openTurn(request(price)) });
  }
  const { whenBusy = "reject" } = message;
  if (whenBusy === "reject") return Effect.fail(inProgress);
  if (isFull(model)) return Effect.fail(full);
  // A turn that is being stopped reads nothing more: what is said now is the next turn.
  if (whenBusy === "steer" && model.openTurn.stopActor === null) {
    const told = accepted(sessionId, model.openTurn.turnId, "steering");
    return Effect.succeed(
      said(actor, message, model.openTurn, { text: turn.text, told, nextTurnId: turnId }),
    );
  }
  if (whenBusy === "interrupt" && !mayStop(actor, model.openTurn.actor.user)) {
    return Effect.fail(notTheirs);
  }
  const told = accepted(sessionId, turnId, "queued");
  const wait = (price: Price) => letWait({ ...request(price), whenBusy });
  return Effect.succeed({
    told,
    step: (price) =>
      whenBusy === "interrupt" ? inOrder(requestStop(actor), wait(price)) : wait(price),
  });
};

const isFull = ({ waiting, steers }: SessionModel) =>
  waiting.length + steers.length >= QUEUED_TURNS_MAX;

interface Words {
  readonly text: string;
  readonly told: ServerMessage;
  readonly nextTurnId: string;
  readonly steerId?: string;
}

/** Words for the open turn; should it end before they are read, they are a turn of their own. */
function said(
  actor: Actor,
  message: RunTurn | Steer,
  { turnId }: OpenTurn,
  { text, told, nextTurnId, steerId = newId("steer") }: Words,
): Admitted {
  const next = { nextTurnId, nextMessageId: newId("msg") };
  const remembered = rememberedAs(actor, message, told);
  const kept = remembered === null ? [] : [keep([{ kind: "answered", remembered }], {})];
  const steered = (nextPrice: Price) =>
    requestSteer({ steerId, turnId, text, actor, ...next, nextPrice });
  return { told, step: (price) => inOrder(steered(price), ...kept) };
}

export const steer = Effect.fn("steer")(function* (actor: Actor, message: Steer) {
  const session = yield* sessionFor(actor, "session:steer", message.sessionId);
  const { sessionId } = session;
  const nextTurnId = newId("turn");
  const decide = Effect.fnUntraced(function* (model: SessionModel) {
    const first = yield* recallAnswer(actor, sessionId, message);
    if (first !== null) return { answer: first };
    const open = model.openTurn;
    if (open === null || open.stopActor !== null) return yield* nothingToSteer;
    if (isFull(model)) return yield* full;
    const steerId = newId("steer");
    const { turnId } = open;
    const answer: ServerMessage = { type: "steer_accepted", sessionId, steerId, turnId };
    const words = { text: message.content, told: answer, steerId, nextTurnId };
    const { step } = said(actor, message, open, words);
    return { answer, step: step(yield* (yield* Billing).reserve(session, nextTurnId, actor.user)) };
  });
  const answer = yield* paidFor(session, nextTurnId, decide);
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
