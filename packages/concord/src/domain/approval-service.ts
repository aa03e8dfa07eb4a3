/**
 * Owns deciding an approval (spec §22, §86). Deciding is a command of its own, `resolve_approval`, so a refused
 * attempt is on record too. The decision, the command's move and the wake-up are one commit.
 */
import type { Command, Principal } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import { decodeId, encodeId } from "../core/ids.ts";
import { unstorable } from "../core/json.ts";
import { canResolveApproval } from "../core/transitions.ts";
import { type Act, allowAct, beginAct, finishAct, refuseAct } from "./acts.ts";
import { type Approval, type Decision, isApprover } from "./approvals.ts";
import { eventOf } from "./audit.ts";
import { boundHash } from "./gate.ts";
import type { Kit } from "./kit.ts";
import { moveCommand, wake } from "./move.ts";
import { closeOpenQuestions, expireApprovals } from "./open-questions.ts";
import type { Store, Tx } from "./store.ts";

export interface ResolveRequest {
  /** The outside form, `appr_…`. */
  readonly approvalId: string;
  readonly decision: Decision;
  readonly reason?: string;
  readonly principal: Principal;
  readonly traceId: string;
}

export interface ApprovalService {
  /**
   * Throws `not_found`, `not_approver`, `self_approval_refused`, `approval_already_decided` (also when it
   * expired or was cancelled), `approval_stale`.
   */
  resolve(request: ResolveRequest): Promise<Approval>;
  get(principal: Principal, id: string): Promise<Approval>;
}

const REASON_CHARACTERS_MAX = 2_000;

export function createApprovalService(store: Store, kit: Kit): ApprovalService {
  return {
    get: (principal, id) => findOwn(store, principal, id),
    resolve: async (request) => {
      checkReason(request.reason);
      const approval = await findOwn(store, request.principal, request.approvalId);
      const outcome = await store.transaction((tx) => resolveWithin(tx, kit, approval, request));
      if (outcome instanceof Refusal) throw outcome;
      return outcome;
    },
  };
}

/** Returns the refusal instead of throwing it: its record has to commit. */
async function resolveWithin(
  tx: Tx,
  kit: Kit,
  found: Approval,
  request: ResolveRequest,
): Promise<Approval | Refusal> {
  const target = await tx.commands.lock(found.commandId);
  const approval = await tx.approvals.find(found.approvalId);
  if (target === undefined || approval === undefined)
    throw new Error("an approval lost its command");
  const act = actOf(request, approval, target);
  const deciding = await beginAct(tx, kit, act);
  const refusal = await refusalOf(tx, kit, approval, target, request);
  if (refusal !== undefined) {
    const errorClass = refusal.code === "not_approver" ? "permission_denied" : "policy_denied";
    return refuseAct(tx, act, deciding, refusal, errorClass);
  }
  await allowAct(tx, act, deciding, "the approver decides");
  const closed = await decide(tx, approval, target, request);
  const { approvalId, decision } = request;
  await finishAct(tx, deciding, { approval_id: approvalId, decision });
  return closed;
}

async function decide(
  tx: Tx,
  approval: Approval,
  target: Command,
  request: ResolveRequest,
): Promise<Approval> {
  const { decision, principal } = request;
  const reason = request.reason ?? null;
  const closed = await tx.approvals.close(
    approval.approvalId,
    decision,
    principal.user,
    decision,
    reason,
  );
  if (closed === undefined) throw new Error("an approval was decided under its lock");
  const payload = {
    approval_id: encodeId("approval", approval.approvalId),
    decision,
    decided_by: principal.user,
    reason,
  };
  await tx.events.append([
    eventOf(target, "approval_resolved", payload, {
      actor: principal.user,
      target: { type: "approval", id: payload.approval_id },
    }),
  ]);
  await moveTarget(tx, target, request);
  return closed;
}

/** One rejection ends the command; it goes on when the last open question is approved. */
async function moveTarget(tx: Tx, target: Command, request: ResolveRequest): Promise<void> {
  const actor = request.principal.user;
  if (request.decision === "rejected") {
    await closeOpenQuestions(tx, target, "cancelled", "another approval was rejected", actor);
    const because = request.reason === undefined ? "" : `: ${request.reason}`;
    const message = `${actor} rejected it${because}`;
    const failure = { errorClass: "approval_rejected", message } as const;
    await wake(tx, await moveCommand(tx, target, "failed", { actor, failure }));
    return;
  }
  const all = await tx.approvals.ofCommand(target.commandId);
  if (all.some((one) => one.status === "pending")) return;
  await wake(tx, await moveCommand(tx, target, "approved", { actor }));
}

async function refusalOf(
  tx: Tx,
  kit: Kit,
  approval: Approval,
  target: Command,
  { principal, decision }: ResolveRequest,
): Promise<Refusal | undefined> {
  if (!canResolveApproval(approval.status, decision)) {
    const by = approval.decidedBy === null ? "" : ` by ${approval.decidedBy}`;
    const message = `The approval was already ${approval.status}${by}; nothing was changed.`;
    return new Refusal("approval_already_decided", message);
  }
  if (Date.parse(approval.expiresAt) <= kit.nowMs()) {
    await expireApprovals(tx, target);
    await wake(tx, target);
    const message = `The approval expired at ${approval.expiresAt}; submit the command again.`;
    return new Refusal("approval_already_decided", message);
  }
  if (!isApprover(principal, approval.approver)) {
    const { kind, name } = approval.approver;
    return new Refusal("not_approver", `Only the ${kind} ${name} may decide this.`);
  }
  const type = kit.catalog.approvalType(approval.approvalType);
  if (approval.requestedBy === principal.user && type.allowSelfApproval !== true) {
    const message = "Whoever asked may not decide; ask another approver.";
    return new Refusal("self_approval_refused", message);
  }
  if (target.plan === null || boundHash(kit, target, target.plan) !== approval.boundHash) {
    const message = "The command is no longer what the approver was asked about; submit it again.";
    return new Refusal("approval_stale", message);
  }
  return undefined;
}

function actOf(request: ResolveRequest, approval: Approval, target: Command): Act {
  const { decision, reason = null, principal, traceId } = request;
  const payload = { approval_id: encodeId("approval", approval.approvalId), decision, reason };
  return {
    commandType: "resolve_approval",
    principal,
    traceId,
    payload,
    target,
    policy: "approver",
  };
}

async function findOwn(store: Store, principal: Principal, id: string): Promise<Approval> {
  const approvalId = decodeId("approval", id);
  const approval =
    approvalId === undefined ? undefined : await store.read((tx) => tx.approvals.find(approvalId));
  if (approval === undefined || approval.tenantId !== principal.tenant) {
    throw new Refusal(
      "not_found",
      "There is no such approval; ids look like appr_ and 32 hex digits.",
    );
  }
  return approval;
}

function checkReason(reason: string | undefined): void {
  const problem =
    unstorable(reason ?? "", "reason") ??
    ((reason?.length ?? 0) > REASON_CHARACTERS_MAX
      ? `reason is longer than ${REASON_CHARACTERS_MAX} characters`
      : undefined);
  if (problem !== undefined) throw new Refusal("validation_error", problem);
}
