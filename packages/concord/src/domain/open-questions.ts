/** Owns closing what nobody decided: the pending approvals of a command that expired, was cancelled or rejected. */
import type { Command } from "../core/command.ts";
import { encodeId } from "../core/ids.ts";
import { eventOf } from "./audit.ts";
import type { Kit } from "./kit.ts";
import { moveCommand } from "./move.ts";
import type { Tx } from "./store.ts";

/** Closes every pending approval of `command` as `status`, each with its event. */
export async function closeOpenQuestions(
  tx: Tx,
  command: Command,
  status: "expired" | "cancelled",
  reason: string,
  actor = command.requestedBy,
): Promise<void> {
  for (const approval of await tx.approvals.ofCommand(command.commandId)) {
    if (approval.status !== "pending") continue;
    await tx.approvals.close(approval.approvalId, status, null, status, null);
    const payload = {
      approval_id: encodeId("approval", approval.approvalId),
      decision: status,
      decided_by: null,
      reason,
    };
    const target = { type: "approval", id: payload.approval_id };
    await tx.events.append([eventOf(command, "approval_resolved", payload, { actor, target })]);
  }
}

/** APR-5, STM-11: nobody decided in time. Closes every open question, and the command as its types say. */
export async function expireApprovals(tx: Tx, kit: Kit, command: Command): Promise<void> {
  const overdue = (await tx.approvals.ofCommand(command.commandId)).filter(
    (one) => one.status === "pending",
  );
  await closeOpenQuestions(tx, command, "expired", "nobody decided in time");
  const isFailure = overdue.some(
    (one) => kit.catalog.approvalType(one.approvalType).onExpired === "failed",
  );
  if (!isFailure) {
    await moveCommand(tx, command, "expired", { reason: "the approval expired" });
    return;
  }
  const failure = { errorClass: "approval_rejected", message: "nobody decided in time" } as const;
  await moveCommand(tx, command, "failed", { failure });
}
