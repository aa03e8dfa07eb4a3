/** What a policy is asked about when nothing about it matters: a test changes what it is about. */
import type { PolicyInput } from "../../src/core/policy.ts";

export const PLAIN_INPUT: PolicyInput = {
  requester: { tenant: "t", user: "u", roles: [], permissions: [] },
  action: {
    taskName: "x",
    commandType: "x",
    ingress: "api_request",
    payload: {},
    riskLevel: "low",
  },
  connectors: [],
  dataTouched: [],
  sideEffects: [],
  approvalAlwaysRequired: false,
  facts: {},
};
