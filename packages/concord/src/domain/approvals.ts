/**
 * Owns what an approval is: a question to a person or group about one command (APR-1, APR-2), and who may answer:
 * whoever was asked, whoever stands in for them, and after a while whoever it was escalated to. Pure.
 */
import type { Principal } from "../core/command.ts";
import type { ApprovalId, CommandId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { Approver } from "../core/policy.ts";
import type { ApprovalDecision, ApprovalStatus, RiskLevel } from "../core/vocabulary.ts";

export type Decision = ApprovalDecision;

/** One person's approval where several are needed. */
export interface Vote {
  readonly by: string;
  /** Who was asked, when `by` stands in for them. */
  readonly onBehalfOf: string | null;
  readonly at: string;
}

export interface Delegation {
  readonly by: string;
  readonly to: string;
  readonly at: string;
}

export interface Approval {
  readonly approvalId: ApprovalId;
  readonly commandId: CommandId;
  readonly rootCommandId: CommandId;
  readonly tenantId: string;
  readonly approvalType: string;
  readonly status: ApprovalStatus;
  readonly approver: Approver;
  readonly requestedBy: string;
  readonly reviewPacket: JsonObject;
  /** Digest of payload, facts and steps at the time of asking (APR-17). */
  readonly boundHash: string;
  readonly riskLevel: RiskLevel;
  readonly expiresAt: string;
  /** How many different people have to approve; one rejection is enough. */
  readonly quorum: number;
  readonly votes: readonly Vote[];
  readonly delegations: readonly Delegation[];
  /** When and to whom it goes if it is still open; null when it does not. */
  readonly escalation: { readonly at: string; readonly to: Approver } | null;
  readonly escalatedAt: string | null;
  readonly createdAt: string;
  readonly decidedAt: string | null;
  readonly decidedBy: string | null;
  readonly decision: string | null;
  readonly decisionReason: string | null;
}

/** Whether `principal` is the user, or in the group, that was asked. */
export function isApprover(principal: Principal, approver: Approver): boolean {
  return approver.kind === "user"
    ? principal.user === approver.name
    : principal.roles.includes(approver.name);
}

/** Whose say `principal` has: their own, or that of who handed it to them; undefined when none. */
export function standingOf(
  principal: Principal,
  approval: Approval,
): { readonly onBehalfOf: string | null } | undefined {
  const { approver, escalation, escalatedAt, delegations } = approval;
  const isAsked = isApprover(principal, approver);
  const isEscalatedTo =
    escalation !== null && escalatedAt !== null && isApprover(principal, escalation.to);
  if (isAsked || isEscalatedTo) return { onBehalfOf: null };
  const handed = delegations.find((one) => one.to === principal.user);
  return handed === undefined ? undefined : { onBehalfOf: handed.by };
}

/** A person and whoever stands in for them have one vote together. */
export function hasVoted(votes: readonly Vote[], user: string, onBehalfOf: string | null): boolean {
  const people = [user, ...(onBehalfOf === null ? [] : [onBehalfOf])];
  return votes.some(
    (vote) =>
      people.includes(vote.by) || (vote.onBehalfOf !== null && people.includes(vote.onBehalfOf)),
  );
}

/** Everyone who was asked, for messages. */
export function askedText({ approver, escalation, escalatedAt }: Approval): string {
  const also =
    escalation === null || escalatedAt === null
      ? ""
      : ` or the ${escalation.to.kind} ${escalation.to.name}`;
  return `the ${approver.kind} ${approver.name}${also}`;
}
