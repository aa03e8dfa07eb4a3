/**
 * Owns the policies about acting with care: what destroys, what an agent may do by itself, what always needs a
 * person, where data may go, and whose consent a memory needs (V-10). Pure constructors, as in policies.ts.
 */
import type { JsonObject } from "../json.ts";
import { versionOf } from "../policies.ts";
import type { Policy, PolicyInput, RequiredApproval } from "../policy.ts";
import { RISK_LEVELS, type RiskLevel } from "../vocabulary.ts";

/** `destructive_action`: effects that cannot be taken back ask a person, whoever asks for them. */
export function destructiveActionPolicy(
  name: string,
  destructive: readonly string[],
  approval: RequiredApproval,
): Policy {
  return {
    name,
    version: versionOf(...destructive),
    category: "destructive_action",
    approvalTypes: [approval.approvalType],
    evaluate: ({ sideEffects }) => {
      const found = sideEffects.filter((one) => destructive.includes(one));
      return found.length === 0
        ? { decision: "allow", reasons: ["nothing is destroyed"] }
        : asking(approval, `${found.join(", ")} cannot be taken back`);
    },
  };
}

export interface AgentRisk {
  /** The highest risk that an agent takes alone. */
  readonly alone: RiskLevel;
  readonly approval: RequiredApproval;
}

/** `agent_risk`: above the given risk an agent needs a person; people are not concerned. */
export function agentRiskPolicy(name: string, { alone, approval }: AgentRisk): Policy {
  return {
    name,
    version: versionOf(alone),
    category: "agent_risk",
    approvalTypes: [approval.approvalType],
    evaluate: ({ action }) => {
      if (action.ingress !== "agent_action") {
        return { decision: "allow", reasons: ["no agent acts here"] };
      }
      const isFine = RISK_LEVELS.indexOf(action.riskLevel) <= RISK_LEVELS.indexOf(alone);
      return isFine
        ? { decision: "allow", reasons: [`an agent may take a ${action.riskLevel} risk`] }
        : asking(approval, `an agent may not take a ${action.riskLevel} risk alone`);
    },
  };
}

export interface ApprovalRequirement {
  readonly approval: RequiredApproval;
  /** Why a person is needed; undefined when none is. Pure. */
  readonly needed: (input: PolicyInput) => string | undefined;
}

/** `approval_requirement`: a condition of the contract's own under which a person decides. */
export function approvalRequirementPolicy(
  name: string,
  version: string,
  { approval, needed }: ApprovalRequirement,
): Policy {
  return {
    name,
    version,
    category: "approval_requirement",
    approvalTypes: [approval.approvalType],
    evaluate: (input) => {
      const why = needed(input);
      return why === undefined
        ? { decision: "allow", reasons: ["nobody has to be asked"] }
        : asking(approval, why);
    },
  };
}

/**
 * `external_sharing` by recipient: which kinds of data each connector may be given. A connector that is not
 * named, or data that it is not meant to have, asks the given person.
 */
export function dataRecipientsPolicy(
  name: string,
  agreed: Readonly<Record<string, readonly string[]>>,
  approval: RequiredApproval,
): Policy {
  const settings = Object.entries(agreed).map(([to, kinds]) => `${to}:${kinds.join("|")}`);
  return {
    name,
    version: versionOf(...settings),
    category: "external_sharing",
    approvalTypes: [approval.approvalType],
    evaluate: ({ connectors, dataTouched }) => {
      const leaks = connectors.flatMap(({ connector }) =>
        dataTouched
          .filter((kind) => !(agreed[connector] ?? []).includes(kind))
          .map((kind) => `${kind} would go to ${connector}`),
      );
      return leaks.length === 0
        ? { decision: "allow", reasons: ["data goes only where it was agreed"] }
        : asking(approval, [...new Set(leaks)].join("; "));
    },
  };
}

export interface MemoryConsent {
  /** Side effects that write a memory. */
  readonly writes: readonly string[];
  /** Whether the person the memory is about agreed, in the facts; undefined denies. */
  readonly consentOf: (facts: JsonObject) => boolean | undefined;
}

/** `memory_consent`: nothing is remembered about a person who did not agree (MEM-8). */
export function memoryConsentPolicy(name: string, { writes, consentOf }: MemoryConsent): Policy {
  return {
    name,
    version: versionOf(...writes),
    category: "memory_consent",
    evaluate: ({ sideEffects, facts }) => {
      if (!sideEffects.some((one) => writes.includes(one))) {
        return { decision: "allow", reasons: ["nothing is remembered"] };
      }
      const consent = consentOf(facts);
      if (consent === true) return { decision: "allow", reasons: ["the person agreed"] };
      const why =
        consent === false ? "the person did not agree" : "whether the person agreed is not known";
      return { decision: "deny", reasons: [why] };
    },
  };
}

function asking(approval: RequiredApproval, why: string) {
  return {
    decision: "require_approval" as const,
    reasons: [why],
    requiredApprovals: [approval],
  };
}
