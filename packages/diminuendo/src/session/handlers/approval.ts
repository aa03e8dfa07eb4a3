/**
 * Owns how approvals and questions make a session wait and go on. Several may be open at once: it waits for the last.
 * Both are kept in one table: what a person is asked, by the id under which they answer. Pure.
 */
import type { EventDraftOf } from "../../domain/podium-event.ts";
import { inOrder, keep, moveTo, type Step, tell, unchanged, waitOn } from "../session-model.ts";

export function permissionRequested(draft: EventDraftOf<"permission_requested">): Step {
  const { requestId, commandId, turnId } = draft;
  return inOrder(tell(draft), asked(requestId, commandId, turnId ?? null));
}

/** Without a command there is nobody to take an answer: it is only told. */
export function questionRequested(draft: EventDraftOf<"question_requested">): Step {
  const { requestId, commandId, turnId } = draft;
  if (commandId === undefined) return tell(draft);
  return inOrder(tell(draft), asked(requestId, commandId, turnId ?? null));
}

export function approvalResolved(draft: EventDraftOf<"approval_resolved">): Step {
  return inOrder(tell(draft), settled(draft.requestId, draft.decision));
}

export function questionResolved(draft: EventDraftOf<"question_resolved">): Step {
  return inOrder(tell(draft), settled(draft.requestId, draft.outcome));
}

function asked(requestId: string, commandId: string, turnId: string | null): Step {
  const row = { kind: "approval_opened", approvalId: requestId, turnId, commandId } as const;
  return inOrder(keep([row], {}), (model) => {
    // Only the open turn can make the session wait; what a straggler asks can still be answered.
    if (turnId === null || model.openTurn?.turnId !== turnId) return unchanged(model);
    const pendingRequests = new Set(model.pendingRequests).add(requestId);
    return inOrder(waitOn(pendingRequests), moveTo("waiting"))(model);
  });
}

function settled(requestId: string, decision: string): Step {
  const row = { kind: "approval_closed", approvalId: requestId, decision } as const;
  return inOrder(keep([row], {}), (model) => {
    const pendingRequests = new Set(model.pendingRequests);
    pendingRequests.delete(requestId);
    if (pendingRequests.size > 0) return waitOn(pendingRequests)(model);
    const settle = keep([], { pendingRequests });
    return (model.status === "waiting" ? inOrder(settle, moveTo("running")) : settle)(model);
  });
}
