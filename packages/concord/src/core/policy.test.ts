import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PLAIN_INPUT } from "../../test/support/policy-input.ts";
import {
  connectorScopePolicy,
  externalSharingPolicy,
  permissionPolicy,
  spendingLimitPolicy,
} from "./policies.ts";
import {
  combineDecisions,
  evaluatePolicies,
  type Policy,
  type PolicyDecision,
  type PolicyInput,
  STRICTEST_FIRST,
} from "./policy.ts";
import { POLICY_OUTCOMES } from "./vocabulary.ts";

const { requester } = PLAIN_INPUT;
const INPUT: PolicyInput = {
  ...PLAIN_INPUT,
  requester: { ...requester, permissions: ["book_travel"] },
};
const decision = fc.record({
  policy: fc.string({ minLength: 1, maxLength: 5 }),
  version: fc.constant("1"),
  mode: fc.constantFrom("enforce" as const, "shadow" as const),
  decision: fc.constantFrom(...POLICY_OUTCOMES),
  reasons: fc.array(fc.string(), { maxLength: 2 }),
  requiredApprovals: fc.array(
    fc.record({
      approvalType: fc.constantFrom("finance", "legal"),
      approver: fc.record({
        kind: fc.constantFrom("user" as const, "group" as const),
        name: fc.constantFrom("a", "b"),
      }),
      expiresInMinutes: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 3 },
  ),
  redactions: fc.array(fc.constantFrom("/a", "/b"), { maxLength: 2 }),
});
const distinct = fc.uniqueArray(decision, { selector: (one) => one.policy, maxLength: 8 });

describe("policy combination", () => {
  test("POL-5 the order in which policies run never changes the outcome", () => {
    fc.assert(
      fc.property(distinct, fc.infiniteStream(fc.nat()), (decisions, picks) => {
        const shuffled = decisions
          .map((one) => ({ one, at: picks.next().value ?? 0 }))
          .sort((a, b) => a.at - b.at)
          .map(({ one }) => one);
        expect(combineDecisions(shuffled)).toEqual(combineDecisions(decisions));
      }),
    );
  });

  test("POL-5 X-19 the strictest outcome wins over every other one", () => {
    const of = (outcome: PolicyDecision["decision"], policy: string): PolicyDecision => ({
      policy,
      version: "1",
      mode: "enforce",
      redactions: [],
      decision: outcome,
      reasons: [outcome],
      requiredApprovals: [],
    });
    for (const [rank, strict] of STRICTEST_FIRST.entries()) {
      for (const mild of STRICTEST_FIRST.slice(rank)) {
        const combined = combineDecisions([of(mild, "a"), of(strict, "b")]);
        expect(combined.decision).toBe(strict);
      }
    }
  });

  test("POL-5 a policy in shadow changes nothing, whatever it says", () => {
    fc.assert(
      fc.property(distinct, (decisions) => {
        const enforced = decisions.filter((one) => one.mode === "enforce");
        expect(combineDecisions(decisions)).toEqual(combineDecisions(enforced));
      }),
    );
  });

  test("POL-5 one more policy never makes the outcome milder, and loses no approval or redaction", () => {
    const rank = (one: PolicyDecision["decision"]) => STRICTEST_FIRST.indexOf(one);
    fc.assert(
      fc.property(distinct, decision, (some, more) => {
        fc.pre(some.some((one) => one.mode === "enforce"));
        const added = { ...more, policy: "zzzzzz", mode: "enforce" as const };
        const before = combineDecisions(some);
        const after = combineDecisions([...some, added]);
        expect(rank(after.decision)).toBeLessThanOrEqual(rank(before.decision));
        const askedOf = (one: typeof after) =>
          one.requiredApprovals.map((each) => `${each.approvalType}/${each.approver.name}`);
        expect(askedOf(after)).toEqual(expect.arrayContaining(askedOf(before)));
        expect(after.redactions).toEqual(expect.arrayContaining([...before.redactions]));
      }),
    );
  });

  test("POL-5 asked for twice is asked once, for the shorter time", () => {
    const asks = (policy: string, expiresInMinutes?: number): PolicyDecision => ({
      policy,
      version: "1",
      mode: "enforce",
      decision: "require_approval",
      reasons: [],
      redactions: [],
      requiredApprovals: [
        {
          approvalType: "finance",
          approver: { kind: "group", name: "f" },
          ...(expiresInMinutes === undefined ? {} : { expiresInMinutes }),
        },
      ],
    });
    for (const order of [
      [asks("a", 60), asks("b", 5), asks("c")],
      [asks("c"), asks("b", 5)],
    ]) {
      const { requiredApprovals } = combineDecisions(order);
      expect(requiredApprovals.map((one) => one.expiresInMinutes)).toEqual([5]);
    }
  });

  test("no policy at all denies", () => {
    expect(combineDecisions([]).decision).toBe("deny");
  });

  test("POL-19 a policy that throws denies and says so", () => {
    const broken: Policy = {
      name: "broken",
      version: "1",
      category: "cost",
      evaluate: () => {
        throw new Error("no rates");
      },
    };
    const [found] = evaluatePolicies([broken], INPUT);
    expect(found?.decision).toBe("deny");
    expect(found?.reasons[0]).toContain("no rates");
  });

  test("POL-3 POL-19 an outcome that is none denies", () => {
    const policy = {
      name: "odd",
      version: "1",
      category: "cost",
      evaluate: () => ({ decision: "perhaps", reasons: [] }),
    } as unknown as Policy;
    const [found] = evaluatePolicies([policy], INPUT);
    expect([found?.decision, found?.reasons[0]]).toEqual([
      "deny",
      expect.stringContaining("perhaps"),
    ]);
  });

  test("POL-2 POL-19 a policy that writes into what it is shown denies, and the next one sees none of it", () => {
    const meddling: Policy = {
      name: "meddling",
      version: "1",
      category: "cost",
      evaluate: (input) => {
        (input.facts as Record<string, unknown>)["amount"] = 0;
        return { decision: "allow", reasons: [] };
      },
    };
    const looking: Policy = {
      name: "looking",
      version: "1",
      category: "cost",
      evaluate: ({ facts }) => ({ decision: "allow", reasons: [String(facts["amount"])] }),
    };
    const input = { ...INPUT, facts: { amount: 900 } };
    const found = evaluatePolicies([meddling, looking], input);
    expect(found.map((one) => one.decision)).toEqual(["deny", "allow"]);
    expect(found[1]?.reasons).toEqual(["900"]);
    expect(evaluatePolicies([meddling, looking], input)).toEqual(found);
  });
});

describe("policies that come with Concord", () => {
  const spending = spendingLimitPolicy("spend", {
    limit: 500,
    currency: "EUR",
    approvalType: "finance",
    approver: { kind: "group", name: "finance_approvers" },
    expiresInMinutes: 2880,
    spendOf: ({ amount, currency }) =>
      typeof amount === "number" ? { amount, currency: String(currency) } : undefined,
  });
  const judge = (facts: PolicyInput["facts"]) => spending.evaluate({ ...INPUT, facts });

  test.each([
    [500, "allow"],
    [500.01, "require_approval"],
    [0, "allow"],
    [499.999999, "allow"],
    [-1, "deny"],
    [Number.NaN, "deny"],
  ])("EX-10 %d EUR is %s", (amount, expected) => {
    expect(judge({ amount, currency: "EUR" }).decision).toBe(expected);
  });

  test("EX-10 an unknown amount or another currency denies", () => {
    expect(judge({}).decision).toBe("deny");
    expect(judge({ amount: 1, currency: "USD" }).decision).toBe("deny");
  });

  test("EX-11 permission: held allows, missing denies", () => {
    expect(permissionPolicy("p", "book_travel").evaluate(INPUT).decision).toBe("allow");
    expect(permissionPolicy("p", "grant_rights").evaluate(INPUT).decision).toBe("deny");
  });

  test("CON-13 an operation out of scope denies", () => {
    const scope = connectorScopePolicy("s", [{ connector: "vendor", operation: "book" }]);
    const using = (operation: string) =>
      scope.evaluate({
        ...INPUT,
        connectors: [{ connector: "vendor", operation, sideEffect: true }],
      });
    expect(using("book").decision).toBe("allow");
    expect(using("modify").decision).toBe("deny");
  });

  test("POL-6 an address or external: asks the data owner", () => {
    const sharing = externalSharingPolicy("x", "to", "sharing");
    const to = (destination: string) =>
      sharing.evaluate({ ...INPUT, action: { ...INPUT.action, payload: { to: destination } } });
    expect(to("a@b.example").requiredApprovals?.[0]?.approver.name).toBe("data_owner");
    expect(to("external:drive").decision).toBe("require_approval");
    expect(to("team").decision).toBe("allow");
  });
});
