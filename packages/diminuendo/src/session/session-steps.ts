/**
 * Owns the steps that the gateway itself takes in a session's life: opening and failing turns, activation,
 * recovery, idling. What Podium's events do to a session lives in handlers/. Pure.
 */
import type { TurnOutcome } from "../db/stored-session.ts";
import type { EventDraft } from "../domain/podium-event.ts";
import { costOf } from "../domain/prices.ts";
import {
  inOrder,
  keep,
  moveTo,
  type OpenTurn,
  type Step,
  tell,
  unchanged,
} from "./session-model.ts";
import { pathToInactive } from "./session-state.ts";
import { settleSteers } from "./waiting-steps.ts";

export interface TurnRequest {
  readonly turn: OpenTurn;
  readonly messageId: string;
  readonly idempotencyKey: string | null;
}

/** A person's message opens a turn; the session starts to move towards `running`. */
export function openTurn({ turn, messageId, idempotencyKey }: TurnRequest): Step {
  const { turnId, text } = turn;
  const said: EventDraft = {
    type: "user_message",
    turnId,
    messageId,
    text,
    userId: turn.actor.user,
    ...(idempotencyKey === null ? {} : { idempotencyKey }),
    ...(turn.cause === undefined ? {} : { automation: turn.cause }),
  };
  return inOrder(
    tell(said),
    keep(
      [
        { kind: "turn_opened", turn, idempotencyKey },
        { kind: "message", messageId, turnId, role: "user", text },
      ],
      { openTurn: turn },
    ),
    // A dead start is cleared away first: only `inactive` may activate.
    (model) => (model.status === "error" ? moveTo("inactive")(model) : unchanged(model)),
    (model) => moveTo(model.status === "inactive" ? "activating" : "running")(model),
  );
}

/** Podium's socket is open: an activating session is ready, and goes on with its open turn. */
export const attached: Step = inOrder(
  moveIf("activating", "ready"),
  (model) => (model.openTurn === null ? unchanged(model) : moveIf("ready", "running")(model)),
  (model) =>
    model.pendingRequests.size === 0 ? unchanged(model) : moveIf("running", "waiting")(model),
);

/** What a dead process left behind: down the legal way, and up again if a turn is open. */
export const recovered: Step = inOrder(
  (model) => inOrder(...pathToInactive(model.status).map(moveTo))(model),
  (model) => (model.openTurn === null ? unchanged(model) : moveTo("activating")(model)),
);

/** The turn that has waited longest runs, if none does. */
export const takeNext: Step = (model) => {
  const [next, ...waiting] = model.waiting;
  if (next === undefined || model.openTurn !== null) return unchanged(model);
  const { turn, messageId, idempotencyKey } = next;
  return inOrder(
    keep([{ kind: "turn_waits_no_more", turnId: turn.turnId }], { waiting }),
    openTurn({ turn, messageId, idempotencyKey }),
  )(model);
};

/** The turn cannot go on. Refused before the agent was reached, the session falls back to `inactive`. */
export function failTurn(code: string, message: string): Step {
  return (model) => {
    if (model.openTurn === null) return unchanged(model);
    const { turnId } = model.openTurn;
    return inOrder(
      tell({ type: "turn_error", turnId, code, message }),
      closeTurn(turnId, "failed"),
      (m) =>
        m.status === "activating"
          ? inOrder(moveTo("error"), moveTo("inactive"))(m)
          : moveTo("ready")(m),
      takeNext,
    )(model);
  };
}

/** The turn is over: neither it nor what it asks of people is waited for any longer. */
export function closeTurn(turnId: string, outcome: TurnOutcome): Step {
  return (model) => {
    if (model.openTurn?.turnId !== turnId) return unchanged(model);
    const lapsed = [...model.pendingRequests].map((approvalId) => ({
      kind: "approval_closed" as const,
      approvalId,
      decision: "turn_ended",
    }));
    return inOrder(
      account(model.openTurn, outcome),
      settleSteers(outcome),
      keep([{ kind: "turn_closed", turnId, outcome }, ...lapsed], {
        openTurn: null,
        pendingRequests: new Set(),
      }),
    )(model);
  };
}

/** What the agent used is paid for, unless the turn failed: then nobody has anything for it. */
function account({ turnId, price, usage }: OpenTurn, outcome: TurnOutcome): Step {
  if (price === null) return unchanged;
  const cost = outcome === "failed" ? null : costOf(price, usage);
  const billed = keep([{ kind: "turn_accounted", turnId, usage, cost }], {});
  if (cost === null) return billed;
  return inOrder(tell({ type: "turn_billed", turnId, ...usage, microcredits: cost }), billed);
}

/** Somebody asked to stop the open turn; kept, so that a crash does not forget it. */
export function requestStop(actor: OpenTurn["actor"]): Step {
  return (model) => {
    if (model.openTurn === null) return unchanged(model);
    const stopped = { ...model.openTurn, stopActor: actor };
    return keep([{ kind: "turn_stop", turnId: stopped.turnId, actor }], { openTurn: stopped })(
      model,
    );
  };
}

/** Nobody has used the session for a while. */
export const idled: Step = (model) =>
  model.status === "ready"
    ? inOrder(moveTo("deactivating"), moveTo("inactive"))(model)
    : unchanged(model);

/** The instance's log began anew, so its numbering did as well. */
export const podiumLogReset: Step = keep([], { podiumEventId: 0 });

function moveIf(from: Parameters<typeof moveTo>[0], to: Parameters<typeof moveTo>[0]): Step {
  return (model) => (model.status === from ? moveTo(to)(model) : unchanged(model));
}
