/** Owns how approvals make a session wait and go on. Several may be open at once: it waits for the last. Pure. */
import type { EventDraftOf } from "../../domain/podium-event.ts";
import { inOrder, keep, moveTo, type Step, tell, unchanged } from "../session-model.ts";

export function permissionRequested(draft: EventDraftOf<"permission_requested">): Step {
  const { requestId: approvalId, commandId } = draft;
  const turnId = draft.turnId ?? null;
  const opened = keep([{ kind: "approval_opened", approvalId, turnId, commandId }], {});
  return inOrder(tell(draft), opened, (model) => {
    // Only the open turn can make the session wait; a straggler's approval can still be answered.
    if (turnId === null || model.openTurn?.turnId !== turnId) return unchanged(model);
    const pendingApprovals = new Set(model.pendingApprovals).add(approvalId);
    return inOrder(keep([], { pendingApprovals }), moveTo("waiting"))(model);
  });
}

export function approvalResolved(draft: EventDraftOf<"approval_resolved">): Step {
  const { requestId: approvalId, decision } = draft;
  return inOrder(
    tell(draft),
    (model) => {
      const pendingApprovals = new Set(model.pendingApprovals);
      pendingApprovals.delete(approvalId);
      return keep([{ kind: "approval_closed", approvalId, decision }], { pendingApprovals })(model);
    },
    (model) =>
      model.status === "waiting" && model.pendingApprovals.size === 0
        ? moveTo("running")(model)
        : unchanged(model),
  );
}
