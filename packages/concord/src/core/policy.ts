/**
 * Owns policy evaluation (POL-1…POL-7, POL-19): every policy runs, the strictest outcome wins, all reasons are
 * kept. Refuses to own: gathering facts and storing decisions. Pure: what a policy needs is passed in.
 */
import type { Principal } from "./command.ts";
import type { JsonObject } from "./json.ts";
import type { IngressType, PolicyCategory, PolicyOutcome, RiskLevel } from "./vocabulary.ts";

/** a denial outweighs any number of allowances, in whatever order policies run. */
export const STRICTEST_FIRST: readonly PolicyOutcome[] = [
  "deny",
  "escalate",
  "require_more_input",
  "require_approval",
  "redact",
  "route_async",
  "route_sync",
  "allow",
];

/** One operation the task may perform outside. */
export interface ConnectorUse {
  readonly connector: string;
  readonly operation: string;
  readonly sideEffect: boolean;
}

/** POL-7: requester, intended action, connector and tool, data touched, side effects, approval. */
export interface PolicyInput {
  readonly requester: Principal;
  readonly action: {
    readonly taskName: string;
    readonly commandType: string;
    readonly ingress: IngressType;
    readonly payload: JsonObject;
    readonly riskLevel: RiskLevel;
  };
  readonly connectors: readonly ConnectorUse[];
  readonly dataTouched: readonly string[];
  readonly sideEffects: readonly string[];
  readonly approvalAlwaysRequired: boolean;
  readonly facts: JsonObject;
}

export interface Approver {
  readonly kind: "user" | "group";
  readonly name: string;
}

export interface RequiredApproval {
  readonly approvalType: string;
  readonly approver: Approver;
  /** Absent: the approval type's own default. */
  readonly expiresInMinutes?: number;
}

export interface PolicyFinding {
  readonly decision: PolicyOutcome;
  readonly reasons: readonly string[];
  readonly requiredApprovals?: readonly RequiredApproval[];
}

export interface Policy {
  readonly name: string;
  readonly version: string;
  readonly category: PolicyCategory;
  readonly evaluate: (input: PolicyInput) => PolicyFinding;
}

export interface PolicyDecision {
  readonly policy: string;
  readonly version: string;
  readonly decision: PolicyOutcome;
  readonly reasons: readonly string[];
  readonly requiredApprovals: readonly RequiredApproval[];
}

export interface CombinedDecision {
  readonly decision: PolicyOutcome;
  /** Reasons of the policies that decided. */
  readonly reasons: readonly string[];
  readonly decidedBy: readonly string[];
  readonly requiredApprovals: readonly RequiredApproval[];
}

/** Runs every policy. One that throws denies (fail closed); its message is a reason. */
export function evaluatePolicies(
  policies: readonly Policy[],
  input: PolicyInput,
): readonly PolicyDecision[] {
  return policies.map((policy) => {
    const { name, version } = policy;
    const finding = findingOf(policy, input);
    return { policy: name, version, ...finding };
  });
}

/** Combines decisions. No policy at all denies: silence is not consent. */
export function combineDecisions(decisions: readonly PolicyDecision[]): CombinedDecision {
  const decision = STRICTEST_FIRST.find((outcome) =>
    decisions.some((one) => one.decision === outcome),
  );
  if (decision === undefined) {
    return {
      decision: "deny",
      reasons: ["no policy applies"],
      decidedBy: [],
      requiredApprovals: [],
    };
  }
  const deciding = sorted(decisions.filter((one) => one.decision === decision));
  return {
    decision,
    reasons: deciding.flatMap((one) => one.reasons),
    decidedBy: deciding.map((one) => one.policy),
    requiredApprovals: uniqueApprovals(sorted(decisions).flatMap((one) => one.requiredApprovals)),
  };
}

function findingOf(policy: Policy, input: PolicyInput) {
  try {
    const { decision, reasons, requiredApprovals = [] } = policy.evaluate(input);
    return { decision, reasons, requiredApprovals };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const reasons = [`unknown_error: the policy failed (${message}), so it denies`];
    return { decision: "deny" as const, reasons, requiredApprovals: [] };
  }
}

function sorted(decisions: readonly PolicyDecision[]): readonly PolicyDecision[] {
  return [...decisions].sort((a, b) => (a.policy < b.policy ? -1 : a.policy > b.policy ? 1 : 0));
}

function uniqueApprovals(approvals: readonly RequiredApproval[]): readonly RequiredApproval[] {
  const keyOf = (one: RequiredApproval) =>
    `${one.approvalType}/${one.approver.kind}/${one.approver.name}`;
  return [...new Map(approvals.map((one) => [keyOf(one), one])).values()];
}
