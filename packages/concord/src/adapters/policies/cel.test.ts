import fc from "fast-check";
import { expect, test } from "vitest";
import { spendingLimitPolicy } from "../../core/policies.ts";
import { judge, type PolicyInput } from "../../core/policy.ts";
import { celPolicy } from "./cel.ts";

const INPUT: PolicyInput = {
  requester: { tenant: "t", user: "anna", roles: ["buyer"], permissions: ["buy"] },
  action: {
    taskName: "shop.buy",
    commandType: "buy",
    ingress: "agent_action",
    payload: { item: "chair", tags: ["a"] },
    riskLevel: "medium",
  },
  connectors: [{ connector: "shop", operation: "buy", sideEffect: true }],
  dataTouched: ["address"],
  sideEffects: ["shop.buy"],
  approvalAlwaysRequired: false,
  facts: { amount: 501.5 },
};
const approval = {
  type: "finance",
  approver: { kind: "group", name: "finance" },
  expires_in_minutes: 60,
};
const policyOf = (...rules: object[]) =>
  celPolicy({
    name: "p",
    version: "3",
    category: "cost",
    rules,
    otherwise: { decision: "allow", reason: "fine" },
  });
const deciding = (when: string, input: PolicyInput = INPUT) =>
  judge(policyOf({ when, decision: "deny", reason: "no" }), input);

test("POL-13 one rule in both forms: code and data agree on every amount", () => {
  const code = spendingLimitPolicy("p", {
    limit: 500,
    currency: "EUR",
    approvalType: "finance",
    approver: { kind: "group", name: "finance" },
    expiresInMinutes: 60,
    spendOf: ({ amount }) => (typeof amount === "number" ? { amount, currency: "EUR" } : undefined),
  });
  const data = policyOf(
    { when: "facts.amount < 0.0", decision: "deny", reason: "less than nothing" },
    {
      when: "facts.amount > 500.0",
      decision: "require_approval",
      reason: "much",
      approvals: [approval],
    },
  );
  fc.assert(
    fc.property(fc.integer({ min: -100_000, max: 100_000 }), (cents) => {
      const input = { ...INPUT, facts: { amount: cents / 100 } };
      const [one, two] = [judge(code, input), judge(data, input)];
      expect(two.decision).toBe(one.decision);
      expect(two.requiredApprovals).toEqual(one.requiredApprovals);
    }),
  );
});

test.each([
  ["facts.amount > 500", "deny"],
  ["payload.item == 'chair' && 'a' in payload.tags", "deny"],
  ["'buyer' in requester.roles && !('admin' in requester.roles)", "deny"],
  ["connectors.exists(c, c.connector == 'shop' && c.side_effect)", "deny"],
  ["action.ingress == 'agent_action' && action.risk != 'low'", "deny"],
  ["'address' in data_touched && side_effects.size() == 1", "deny"],
  ["approval_always_required", "allow"],
  ["has(facts.discount) && facts.discount > 0.5", "allow"],
])("SEC-2 POL-7 POL-13 a condition sees what a policy sees: %s", (when, expected) => {
  expect(deciding(when).decision).toBe(expected);
});

test("POL-13 every rule speaks, the strictest wins, whatever their order; their wishes are joined", () => {
  const rules = [
    { when: "true", decision: "allow", reason: "one" },
    { when: "true", decision: "require_approval", reason: "two", approvals: [approval] },
    { when: "true", decision: "redact", reason: "three", redact: ["/item"] },
    { when: "false", decision: "deny", reason: "four" },
  ];
  fc.assert(
    fc.property(fc.shuffledSubarray(rules, { minLength: 4 }), (shuffled) => {
      const { decision, reasons, requiredApprovals, redactions } = judge(
        policyOf(...shuffled),
        INPUT,
      );
      expect([decision, reasons, redactions]).toEqual(["require_approval", ["two"], ["/item"]]);
      expect(requiredApprovals).toHaveLength(1);
    }),
  );
});

test("POL-13 without `otherwise`, no rule means no", () => {
  const policy = celPolicy({ name: "p", version: "1", category: "cost", rules: [] });
  expect(judge(policy, INPUT).decision).toBe("deny");
});

test.each([
  ["a field that is not there", "facts.missing > 1"],
  ["a comparison of a text with a number", "payload.item > 1"],
  ["a condition that turns out to be no bool", "payload.item"],
])("POL-19 %s denies and says why", (_what, when) => {
  const { decision, reasons } = judge(policyOf({ when, decision: "allow", reason: "ok" }), INPUT);
  expect([decision, reasons[0]]).toEqual(["deny", expect.stringContaining("unknown_error")]);
});

test.each([
  ["no object", 7, "object"],
  ["an unknown field", { name: "p", version: "1", category: "cost", rules: [], also: 1 }, "also"],
  ["an unknown category", { name: "p", version: "1", category: "luck", rules: [] }, "category"],
  [
    "an unknown decision",
    {
      name: "p",
      version: "1",
      category: "cost",
      rules: [{ when: "true", decision: "maybe", reason: "r" }],
    },
    "decision",
  ],
])("POL-20 %s is told", (_what, document, part) => {
  expect(celPolicy(document).problems?.join()).toContain(part);
});

test("POL-2 POL-20 every condition that cannot work is told at once: names, types, clocks", () => {
  const rule = (when: string) => ({ when, decision: "deny", reason: "r" });
  const conditions = [
    "nobody.knows",
    "1 + 1",
    "now() > timestamp('2026-01-01T00:00:00Z')",
    "facts.",
    "size(1)",
  ];
  const policy = celPolicy({
    name: "p",
    version: "1",
    category: "cost",
    rules: conditions.map(rule),
  });
  expect(policy.problems).toHaveLength(conditions.length);
  expect(judge(policy, INPUT).decision).toBe("deny");
});

test("POL-12 a place that is no JSON Pointer, and a redaction of nothing, are told", () => {
  const bad = policyOf({ when: "true", decision: "redact", reason: "r", redact: ["guest.email"] });
  expect(bad.problems?.[0]).toContain("guest.email");
  expect(policyOf({ when: "true", decision: "redact", reason: "r" }).problems?.[0]).toContain(
    "names no place",
  );
});

test("POL-2 a condition as deep as an attack is refused when it is read", () => {
  const deep = `${"(".repeat(500)}true${")".repeat(500)}`;
  expect(policyOf({ when: deep, decision: "deny", reason: "r" }).problems).toHaveLength(1);
});
