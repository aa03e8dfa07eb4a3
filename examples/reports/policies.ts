/** Owns who may have a report, what one may cost, and what may leave the house (EX-1, EX-3): in code and in CEL. */
import {
  celPolicy,
  connectorScopePolicy,
  externalSharingPolicy,
  type Policy,
  type PolicyDocument,
  permissionPolicy,
  spendingLimitPolicy,
} from "@concert/concord";

export const MAY_REPORT = "report.permission";
export const AFFORDABLE = "report.cost";
export const DATA_ACCESS = "report.data_access";
export const READ_ONLY = "report.connector_scope";
export const EXTERNAL = "publish.external_sharing";
export const PII = "publish.pii_check";
export const WATCHED = "report.smaller_scans";

export const PUBLICATION = "publication";
export const DATA_OWNER = { kind: "group", name: "data_owner" } as const;

/** Data, as it could stand in a file: who may read which report. */
export const DATA_ACCESS_RULES: PolicyDocument = {
  name: DATA_ACCESS,
  version: "1",
  category: "permission",
  rules: [
    {
      when: "payload.report_type == 'monthly_revenue' && 'analyst' in requester.roles",
      decision: "allow",
      reason: "analysts read revenue",
    },
    {
      when: "payload.report_type == 'customers' && 'support' in requester.roles",
      decision: "allow",
      reason: "support reads customers",
    },
  ],
};

/** What is found in the report's own text decides, not what somebody says about it. */
export const PII_RULES: PolicyDocument = {
  name: PII,
  version: "1",
  category: "data_safety",
  rules: [
    {
      when: "size(facts.sensitive) > 0",
      decision: "require_approval",
      reason: "the report holds personal data",
      approvals: [{ type: PUBLICATION, approver: DATA_OWNER }],
    },
  ],
  otherwise: { decision: "allow", reason: "no personal data was found" },
};

/** Watched before it is trusted: what would a lower limit do? */
export const SMALLER_SCANS: PolicyDocument = {
  name: WATCHED,
  version: "1",
  category: "cost",
  mode: "shadow",
  rules: [{ when: "facts.days > 31", decision: "deny", reason: "more than a month at once" }],
  otherwise: { decision: "allow", reason: "a month or less" },
};

export function reportPolicies(): readonly Policy[] {
  return [
    permissionPolicy(MAY_REPORT, "run_reports"),
    spendingLimitPolicy(AFFORDABLE, {
      limit: 10,
      currency: "EUR",
      approvalType: PUBLICATION,
      approver: DATA_OWNER,
      expiresInMinutes: 60,
      // The warehouse charges by the day that is read.
      spendOf: ({ days }) =>
        typeof days === "number" ? { amount: days / 10, currency: "EUR" } : undefined,
    }),
    celPolicy(DATA_ACCESS_RULES),
    celPolicy(SMALLER_SCANS),
    connectorScopePolicy(READ_ONLY, [
      { connector: "report_warehouse", operation: "query" },
      { connector: "inbox", operation: "send_app_notification" },
    ]),
    externalSharingPolicy(EXTERNAL, "destination", PUBLICATION),
    celPolicy(PII_RULES),
  ];
}
