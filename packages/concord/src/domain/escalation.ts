/** Owns handing an undecided approval on (spec §22): who was asked still may decide, and somebody else as well. */
import type { Command } from "../core/command.ts";
import { encodeId } from "../core/ids.ts";
import type { Approval } from "./approvals.ts";
import { eventOf } from "./audit.ts";
import type { Kit } from "./kit.ts";
import type { Tx } from "./store.ts";

/** Escalates what is due and returns when the next one is, in epoch milliseconds; `Infinity` when none is. */
export async function escalateDue(
  tx: Tx,
  kit: Kit,
  command: Command,
  pending: readonly Approval[],
): Promise<number> {
  let nextMs = Number.POSITIVE_INFINITY;
  for (const { approvalId, escalation, escalatedAt } of pending) {
    if (escalation === null || escalatedAt !== null) continue;
    const dueMs = Date.parse(escalation.at);
    if (kit.nowMs() < dueMs) {
      nextMs = Math.min(nextMs, dueMs);
      continue;
    }
    await tx.approvals.escalate(approvalId);
    const id = encodeId("approval", approvalId);
    const payload = { approval_id: id, to: escalation.to.name, to_kind: escalation.to.kind };
    const about = { target: { type: "approval", id } };
    await tx.events.append([eventOf(command, "approval_escalated", payload, about)]);
  }
  return nextMs;
}
