/** Owns what the beginning and the end of a turn do to a session. Pure. */
import type { EventDraft, EventDraftOf } from "../../domain/podium-event.ts";
import { inOrder, keep, moveTo, type Step, tell, unchanged } from "../session-model.ts";
import { closeTurn, takeNext } from "../session-steps.ts";

/** The turn became a command: it needs no resending any more. */
export function turnStarted(draft: EventDraftOf<"turn_started">): Step {
  const { turnId, commandId } = draft;
  return inOrder(tell(draft), (model) => {
    if (turnId === undefined || model.openTurn?.turnId !== turnId) return unchanged(model);
    const openTurn = { ...model.openTurn, commandId };
    return keep([{ kind: "turn_command", turnId, commandId }], { openTurn })(model);
  });
}

/** The turn is over, well or not: the session is ready for the next one, and begins it if one waits. */
export function turnEnded(draft: EventDraftOf<"turn_complete" | "turn_error">): Step {
  const outcome = draft.type === "turn_complete" ? draft.status : "failed";
  return inOrder(tell(draft as EventDraft), (model) => {
    const { turnId } = draft;
    // The end of a turn that is not the open one says nothing about the open one.
    if (turnId === undefined || model.openTurn?.turnId !== turnId) return unchanged(model);
    return inOrder(closeTurn(turnId, outcome), moveTo("ready"), takeNext)(model);
  });
}

/** What the open turn has used so far: it is what will be paid for. */
export function usageUpdated(draft: EventDraftOf<"usage_update">): Step {
  const { turnId, inputTokens, outputTokens } = draft;
  return inOrder(tell(draft), (model) => {
    if (turnId === undefined || model.openTurn?.turnId !== turnId) return unchanged(model);
    const usage = { inputTokens, outputTokens };
    const openTurn = { ...model.openTurn, usage };
    return keep([{ kind: "turn_usage", turnId, usage }], { openTurn })(model);
  });
}
