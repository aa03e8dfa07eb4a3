/** Owns what stands between a plan and its execution: the approval rows, or the queue (APR-5, POL-11). */

import { chooseQueue } from "../core/classify.ts";
import { boundContent, type Command, type ExecutionPlan } from "../core/command.ts";
import { asId, encodeId } from "../core/ids.ts";
import { digest } from "../core/json.ts";
import type { CombinedDecision, RequiredApproval } from "../core/policy.ts";
import { buildReviewPacket, packetJson } from "../core/review-packet.ts";
import { eventOf } from "./audit.ts";
import { isoTime, type Kit } from "./kit.ts";
import { moveCommand } from "./move.ts";
import { approvalsNeeded, workflowIdOf } from "./plan-command.ts";
import type { NewApproval, Tx } from "./store.ts";
import type { Task } from "./tasks.ts";

interface Gate {
  readonly command: Command;
  readonly task: Task;
  readonly plan: ExecutionPlan;
  readonly combined: CombinedDecision;
}

/** Opens the way (queued) or asks people first; either way the workflow starts with this commit. */
export async function openGate(tx: Tx, kit: Kit, gate: Gate): Promise<Command> {
  const { command, task, combined } = gate;
  const needed = approvalsNeeded(task, combined);
  try {
    const questions = needed.map((one) => questionOf(kit, gate, one));
    for (const question of questions) await ask(tx, command, question);
  } catch (error) {
    if (!(error instanceof UnreadablePacket)) throw error;
    const failure = { errorClass: "policy_denied", message: error.message } as const;
    return moveCommand(tx, command, "failed", { failure });
  }
  const moved =
    needed.length > 0
      ? await moveCommand(tx, command, "waiting_for_approval", {
          reason: combined.reasons.join("; "),
        })
      : await moveCommand(tx, command, "queued");
  const queue = queueOf(task);
  await tx.outbox.start(workflowIdOf(command), command.commandId, queue, command.context.actor);
  await tx.events.append([eventOf(moved, "task_enqueued", { queue })]);
  return moved;
}

/** The digest of what an approver is asked about (APR-17). */
export function boundHash(kit: Kit, command: Command, plan: ExecutionPlan): string {
  const { taskName, payload, facts } = command;
  return digest(kit.hash, boundContent({ taskName, payload, facts, plan }));
}

/** Nobody is asked to decide on half a story, so the command fails closed. */
class UnreadablePacket extends Error {}

function questionOf(kit: Kit, gate: Gate, needed: RequiredApproval): NewApproval {
  const { command, plan, task } = gate;
  const type = kit.catalog.approvalType(needed.approvalType);
  const minutes = needed.expiresInMinutes ?? type.defaultExpiryMinutes;
  const expiresAt = isoTime(kit.nowMs() + minutes * 60_000);
  const bound = boundHash(kit, command, plan);
  return {
    approvalId: asId("approval", kit.newId()),
    commandId: command.commandId,
    rootCommandId: command.rootCommandId,
    tenantId: command.tenantId,
    approvalType: type.name,
    approver: needed.approver,
    requestedBy: command.requestedBy,
    reviewPacket: packetOf(gate, expiresAt, bound),
    boundHash: bound,
    riskLevel: task.riskLevel,
    expiresAt,
  };
}

async function ask(tx: Tx, command: Command, approval: NewApproval): Promise<void> {
  await tx.approvals.insert(approval);
  const approvalId = encodeId("approval", approval.approvalId);
  await tx.events.append([
    eventOf(
      command,
      "approval_requested",
      {
        approval_id: approvalId,
        approval_type: approval.approvalType,
        approver: approval.approver.name,
        review_packet: approval.reviewPacket,
        expires_at: approval.expiresAt,
      },
      { target: { type: "approval", id: approvalId } },
    ),
  ]);
}

function packetOf({ command, task, combined }: Gate, expiresAt: string, payloadHash: string) {
  const { payload, facts, context } = command;
  const built = buildReviewPacket(summaryOf(task, { payload, facts, requester: context.actor }), {
    requester: command.requestedBy,
    triggering_policy: combined.decidedBy.join(", "),
    risk_level: task.riskLevel,
    expires_at: expiresAt,
    payload_hash: payloadHash,
  });
  if ("missing" in built) {
    throw new UnreadablePacket(`the review packet lacks ${built.missing.join(", ")}`);
  }
  return packetJson(built.packet);
}

function summaryOf(task: Task, view: Parameters<Task["review"]>[0]) {
  try {
    return task.review(view);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UnreadablePacket(`the review packet could not be written: ${message}`);
  }
}

function queueOf(task: Task) {
  if (task.runsAs === "agent_turn") return chooseQueue("agent.run", task.queue);
  const callsOut = task.steps.some((step) => step.kind === "connector");
  return chooseQueue(callsOut ? "connector.call" : task.name, task.queue);
}
