import { describe, expect, test } from "vitest";
import { PLAIN_INPUT } from "../../../test/support/policy-input.ts";
import { POLICY_CATEGORIES } from "../vocabulary.ts";
import { BUILT_IN_POLICIES } from "./built-in.ts";
import {
  agentRiskPolicy,
  approvalRequirementPolicy,
  dataRecipientsPolicy,
  destructiveActionPolicy,
  memoryConsentPolicy,
} from "./care.ts";
import { DATA_CLASSES, DATA_OUTCOMES, dataSafetyPolicy, findSensitive } from "./data-safety.ts";

const INPUT = PLAIN_INPUT;
const APPROVAL = {
  approvalType: "care",
  approver: { kind: "group", name: "guardians" },
} as const;

test("POL-4 every category has a policy that comes with Concord", () => {
  expect(Object.keys(BUILT_IN_POLICIES).sort()).toEqual([...POLICY_CATEGORIES].sort());
  for (const made of Object.values(BUILT_IN_POLICIES)) expect(made.length).toBeGreaterThan(0);
});

describe("acting with care", () => {
  test("POL-4 what cannot be taken back asks, anything else does not", () => {
    const policy = destructiveActionPolicy("d", ["table.drop"], APPROVAL);
    const doing = (...sideEffects: string[]) => policy.evaluate({ ...INPUT, sideEffects }).decision;
    expect([doing(), doing("table.write"), doing("table.write", "table.drop")]).toEqual([
      "allow",
      "allow",
      "require_approval",
    ]);
  });

  test.each([
    ["agent_action", "low", "allow"],
    ["agent_action", "medium", "require_approval"],
    ["agent_action", "high", "require_approval"],
    ["user_request", "high", "allow"],
  ] as const)("POL-4 an agent alone up to low: %s at %s is %s", (ingress, riskLevel, expected) => {
    const policy = agentRiskPolicy("r", { alone: "low", approval: APPROVAL });
    const action = { ...INPUT.action, ingress, riskLevel };
    expect(policy.evaluate({ ...INPUT, action }).decision).toBe(expected);
  });

  test("POL-4 a contract's own condition asks with its own words", () => {
    const policy = approvalRequirementPolicy("a", "1", {
      approval: APPROVAL,
      needed: ({ facts }) => (Number(facts["nights"]) > 30 ? "a long stay" : undefined),
    });
    const nights = (n: number) => policy.evaluate({ ...INPUT, facts: { nights: n } });
    expect(nights(30).decision).toBe("allow");
    expect(nights(31)).toEqual({
      decision: "require_approval",
      reasons: ["a long stay"],
      requiredApprovals: [APPROVAL],
    });
  });

  test("POL-4 data goes to whom it was agreed, and nowhere else without asking", () => {
    const policy = dataRecipientsPolicy("s", { hotel: ["travel_dates"] }, APPROVAL);
    const giving = (connector: string, ...dataTouched: string[]) =>
      policy.evaluate({
        ...INPUT,
        connectors: [{ connector, operation: "o", sideEffect: false }],
        dataTouched,
      }).decision;
    expect(giving("hotel", "travel_dates")).toBe("allow");
    expect(giving("hotel", "travel_dates", "passport")).toBe("require_approval");
    expect(giving("elsewhere", "travel_dates")).toBe("require_approval");
    expect(giving("elsewhere")).toBe("allow");
  });

  test.each([
    [[], undefined, "allow"],
    [["memory.write"], true, "allow"],
    [["memory.write"], false, "deny"],
    [["memory.write"], undefined, "deny"],
  ] as const)("POL-4 writing %j with consent %s is %s", (sideEffects, consent, expected) => {
    const policy = memoryConsentPolicy("m", {
      writes: ["memory.write"],
      consentOf: () => consent,
    });
    expect(policy.evaluate({ ...INPUT, sideEffects }).decision).toBe(expected);
  });
});

describe("data safety", () => {
  test.each([
    ["ann@example.com", "pii"],
    ["call +44 20 7946 0958 today", "pii"],
    ["card 4111 1111 1111 1111", "regulated"],
    ["GB82 WEST 1234 5698 7654 32", "regulated"],
    ["ghp_0123456789abcdefghijABCDEFGHIJ012345", "credentials"],
    ["-----BEGIN RSA PRIVATE KEY-----", "credentials"],
    ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijkl", "credentials"],
  ])("SEC-4 %s is found as %s, by its place and not by its text", (note, dataClass) => {
    const found = findSensitive({ notes: [{ note }] });
    expect(found.map((one) => [one.pointer, one.dataClass])).toEqual([
      ["/notes/0/note", dataClass],
    ]);
    expect(JSON.stringify(found)).not.toContain(note);
  });

  test.each([
    "order 4111 1111 1111 1112",
    "GB82 WEST 1234 5698 7654 33",
    "2026-11-21 10:00",
    "a@b",
    "",
  ])("SEC-4 %s is nothing of the kind", (note) => {
    expect(findSensitive({ note })).toEqual([]);
  });

  test("SEC-4 a field is known by its name, whatever it holds", () => {
    const found = findSensitive({ guest: { passport_number: "X1", password: 7, name: "Ann" } });
    expect(found.map((one) => [one.pointer, one.dataClass])).toEqual([
      ["/guest/passport_number", "pii"],
      ["/guest/password", "credentials"],
    ]);
  });

  test.each(DATA_CLASSES.flatMap((one) => DATA_OUTCOMES.map((outcome) => [one, outcome] as const)))(
    "SEC-4 V-48 V-49 %s to be handled as %s",
    (dataClass, outcome) => {
      const policy = dataSafetyPolicy("d", {
        outcomes: { [dataClass]: outcome },
        approval: APPROVAL,
      });
      const payload = {
        mail: "ann@example.com",
        key: "AKIAABCDEFGHIJKLMNOP",
        card: 4111111111111111,
      };
      const found = policy.evaluate({ ...INPUT, action: { ...INPUT.action, payload } });
      const places: Record<string, string> = {
        pii: "/mail",
        credentials: "/key",
        regulated: "/card",
      };
      const place = places[dataClass];
      expect(found.decision).toBe(place === undefined ? "allow" : outcome);
      if (place === undefined || outcome === "allow") return;
      expect(found.reasons.join()).toContain(place);
      if (outcome === "redact") expect(found.redactions).toEqual([place]);
      if (outcome === "require_approval") expect(found.requiredApprovals).toEqual([APPROVAL]);
    },
  );

  test("SEC-4 SEC-11 the strictest outcome decides, and what is to be masked is masked all the same", () => {
    const policy = dataSafetyPolicy("d", { outcomes: { pii: "redact", credentials: "deny" } });
    const payload = { mail: "ann@example.com", api_key: "x" };
    const found = policy.evaluate({ ...INPUT, action: { ...INPUT.action, payload } });
    expect([found.decision, found.redactions]).toEqual(["deny", ["/mail"]]);
  });

  test("SEC-4 a place that is meant to hold an address is left alone", () => {
    const policy = dataSafetyPolicy("d", { outcomes: { pii: "deny" }, except: ["/to"] });
    const payload = { to: "ann@example.com" };
    expect(policy.evaluate({ ...INPUT, action: { ...INPUT.action, payload } }).decision).toBe(
      "allow",
    );
  });
});
