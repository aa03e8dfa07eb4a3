/**
 * Owns deciding an approval (spec §22, §86). Deciding is a command of its own, `resolve_approval`, so a refused
 * attempt is on record too. The decision, the command's move and the wake-up are one commit.
 */
import type { Command, Principal } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import { decodeId, encodeId } from "../core/ids.ts";
import { digest, type JsonObject, unstorable } from "../core/json.ts";
import { canResolveApproval } from "../core/transitions.ts";
import type { ApprovalStatus, IngressType } from "../core/vocabulary.ts";
import { type Act, allowAct, beginAct, finishAct, refuseAct } from "./acts.ts";
import {
  type Approval,
  askedText,
  type Decision,
  hasVoted,
  standingOf,
  type Vote,
} from "./approvals.ts";
import { eventOf } from "./audit.ts";
import { boundHash } from "./gate.ts";
import { askForChanges } from "./input.ts";
import { isoTime, type Kit } from "./kit.ts";
import { leaveOutWhatLeaves } from "./leave-out.ts";
import { moveCommand } from "./move.ts";
import { closeOpenQuestions, expireApprovals } from "./open-questions.ts";
import { wake } from "./runs.ts";
import type { Store, Tx } from "./store.ts";

export interface ResolveRequest {
  /** The outside form, `appr_…`. */
  readonly approvalId: string;
  readonly decision: Decision;
  /** With `request_changes`: what is asked for. Then it is needed. */
  readonly reason?: string;
  readonly principal: Principal;
  readonly traceId: string;
  /** APR-18: a decision from outside that may arrive twice. Default `user_request`. */
  readonly ingress?: IngressType;
  readonly idempotencyKey?: string;
}

export interface DelegateRequest {
  readonly approvalId: string;
  /** Who decides in the place of `principal`. */
  readonly to: string;
  readonly principal: Principal;
  readonly traceId: string;
}

export interface ApprovalService {
  /**
   * Throws `not_found`, `not_approver`, `self_approval_refused`, `approval_already_decided` (also when it
   * expired, was cancelled, or this person has voted), `approval_stale`, `validation_error`. Still `pending` while
   * more people have to approve.
   */
  resolve(request: ResolveRequest): Promise<Approval>;
  /** Lets somebody else decide in one's place. Throws as `resolve` does. */
  delegate(request: DelegateRequest): Promise<Approval>;
  get(principal: Principal, id: string): Promise<Approval>;
}

const REASON_CHARACTERS_MAX = 2_000;
const USER_CHARACTERS_MAX = 200;
const DELEGATIONS_MAX = 50;

export function createApprovalService(store: Store, kit: Kit): ApprovalService {
  const settle = async (outcome: Promise<Approval | Refusal>): Promise<Approval> => {
    const value = await outcome;
    if (value instanceof Refusal) throw value;
    return value;
  };
  return {
    get: (principal, id) => findOwn(store, principal, id),
    resolve: async (request) => {
      checkReason(request);
      const approval = await findOwn(store, request.principal, request.approvalId);
      return settle(store.transaction((tx) => resolveWithin(tx, kit, approval, request)));
    },
    delegate: async (request) => {
      checkUser(request.to);
      const approval = await findOwn(store, request.principal, request.approvalId);
      return settle(store.transaction((tx) => delegateWithin(tx, kit, approval, request)));
    },
  };
}

async function resolveWithin(
  tx: Tx,
  kit: Kit,
  found: Approval,
  request: ResolveRequest,
): Promise<Approval | Refusal> {
  const { target, approval } = await underLock(tx, found);
  const { decision, reason = null, idempotencyKey } = request;
  const payload = { approval_id: encodeId("approval", approval.approvalId), decision, reason };
  const earlier = await repeated(tx, kit, request, payload);
  if (earlier !== undefined) return earlier ? approval : repeatedOtherwise(idempotencyKey);
  const act = actOf("resolve_approval", request, payload, target);
  const deciding = await beginAct(tx, kit, act);
  const refusal = await refusalOf(tx, kit, approval, target, request);
  if (refusal !== undefined) {
    const errorClass = refusal.code === "not_approver" ? "permission_denied" : "policy_denied";
    return refuseAct(tx, act, deciding, refusal, errorClass);
  }
  await allowAct(tx, act, deciding, "the approver decides");
  const decided = await decide(tx, kit, approval, target, request);
  await finishAct(tx, deciding, { approval_id: payload.approval_id, decision });
  return decided;
}

/** APR-18: whether the same decision was already made under its key; undefined when the key is new. */
async function repeated(
  tx: Tx,
  kit: Kit,
  { principal, idempotencyKey }: ResolveRequest,
  payload: JsonObject,
): Promise<boolean | undefined> {
  if (idempotencyKey === undefined) return undefined;
  const { tenant } = principal;
  const earlier = await tx.commands.findByKey(tenant, "resolve_approval", idempotencyKey);
  return earlier === undefined ? undefined : earlier.requestHash === digest(kit.hash, payload);
}

