/** Owns what stands between a plan and its execution: the approval rows, or the queue (APR-5, POL-11). */

import { boundContent, type Command, type ExecutionPlan } from "../core/command.ts";
import { type ArtifactId, asId, encodeId } from "../core/ids.ts";
import { digest, isJsonObject } from "../core/json.ts";
import type { CombinedDecision, RequiredApproval } from "../core/policy.ts";
import { buildReviewPacket, packetJson } from "../core/review-packet.ts";
import { eventOf } from "./audit.ts";
import { guarded } from "./contract-code.ts";
import { isoTime, type Kit } from "./kit.ts";
import { approvalsNeeded } from "./make-plan.ts";
import { moveCommand } from "./move.ts";
import type { PlannedCommand } from "./plan-command.ts";
import { startOrPark } from "./runs.ts";
import type { NewApproval, Tx } from "./store.ts";
import { type ApprovalTypeDefinition, riskOf, type Task } from "./tasks.ts";

interface Gate {
  readonly command: Command;
  readonly task: Task;
  readonly planned: PlannedCommand;
  readonly combined: CombinedDecision;
}

/**
 * Opens the way (queued), and the workflow starts with this commit, or asks people first. One that came back from
 * waiting is woken by whoever moved it.
 */
export async function openGate(tx: Tx, kit: Kit, gate: Gate): Promise<Command> {
  const { command, task, combined, planned } = gate;
  const isBack = command.workflowId !== null;
  const needed = approvalsNeeded(task, combined);
  try {
    const preview = needed.length === 0 ? undefined : await keepPreview(tx, kit, gate);
    const questions = needed.map((one) => questionOf(kit, gate, one, preview));
    for (const question of questions) await ask(tx, command, question);
  } catch (error) {
    if (!(error instanceof UnreadablePacket)) throw error;
    const failure = { errorClass: "policy_denied", message: error.message } as const;
    return moveCommand(tx, command, "failed", { failure, planned });
  }
  const moved =
    needed.length > 0
      ? await moveCommand(tx, command, "waiting_for_approval", {
          reason: combined.reasons.join("; "),
          planned,
        })
      : await moveCommand(tx, command, "queued", { planned });
  return isBack ? moved : startOrPark(tx, moved, task);
}

/** The digest of what an approver is asked about (APR-17). */
export function boundHash(kit: Kit, command: Command, plan: ExecutionPlan): string {
  const { taskName, payload, facts } = command;
  return digest(kit.hash, boundContent({ taskName, payload, facts, plan }));
}

/** Nobody is asked to decide on half a story, so the command fails closed. */
class UnreadablePacket extends Error {}

function questionOf(
  kit: Kit,
  gate: Gate,
  needed: RequiredApproval,
  preview: ArtifactId | undefined,
): NewApproval {
  const { command, planned, task } = gate;
  const type = kit.catalog.approvalType(needed.approvalType);
  const minutes = needed.expiresInMinutes ?? type.defaultExpiryMinutes;
  const expiresAt = isoTime(kit.nowMs() + minutes * 60_000);
  const bound = boundHash(kit, command, planned.plan);
  return {
    approvalId: asId("approval", kit.newId()),
    commandId: command.commandId,
    rootCommandId: command.rootCommandId,
    tenantId: command.tenantId,
    approvalType: type.name,
    approver: needed.approver,
    requestedBy: command.requestedBy,
    reviewPacket: packetOf(gate, type, expiresAt, bound, preview),
    boundHash: bound,
    riskLevel: riskOf(task, command),
    expiresAt,
    quorum: type.quorum ?? 1,
    escalation: escalationOf(kit, type, minutes),
  };
}

/** Never at or after the end: somebody has to have time left. */
function escalationOf(
  kit: Kit,
  { escalation }: ApprovalTypeDefinition,
  expiresInMinutes: number,
): NewApproval["escalation"] {
  if (escalation === undefined || escalation.afterMinutes >= expiresInMinutes) return null;
  return { at: isoTime(kit.nowMs() + escalation.afterMinutes * 60_000), to: escalation.to };
}

/** What approvers may open beside the packet; kept, so that the record shows what they saw. */
async function keepPreview(
  tx: Tx,
  kit: Kit,
  { command, task }: Gate,
): Promise<ArtifactId | undefined> {
  if (task.preview === undefined) return undefined;
  const { payload, facts, context } = command;
  const made = guarded(
    () => ({ ...task.preview?.({ payload, facts, requester: context.actor }) }),
    "the preview",
  );
  const preview = "value" in made ? made.value : undefined;
  const { title, content } = preview ?? {};
  if (typeof title !== "string" || !isJsonObject(content)) {
    const why = "failure" in made ? made.failure.message : "it has no title or content";
    throw new UnreadablePacket(`the preview could not be written: ${why}`);
  }
  const round = (await tx.approvals.ofCommand(command.commandId)).length;
  const artifactId = asId("artifact", kit.newId());
  await tx.artifacts.insert({
    artifactId,
    tenantId: command.tenantId,
    commandId: command.commandId,
    stepId: `preview:${round}`,
    artifactType: "approval_packet",
    version: 1,
    parentArtifactId: null,
    location: null,
    title,
    status: "draft",
    visibility: "tenant",
    content,
    checksum: digest(kit.hash, content),
    lineage: { command_id: encodeId("command", command.commandId) },
    creator: command.requestedBy,
  });
  const external = encodeId("artifact", artifactId);
  const told = { artifact_id: external, artifact_type: "approval_packet", title };
  const about = { target: { type: "artifact", id: external } };
  await tx.events.append([eventOf(command, "artifact_created", told, about)]);
  return artifactId;
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

function packetOf(
  { command, task, combined }: Gate,
  type: ApprovalTypeDefinition,
  expiresAt: string,
  payloadHash: string,
  preview: ArtifactId | undefined,
) {
  const { payload, facts, context } = command;
  const summary = summaryOf(task, { payload, facts, requester: context.actor });
  const about = {
    requester: command.requestedBy,
    triggering_policy: combined.decidedBy.join(", "),
    risk_level: riskOf(task, command),
    expires_at: expiresAt,
    payload_hash: payloadHash,
    ...(preview === undefined ? {} : { preview_artifact_id: encodeId("artifact", preview) }),
  };
  const built = buildReviewPacket(summary, about, type.requiredFields);
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
