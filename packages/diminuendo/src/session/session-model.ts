/**
 * Owns what a session is between two commits, and how one change leads to the next. Pure: a change is a new
 * model, the events that tell of it and the rows that keep it; session-log.ts commits all three at once.
 */
import type { PendingSteer, Row, StoredTurn, WaitingTurn } from "../db/stored-session.ts";
import type { EventDraft } from "../domain/podium-event.ts";
import { isQuestion } from "../domain/request-ids.ts";
import type { SessionStatus, WaitingFor } from "../protocol/index.ts";
import { applySessionTransition } from "./session-state.ts";

export type OpenTurn = StoredTurn;

export interface SessionModel {
  readonly status: SessionStatus;
  readonly openTurn: OpenTurn | null;
  /** Turns that run after the open one, soonest first. */
  readonly waiting: readonly WaitingTurn[];
  /** Said into the open turn and not read yet, oldest first. */
  readonly steers: readonly PendingSteer[];
  /** Approvals and questions that the open turn waits for a person about. */
  readonly pendingRequests: ReadonlySet<string>;
  /** The newest Podium event whose consequences are stored. */
  readonly podiumEventId: number;
}

export interface Change {
  readonly model: SessionModel;
  readonly drafts: readonly EventDraft[];
  readonly rows: readonly Row[];
}
/** One thing that happens to a session. */
export type Step = (model: SessionModel) => Change;

export const EMPTY_MODEL: SessionModel = {
  status: "inactive",
  openTurn: null,
  waiting: [],
  steers: [],
  pendingRequests: new Set(),
  podiumEventId: 0,
};

/** What a session waits for, seen from its state. */
export function waitingFor(model: SessionModel): WaitingFor | null {
  if (model.status !== "waiting") return null;
  const pending = [...model.pendingRequests];
  const questions = pending.filter(isQuestion).length;
  if (questions === 0) return "approval";
  return questions === pending.length ? "question" : "both";
}

/** Happens, and leaves no trace by itself. */
export const unchanged: Step = (model) => ({ model, drafts: [], rows: [] });

/** One step after the other; each sees what the one before left. */
export function inOrder(...steps: readonly Step[]): Step {
  return (start) =>
    steps.reduce<Change>((change, step) => {
      const next = step(change.model);
      return {
        model: next.model,
        drafts: [...change.drafts, ...next.drafts],
        rows: [...change.rows, ...next.rows],
      };
    }, unchanged(start));
}

/** Tells of something without changing the model. */
export function tell(...drafts: readonly EventDraft[]): Step {
  return (model) => ({ model, drafts, rows: [] });
}

/** Keeps rows and patches the model. */
export function keep(rows: readonly Row[], patch: Partial<SessionModel>): Step {
  return (model) => ({ model: { ...model, ...patch }, drafts: [], rows });
}

/** Moves to `status` if the table allows it (D4), and tells so; an illegal move changes nothing. */
export function moveTo(status: SessionStatus): Step {
  return (model) => {
    const next = applySessionTransition(model.status, status);
    if (next === null) return unchanged(model);
    const moved = { ...model, status: next };
    return { model: moved, drafts: [stateOf(moved, model.status)], rows: [] };
  };
}

/** Other requests are open now. It goes on waiting, and tells so if that is for something else than before. */
export function waitOn(pendingRequests: SessionModel["pendingRequests"]): Step {
  return (model) => {
    const waits = { ...model, pendingRequests };
    const same = waitingFor(waits) === waitingFor(model);
    return { model: waits, drafts: same ? [] : [stateOf(waits, model.status)], rows: [] };
  };
}

function stateOf(model: SessionModel, previous: SessionStatus): EventDraft {
  const waits = waitingFor(model);
  return {
    type: "session_state",
    status: model.status,
    previous,
    ...(model.openTurn === null ? {} : { turnId: model.openTurn.turnId }),
    ...(waits === null ? {} : { waitingFor: waits }),
  };
}
