/**
 * Owns the policies Concord ships, as pure constructors: permission, spending limit, rate limit, connector
 * scope, external sharing (POL-6), and an explicit "anyone may". Contracts register what they need under a name.
 */
import type { JsonObject } from "./json.ts";
import type { Approver, ConnectorUse, Policy, PolicyInput } from "./policy.ts";

/** The rule's own version, then what it was set to: a limit that was raised is another version on record. */
export function versionOf(...settings: readonly (string | number)[]): string {
  return settings.length === 0 ? "1" : `1+${settings.join(",")}`;
}

/** Allows requesters who hold `permission`. */
export function permissionPolicy(name: string, permission: string): Policy {
  return {
    name,
    version: versionOf(permission),
    category: "permission",
    evaluate: ({ requester }) =>
      requester.permissions.includes(permission)
        ? { decision: "allow", reasons: [`${requester.user} may ${permission}`] }
        : { decision: "deny", reasons: [`${requester.user} lacks the permission ${permission}`] },
  };
}

export interface SpendingLimit {
  /** The largest amount that needs no approval, e.g. 500.00. */
  readonly limit: number;
  readonly currency: string;
  readonly approvalType: string;
  readonly approver: Approver;
  readonly expiresInMinutes: number;
  /** The amount and currency in the facts; undefined denies. */
  readonly spendOf: (facts: JsonObject) => { amount: number; currency: string } | undefined;
}

/** EX-10: up to the limit allow, one cent more asks a person. Amounts are compared in whole cents. */
export function spendingLimitPolicy(name: string, spec: SpendingLimit): Policy {
  return {
    name,
    version: versionOf(spec.limit.toFixed(2), spec.currency),
    category: "cost",
    approvalTypes: [spec.approvalType],
    evaluate: ({ facts }) => {
      const spend = spec.spendOf(facts);
      if (spend === undefined || !Number.isFinite(spend.amount) || spend.amount < 0) {
        return { decision: "deny", reasons: ["the amount to spend is not known"] };
      }
      if (spend.currency !== spec.currency) {
        const reason = `the limit is in ${spec.currency}, the amount in ${spend.currency}`;
        return { decision: "deny", reasons: [reason] };
      }
      const amount = `${spend.amount.toFixed(2)} ${spend.currency}`;
      const limit = `${spec.limit.toFixed(2)} ${spec.currency}`;
      if (cents(spend.amount) <= cents(spec.limit)) {
        return { decision: "allow", reasons: [`${amount} is within the limit of ${limit}`] };
      }
      const { approvalType, approver, expiresInMinutes } = spec;
      return {
        decision: "require_approval",
        reasons: [`${amount} is over the limit of ${limit}`],
        requiredApprovals: [{ approvalType, approver, expiresInMinutes }],
      };
    },
  };
}

export interface RateLimit {
  readonly commandsMax: number;
  readonly perSeconds: number;
  /** How many came before within the time, in the facts; undefined denies. */
  readonly countOf: (facts: JsonObject) => number | undefined;
}

/** POL-16: up to the limit allow, the next one is denied. */
export function rateLimitPolicy(name: string, spec: RateLimit): Policy {
  const { commandsMax, perSeconds } = spec;
  const limit = `${commandsMax} within ${perSeconds} s`;
  return {
    name,
    version: versionOf(commandsMax, perSeconds),
    category: "rate_limit",
    evaluate: ({ facts, requester }) => {
      const before = spec.countOf(facts);
      if (before === undefined) return { decision: "deny", reasons: ["the rate is not known"] };
      const reasons = [`${requester.user} asked ${before} times before; the limit is ${limit}`];
      return { decision: before < commandsMax ? "allow" : "deny", reasons };
    },
  };
}

/** CON-13: a task may only use the operations named here. */
export function connectorScopePolicy(
  name: string,
  allowed: readonly Pick<ConnectorUse, "connector" | "operation">[],
): Policy {
  const isAllowed = (use: ConnectorUse) =>
    allowed.some((one) => one.connector === use.connector && one.operation === use.operation);
  return {
    name,
    version: versionOf(...allowed.map((one) => `${one.connector}.${one.operation}`)),
    category: "connector_scope",
    evaluate: ({ connectors }) => {
      const outside = connectors.filter((use) => !isAllowed(use));
      if (outside.length === 0)
        return { decision: "allow", reasons: ["every operation is in scope"] };
      const reasons = outside.map((use) => `${use.connector}.${use.operation} is out of scope`);
      return { decision: "deny", reasons };
    },
  };
}

/** POL-6: a destination outside (`…@…` or `external:…`) asks the data owner. */
export function externalSharingPolicy(name: string, field: string, approvalType: string): Policy {
  return {
    name,
    version: versionOf(field),
    category: "external_sharing",
    approvalTypes: [approvalType],
    evaluate: ({ action }) => {
      const destination = action.payload[field];
      const isExternal =
        typeof destination === "string" &&
        (destination.includes("@") || destination.startsWith("external:"));
      if (!isExternal) return { decision: "allow", reasons: ["nothing leaves the house"] };
      const approver = { kind: "group", name: "data_owner" } as const;
      return {
        decision: "require_approval",
        reasons: [`${destination} is outside`],
        requiredApprovals: [{ approvalType, approver }],
      };
    },
  };
}

/** Consent said aloud, for tasks that anybody signed in may run. */
export function anyonePolicy(name: string, reason: string): Policy {
  const evaluate = (_input: PolicyInput) => ({ decision: "allow" as const, reasons: [reason] });
  return { name, version: versionOf(), category: "permission", evaluate };
}

function cents(amount: number): number {
  return Math.round(amount * 100);
}
