/** Owns the list of policies that come with Concord, one or more for each category (POL-4). */
import {
  connectorScopePolicy,
  externalSharingPolicy,
  permissionPolicy,
  rateLimitPolicy,
  spendingLimitPolicy,
} from "../policies.ts";
import type { Policy } from "../policy.ts";
import type { PolicyCategory } from "../vocabulary.ts";
import {
  agentRiskPolicy,
  approvalRequirementPolicy,
  dataRecipientsPolicy,
  destructiveActionPolicy,
  memoryConsentPolicy,
} from "./care.ts";
import { dataSafetyPolicy } from "./data-safety.ts";

type Constructor = (name: string, ...settings: never[]) => Policy;

/** Constructors by category. */
export const BUILT_IN_POLICIES: Readonly<Record<PolicyCategory, readonly Constructor[]>> = {
  permission: [permissionPolicy],
  cost: [spendingLimitPolicy],
  data_safety: [dataSafetyPolicy],
  external_sharing: [externalSharingPolicy, dataRecipientsPolicy],
  destructive_action: [destructiveActionPolicy],
  memory_consent: [memoryConsentPolicy],
  connector_scope: [connectorScopePolicy],
  agent_risk: [agentRiskPolicy],
  rate_limit: [rateLimitPolicy],
  approval_requirement: [approvalRequirementPolicy],
};
