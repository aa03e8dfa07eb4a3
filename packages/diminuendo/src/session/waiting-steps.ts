/**
 * Owns what happens while a turn is open and somebody says more: turns that wait, and words for the open one. What
 * was said is never lost: it is read by the open turn, or it becomes a turn of its own. Pure.
 */
import type { PendingSteer, TurnOutcome, WaitingTurn } from "../db/stored-session.ts";
import type { EventDraft, EventDraftOf } from "../domain/podium-event.ts";
import { NO_USAGE } from "../domain/prices.ts";
import type { WhenBusy } from "../protocol/index.ts";
import {
  inOrder,
  keep,
  type OpenTurn,
  type SessionModel,
  type Step,
  tell,
} from "./session-model.ts";

export interface WaitRequest {
  readonly turn: OpenTurn;
  readonly messageId: string;
  readonly idempotencyKey: string | null;
  readonly whenBusy: WhenBusy;
}

/** The turn waits: behind all others, or before them if it interrupts. */
export function letWait({ turn, messageId, idempotencyKey, whenBusy }: WaitRequest): Step {
  return (model) => {
    const place = whenBusy === "interrupt" ? firstPlace(model) - 1 : lastPlace(model) + 1;
    const waiting: WaitingTurn = { place, turn, messageId, idempotencyKey };
    const { turnId, text, actor } = turn;
    const key = idempotencyKey === null ? {} : { idempotencyKey };
    const automation = turn.cause === undefined ? {} : { automation: turn.cause };
    const told = { messageId, text, userId: actor.user, whenBusy, ...key, ...automation };
    return inOrder(
      tell({ type: "turn_queued", turnId, ...told }),
      keep([{ kind: "turn_waits", waiting, whenBusy }], {
        waiting: placed(model.waiting, waiting),
      }),
    )(model);
  };
}

/** A waiting turn will not run. */
export function dequeue(turnId: string): Step {
  return (model) =>
    inOrder(
      tell({ type: "turn_dequeued", turnId, reason: "cancelled" }),
      unused(turnId),
      keep([{ kind: "turn_waits_no_more", turnId }], {
        waiting: model.waiting.filter(({ turn }) => turn.turnId !== turnId),
      }),
    )(model);
}

/** Somebody says something into the open turn. */
export function requestSteer(steer: PendingSteer): Step {
  const { steerId, turnId, text, actor } = steer;
  return (model) =>
    inOrder(
      tell({ type: "steer_requested", turnId, steerId, text, userId: actor.user }),
      keep([{ kind: "steer_pends", steer }], { steers: [...model.steers, steer] }),
    )(model);
}

/** The agent has read it: it will not be said again. */
export function steerApplied(draft: EventDraftOf<"steer_applied">): Step {
  const { steerId } = draft;
  return (model) =>
    inOrder(
      tell(draft),
      ...model.steers.flatMap((steer) =>
        steer.steerId === steerId ? [unused(steer.nextTurnId)] : [],
      ),
      keep([{ kind: "steer_pends_no_more", steerId }], {
        steers: model.steers.filter((steer) => steer.steerId !== steerId),
      }),
    )(model);
}

/**
 * The open turn ends with words that it has not read. They become the next turns, in their order; but whoever
 * stopped the turn did not want it to go on.
 */
export function settleSteers(outcome: TurnOutcome): Step {
  return (model) => {
    const first = firstPlace(model) - model.steers.length;
    const settle = model.steers.map((steer, index) =>
      outcome === "cancelled" ? drop(steer) : defer(steer, first + index),
    );
    return inOrder(...settle, keep([], { steers: [] }))(model);
  };
}

/** The credits of a turn that will not run go back. */
const unused = (turnId: string): Step =>
  keep([{ kind: "turn_accounted", turnId, usage: NO_USAGE, cost: null }], {});

function drop({ steerId, turnId, nextTurnId }: PendingSteer): Step {
  return inOrder(
    unused(nextTurnId),
    tell({ type: "steer_dropped", turnId, steerId }),
    keep([{ kind: "steer_pends_no_more", steerId }], {}),
  );
}

function defer(steer: PendingSteer, place: number): Step {
  const { steerId, turnId, nextTurnId, nextMessageId: messageId, text, actor } = steer;
  const deferred: EventDraft = { type: "steer_deferred", turnId, steerId, nextTurnId };
  return (model) => {
    const { traceId = "" } = model.openTurn ?? {};
    const turn: OpenTurn = {
      turnId: nextTurnId,
      text,
      actor,
      traceId,
      commandId: null,
      stopActor: null,
      price: steer.nextPrice,
      usage: NO_USAGE,
    };
    const waiting: WaitingTurn = { place, turn, messageId, idempotencyKey: null };
    return inOrder(
      tell(deferred),
      keep(
        [
          { kind: "steer_pends_no_more", steerId },
          { kind: "turn_waits", waiting, whenBusy: "steer" },
        ],
        { waiting: placed(model.waiting, waiting) },
      ),
    )(model);
  };
}

const placed = (waiting: readonly WaitingTurn[], one: WaitingTurn): readonly WaitingTurn[] =>
  [...waiting, one].toSorted((left, right) => left.place - right.place);

const firstPlace = ({ waiting }: SessionModel): number => waiting[0]?.place ?? 1;
const lastPlace = ({ waiting }: SessionModel): number => waiting.at(-1)?.place ?? 0;
