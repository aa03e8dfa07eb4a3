/**
 * Owns policy evaluation (POL-1…POL-7, POL-19): every policy runs, the strictest outcome wins, all reasons are
 * kept; a policy in shadow is judged and recorded and never decides. Refuses to own: gathering facts and storing
 * decisions. Pure: what a policy needs is passed in.
 */
import type { Place, Principal } from "./command.ts";
import type { JsonObject } from "./json.ts";
import {
  type IngressType,
  POLICY_OUTCOMES,
  type PolicyCategory,
  type PolicyOutcome,
  type RiskLevel,
} from "./vocabulary.ts";

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
    /** Absent: the caller did not say. */
    readonly place?: Place;
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
  /** JSON Pointers into the payload, e.g. `/guest/email`, masked before anything is planned (POL-12). */
  readonly redactions?: readonly string[];
}

/** `shadow`: evaluated and recorded, never decides. A rule is watched there before it is trusted. */
export type PolicyMode = "enforce" | "shadow";

export interface Policy {
  readonly name: string;
  readonly version: string;
  readonly category: PolicyCategory;
  /** Default `enforce`. */
  readonly mode?: PolicyMode;
  /** Default `code`: what the rule is written in. */
  readonly language?: "code" | "cel" | "cedar";
  /** Approvals that it may ask for, so that the catalog can be checked before the first use. */
  readonly approvalTypes?: readonly string[];
  /** Why the policy cannot be used at all. The catalog refuses it; were it asked, it would deny. */
  readonly problems?: readonly string[];
  readonly evaluate: (input: PolicyInput) => PolicyFinding;
}

export interface PolicyDecision {
  readonly policy: string;
  readonly version: string;
  readonly mode: PolicyMode;
  readonly decision: PolicyOutcome;
  readonly reasons: readonly string[];
  readonly requiredApprovals: readonly RequiredApproval[];
  readonly redactions: readonly string[];
}

export interface CombinedDecision {
  readonly decision: PolicyOutcome;
  /** Reasons of the policies that decided. */
  readonly reasons: readonly string[];
  readonly decidedBy: readonly string[];
  readonly requiredApprovals: readonly RequiredApproval[];
  /** What every enforced policy together wants masked, whatever the decision. */
  readonly redactions: readonly string[];
}

/** Judges one policy. One that throws, or answers in no known way, denies (POL-19); why is a reason. */
export function judge(policy: Policy, input: PolicyInput): PolicyDecision {
  try {
    return decisionOf(policy, policy.evaluate(input));
  } catch (error) {
    return denial(policy, error instanceof Error ? error.message : String(error));
  }
}

/** The decision of a policy that could not judge. */
export function denial(policy: Policy, why: string): PolicyDecision {
  const reasons = [`unknown_error: the policy failed (${why}), so it denies`];
  return decisionOf(policy, { decision: "deny", reasons });
}

/** Runs every policy; nothing that one of them does is seen by another. */
export function evaluatePolicies(
  policies: readonly Policy[],
  input: PolicyInput,
): readonly PolicyDecision[] {
  const frozen = deepFreeze(input);
  return policies.map((policy) => judge(policy, frozen));
}

/** Combines decisions; those in shadow do not count. No policy at all denies: silence is not consent. */
export function combineDecisions(all: readonly PolicyDecision[]): CombinedDecision {
  const decisions = sorted(all.filter((one) => one.mode === "enforce"));
  const decision = STRICTEST_FIRST.find((outcome) =>
    decisions.some((one) => one.decision === outcome),
  );
  const deciding = decisions.filter((one) => one.decision === decision);
  return {
    decision: decision ?? "deny",
    reasons:
      decision === undefined ? ["no policy applies"] : deciding.flatMap((one) => one.reasons),
    decidedBy: deciding.map((one) => one.policy),
    requiredApprovals: uniqueApprovals(decisions.flatMap((one) => one.requiredApprovals)),
    redactions: [...new Set(decisions.flatMap((one) => one.redactions))].sort(),
  };
}

/** POL-2: what a policy is shown cannot be changed by it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}

function decisionOf(policy: Policy, finding: PolicyFinding): PolicyDecision {
  const { decision, reasons, requiredApprovals = [], redactions = [] } = finding;
  if (!POLICY_OUTCOMES.includes(decision)) {
    throw new Error(`it decided "${decision}"; known: ${POLICY_OUTCOMES.join(", ")}`);
  }
  const { name, version, mode = "enforce" } = policy;
  return { policy: name, version, mode, decision, reasons, requiredApprovals, redactions };
}

function sorted(decisions: readonly PolicyDecision[]): readonly PolicyDecision[] {
  return [...decisions].sort((a, b) => (a.policy < b.policy ? -1 : a.policy > b.policy ? 1 : 0));
}

/** Two policies that ask for the same decision get one; the shorter time holds. */
function uniqueApprovals(approvals: readonly RequiredApproval[]): readonly RequiredApproval[] {
  const unique = new Map<string, RequiredApproval>();
  for (const one of approvals) {
    const key = JSON.stringify([one.approvalType, one.approver.kind, one.approver.name]);
    const known = unique.get(key);
    const sooner = (one.expiresInMinutes ?? Infinity) < (known?.expiresInMinutes ?? Infinity);
    if (known === undefined || sooner) unique.set(key, one);
  }
  return [...unique.values()];
}