function repeatedOtherwise(key: string | undefined): Refusal {
  return new Refusal("idempotency_conflict", `The key "${key}" already made another decision.`);
}

async function decide(
  tx: Tx,
  kit: Kit,
  approval: Approval,
  target: Command,
  request: ResolveRequest,
): Promise<Approval> {
  const { decision, principal } = request;
  const onBehalfOf = standingOf(principal, approval)?.onBehalfOf ?? null;
  const vote: Vote = { by: principal.user, onBehalfOf, at: isoTime(kit.nowMs()) };
  const missing = approval.quorum - approval.votes.length - 1;
  if (decision === "approved" && missing > 0) {
    await tell(tx, target, approval, request, "approval_voted", vote, { missing });
    return tx.approvals.vote(approval.approvalId, vote);
  }
  if (decision === "approved") await tx.approvals.vote(approval.approvalId, vote);
  const status: ApprovalStatus = decision === "approved" ? "approved" : "rejected";
  const { approvalId } = approval;
  const reason = request.reason ?? null;
  const closed = await tx.approvals.close(approvalId, status, principal.user, decision, reason);
  if (closed === undefined) throw new Error("an approval was decided under its lock");
  await tell(tx, target, approval, request, "approval_resolved", vote, {});
  const { onRejected = "fail" } = kit.catalog.approvalType(approval.approvalType);
  await moveTarget(tx, kit, target, request, onRejected);
  return closed;
}

async function tell(
  tx: Tx,
  target: Command,
  approval: Approval,
  { decision, reason, principal }: ResolveRequest,
  eventType: "approval_voted" | "approval_resolved",
  vote: Vote,
  more: JsonObject,
): Promise<void> {
  const id = encodeId("approval", approval.approvalId);
  const payload = {
    approval_id: id,
    decision,
    decided_by: principal.user,
    reason: reason ?? null,
    ...(vote.onBehalfOf === null ? {} : { on_behalf_of: vote.onBehalfOf }),
    ...more,
  };
  const about = { actor: principal.user, target: { type: "approval", id } };
  await tx.events.append([eventOf(target, eventType, payload, about)]);
}

/** One rejection ends the command, or what leaves it; it goes on when the last open question is approved. */
async function moveTarget(
  tx: Tx,
  kit: Kit,
  target: Command,
  { decision, reason, principal }: ResolveRequest,
  onRejected: "fail" | "go_on",
): Promise<void> {
  const actor = principal.user;
  if (decision === "approved") {
    const all = await tx.approvals.ofCommand(target.commandId);
    if (all.some((one) => one.status === "pending")) return;
    await wake(tx, kit, await moveCommand(tx, target, "approved", { actor }));
    return;
  }
  const why = decision === "rejected" ? "another approval was rejected" : "changes were asked for";
  await closeOpenQuestions(tx, target, "cancelled", why, actor);
  if (decision === "request_changes") {
    const questions = [{ text: reason ?? "", fields: [] }];
    await askForChanges(tx, kit, target, { actor, questions });
    return;
  }
  const because = reason === undefined ? "" : `: ${reason}`;
  const message = `${actor} rejected it${because}`;
  const task = kit.catalog.task(target.taskName);
  if (onRejected === "go_on" && task !== undefined) {
    const rest = await leaveOutWhatLeaves(tx, target, task);
    const details = { actor, reason: message, facts: { goesOnWithout: true } };
    await wake(tx, kit, await moveCommand(tx, rest, "queued", details));
    return;
  }
  const failure = { errorClass: "approval_rejected", message } as const;
  await wake(tx, kit, await moveCommand(tx, target, "failed", { actor, failure }));
}

async function refusalOf(
  tx: Tx,
  kit: Kit,
  approval: Approval,
  target: Command,
  { principal, decision }: ResolveRequest,
): Promise<Refusal | undefined> {
  const closed = await closedRefusal(tx, kit, approval, target);
  if (closed !== undefined) return closed;
  const standing = standingOf(principal, approval);
  if (standing === undefined) {
    return new Refusal("not_approver", `Only ${askedText(approval)} may decide this.`);
  }
  const type = kit.catalog.approvalType(approval.approvalType);
  if (approval.requestedBy === principal.user && type.allowSelfApproval !== true) {
    const message = "Whoever asked may not decide; ask another approver.";
    return new Refusal("self_approval_refused", message);
  }
  const values = type.decisionValues ?? DECISIONS;
  if (!values.includes(decision)) {
    const message = `${type.name} is decided by ${values.join(" or ")}.`;
    return new Refusal("validation_error", message);
  }
  if (hasVoted(approval.votes, principal.user, standing.onBehalfOf)) {
    const message = "You have approved it already; others have to decide as well.";
    return new Refusal("approval_already_decided", message);
  }
  if (target.plan === null || boundHash(kit, target, target.plan) !== approval.boundHash) {
    const message = "The command is no longer what the approver was asked about; submit it again.";
    return new Refusal("approval_stale", message);
  }
  return undefined;
}

