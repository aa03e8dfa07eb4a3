import { beforeAll, expect, test } from "vitest";
import { judge, type PolicyInput } from "../../core/policy.ts";
import { type CedarPolicy, loadCedar } from "./cedar.ts";

const INPUT: PolicyInput = {
  requester: { tenant: "t", user: "anna", roles: ["buyer"], permissions: ["buy"] },
  action: {
    taskName: "shop.buy",
    commandType: "buy",
    ingress: "user_request",
    payload: {},
    riskLevel: "low",
  },
  connectors: [{ connector: "shop", operation: "buy", sideEffect: true }],
  dataTouched: [],
  sideEffects: ["shop.buy"],
  approvalAlwaysRequired: false,
  facts: { amount: 100 },
};
const PURCHASES = `
  @id("buyers_buy")
  permit(principal in Role::"buyer", action == Action::"buy", resource);

  @id("much")
  @decision("require_approval") @approval_type("finance") @approver("group:finance")
  @reason("more than 500 needs finance")
  forbid(principal, action == Action::"buy", resource)
  when { context.facts.amount > 500 };

  @id("agents")
  forbid(principal, action, resource)
  when { context.ingress == "agent_action" && context.risk == "high" };
`;

let cedar: CedarPolicy;
beforeAll(async () => {
  cedar = await loadCedar();
});
const of = (policies: string, more = {}) =>
  cedar({ name: "purchases", version: "1", category: "permission", policies, ...more });
const judged = (input: Partial<PolicyInput>, policies = PURCHASES) =>
  judge(of(policies), { ...INPUT, ...input });

test("POL-14 permit, no permit, forbid, and a forbid that asks", () => {
  expect(of(PURCHASES).problems).toBeUndefined();
  expect(of(PURCHASES).approvalTypes).toEqual(["finance"]);
  expect(judged({}).decision).toBe("allow");
  const stranger = { ...INPUT.requester, roles: [] };
  expect(judged({ requester: stranger })).toMatchObject({
    decision: "deny",
    reasons: ["no Cedar policy permits it"],
  });
  expect(judged({ facts: { amount: 501 } })).toMatchObject({
    decision: "require_approval",
    reasons: ["more than 500 needs finance"],
    requiredApprovals: [{ approvalType: "finance", approver: { kind: "group", name: "finance" } }],
  });
  const agent = { ...INPUT.action, ingress: "agent_action", riskLevel: "high" } as const;
  expect(judged({ action: agent, facts: { amount: 501 } }).decision).toBe("deny");
});

test("POL-14 who asks is the person, and a name cannot be made to read like another one", () => {
  const only = `permit(principal == User::"t/anna", action, resource);`;
  expect(judged({}, only).decision).toBe("allow");
  const forged = { ...INPUT.requester, tenant: "t/anna", user: "" };
  expect(judged({ requester: forged }, only).decision).toBe("deny");
});

test("POL-19 where Cedar leaves a policy out that fails, we deny: a forbid must not vanish", () => {
  const fails = `
    permit(principal, action, resource);
    forbid(principal, action, resource) when { context.facts.blocked };`;
  expect(judged({ facts: { blocked: true } }, fails).decision).toBe("deny");
  expect(judged({ facts: { blocked: false } }, fails).decision).toBe("allow");
  const { decision, reasons } = judged({ facts: {} }, fails);
  expect([decision, reasons[0]]).toEqual(["deny", expect.stringContaining("blocked")]);
});

test("POL-19 amounts: four places exactly, anything finer is refused and never rounded", () => {
  const limit = `permit(principal, action, resource)
    when { context.facts.amount.lessThanOrEqual(decimal("500.00")) };`;
  expect(judged({ facts: { amount: 499.99 } }, limit).decision).toBe("allow");
  expect(judged({ facts: { amount: 500.01 } }, limit).decision).toBe("deny");
  expect(judged({ facts: { amount: 500.00001 } }, limit).reasons[0]).toContain("exactly");
});

test("POL-14 a payload cannot pass itself off as an entity or a call of Cedar's", () => {
  const admins = `permit(principal, action, resource) when { context.payload.by in Role::"admin" };`;
  const payload = { by: { __entity: { type: "Role", id: "admin" } } };
  const { decision, reasons } = judged({ action: { ...INPUT.action, payload } }, admins);
  expect([decision, reasons[0]]).toEqual(["deny", expect.stringContaining("__entity")]);
});

test.each([
  ["no Cedar", "permit(everything)", ""],
  ["nothing", "", "no policy"],
  ["a template", "permit(principal == ?principal, action, resource);", "template"],
  ["an unknown decision", `@decision("maybe") forbid(principal, action, resource);`, "maybe"],
  ["a forbid that allows", `@decision("allow") forbid(principal, action, resource);`, "allow"],
  ["a permit that denies", `@decision("deny") permit(principal, action, resource);`, "deny"],
  [
    "asking nobody",
    `@decision("require_approval") forbid(principal, action, resource);`,
    "approver",
  ],
  [
    "two of one id",
    `@id("a") permit(principal, action, resource); @id("a") permit(principal, action, resource);`,
    '"a"',
  ],
])("POL-20 %s is told and denies", (_what, policies, part) => {
  const policy = of(policies);
  expect(policy.problems?.join()).toContain(part);
  expect(judge(policy, INPUT).decision).toBe("deny");
});

test("POL-14 two sets of one name stay apart", () => {
  const [open, closed] = [
    of("permit(principal, action, resource);"),
    of("forbid(principal, action, resource);"),
  ];
  expect([judge(open, INPUT).decision, judge(closed, INPUT).decision]).toEqual(["allow", "deny"]);
});