const DECISIONS: readonly Decision[] = ["approved", "rejected", "request_changes"];

/** Decided, cancelled or out of time. One that is out of time is expired here, if the run did not do it yet. */
async function closedRefusal(
  tx: Tx,
  kit: Kit,
  approval: Approval,
  target: Command,
): Promise<Refusal | undefined> {
  if (!canResolveApproval(approval.status, "approved")) {
    const by = approval.decidedBy === null ? "" : ` by ${approval.decidedBy}`;
    const message = `The approval was already ${approval.status}${by}; nothing was changed.`;
    return new Refusal("approval_already_decided", message);
  }
  if (Date.parse(approval.expiresAt) > kit.nowMs()) return undefined;
  await expireApprovals(tx, kit, target);
  await wake(tx, kit, target);
  const message = `The approval expired at ${approval.expiresAt}; submit the command again.`;
  return new Refusal("approval_already_decided", message);
}

async function delegateWithin(
  tx: Tx,
  kit: Kit,
  found: Approval,
  request: DelegateRequest,
): Promise<Approval | Refusal> {
  const { target, approval } = await underLock(tx, found);
  const { principal, to } = request;
  const id = encodeId("approval", approval.approvalId);
  const act = actOf("delegate_approval", request, { approval_id: id, to }, target);
  const begun = await beginAct(tx, kit, act);
  const refusal =
    (await closedRefusal(tx, kit, approval, target)) ?? delegationRefusal(kit, approval, request);
  if (refusal !== undefined) return refuseAct(tx, act, begun, refusal, "permission_denied");
  await allowAct(tx, act, begun, `${principal.user} was asked`);
  const at = isoTime(kit.nowMs());
  const delegated = await tx.approvals.delegate(approval.approvalId, {
    by: principal.user,
    to,
    at,
  });
  const about = { actor: principal.user, target: { type: "approval", id } };
  const payload = { approval_id: id, by: principal.user, to };
  await tx.events.append([eventOf(target, "approval_delegated", payload, about)]);
  await finishAct(tx, begun, { approval_id: id, to });
  return delegated;
}

/** A say can be handed on once, not back to who asked, and not after it was used. */
function delegationRefusal(
  kit: Kit,
  approval: Approval,
  { principal, to }: DelegateRequest,
): Refusal | undefined {
  const standing = standingOf(principal, approval);
  if (standing === undefined || standing.onBehalfOf !== null) {
    return new Refusal("not_approver", `Only ${askedText(approval)} may let somebody else decide.`);
  }
  const type = kit.catalog.approvalType(approval.approvalType);
  if (approval.requestedBy === to && type.allowSelfApproval !== true) {
    return new Refusal(
      "self_approval_refused",
      "Whoever asked may not decide; name somebody else.",
    );
  }
  const isHanded = approval.delegations.some((one) => one.by === principal.user);
  if (isHanded || hasVoted(approval.votes, principal.user, null)) {
    return new Refusal("approval_already_decided", "You have decided, or named somebody, already.");
  }
  return approval.delegations.length < DELEGATIONS_MAX
    ? undefined
    : new Refusal("validation_error", `At most ${DELEGATIONS_MAX} people may be named.`);
}

async function underLock(tx: Tx, found: Approval) {
  const target = await tx.commands.lock(found.commandId);
  const approval = await tx.approvals.find(found.approvalId);
  if (target === undefined || approval === undefined) {
    throw new Error("an approval lost its command");
  }
  return { target, approval };
}

function actOf(
  commandType: string,
  request: Pick<ResolveRequest, "principal" | "traceId" | "ingress" | "idempotencyKey">,
  payload: JsonObject,
  target: Command,
): Act {
  const { principal, traceId, ingress, idempotencyKey } = request;
  return {
    commandType,
    principal,
    traceId,
    payload,
    target,
    policy: "approver",
    ...(ingress === undefined ? {} : { ingress }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
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

function checkReason({ reason, decision }: ResolveRequest): void {
  const problem =
    unstorable(reason ?? "", "reason") ??
    ((reason?.length ?? 0) > REASON_CHARACTERS_MAX
      ? `reason is longer than ${REASON_CHARACTERS_MAX} characters`
      : decision === "request_changes" && (reason ?? "").trim() === ""
        ? "say in reason what should be changed"
        : undefined);
  if (problem !== undefined) throw new Refusal("validation_error", problem);
}

function checkUser(to: string): void {
  const isName = to !== "" && to.length <= USER_CHARACTERS_MAX && unstorable(to) === undefined;
  if (!isName)
    throw new Refusal("validation_error", `to needs 1 to ${USER_CHARACTERS_MAX} characters`);
}
