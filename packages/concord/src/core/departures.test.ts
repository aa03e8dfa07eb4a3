/** What stands in place of shapes that the specification writes otherwise; docs/adr/0030 says why. */
import { describe, expect, expectTypeOf, test } from "vitest";
import { PLAIN_INPUT } from "../../test/support/policy-input.ts";
import { executionMode, mapTaskToPrimitives } from "./classify.ts";
import type { PlannedEffect } from "./command.ts";
import { planProblems } from "./planning.ts";
import { anyonePolicy } from "./policies.ts";
import {
  combineDecisions,
  deepFreeze,
  evaluatePolicies,
  type Policy,
  type PolicyFinding,
  type PolicyInput,
} from "./policy.ts";
import { compilePolicy } from "./retry.ts";
import { COMMAND_STATUSES, POLICY_OUTCOMES } from "./vocabulary.ts";

describe("policies", () => {
  test("POL-1 POL-15 a policy is shown one frozen input and answers with a finding; nothing else reaches it", () => {
    expectTypeOf<Policy["evaluate"]>().toEqualTypeOf<(input: PolicyInput) => PolicyFinding>();
    const shown: unknown[][] = [];
    const nosy: Policy = {
      ...anyonePolicy("nosy", "a test"),
      evaluate: (...given: readonly unknown[]) => {
        shown.push([...given]);
        return { decision: "require_approval", reasons: ["why"], requiredApprovals: [] };
      },
    };
    const [decision] = evaluatePolicies([nosy], PLAIN_INPUT);
    expect(shown).toEqual([[PLAIN_INPUT]]);
    expect(Object.isFrozen(shown[0]?.[0])).toBe(true);
    // Command, task and context of the specification, in one: who, what, with what, and what is known.
    expect(Object.keys(PLAIN_INPUT).sort()).toEqual([
      "action",
      "approvalAlwaysRequired",
      "connectors",
      "dataTouched",
      "facts",
      "requester",
      "sideEffects",
    ]);
    expect(decision).toEqual({
      policy: "nosy",
      version: "1",
      mode: "enforce",
      decision: "require_approval",
      reasons: ["why"],
      requiredApprovals: [],
      redactions: [],
    });
  });
});

describe("results of the core", () => {
  test("PLN-14 X-42 what the core answers is data: it can be copied, stored and compared, and holds no way to act", () => {
    const decisions = evaluatePolicies([anyonePolicy("open", "a test")], deepFreeze(PLAIN_INPUT));
    const flags = {
      approvalRequired: true,
      asyncRequired: false,
      syncAllowed: true,
      usesConnector: true,
      artifactPossible: true,
      memoryWritePossible: false,
      notificationRequired: false,
    };
    const facts = { syncAllowed: true, asyncRequired: false, gated: false, writesOutside: false };
    for (const result of [
      decisions,
      combineDecisions(decisions),
      mapTaskToPrimitives(flags),
      executionMode({ ...facts, riskLevel: "low" }),
      planProblems([{ stepId: "a", dependsOn: ["b"] }]),
      compilePolicy("c.o"),
    ]) {
      expect(JSON.parse(JSON.stringify(result))).toEqual(result);
    }
  });

  test("X-42 a decision has one spelling, and no word of an older text is one", () => {
    const older = ["allowed", "denied", "requires_approval", "delayed", "route_agent"];
    for (const one of older) {
      expect(POLICY_OUTCOMES as readonly string[]).not.toContain(one);
      expect(COMMAND_STATUSES as readonly string[]).not.toContain(one);
    }
    const agent: Policy = {
      ...anyonePolicy("agent", "a test"),
      evaluate: () => ({ decision: "route_agent" as never, reasons: [] }),
    };
    expect(evaluatePolicies([agent], PLAIN_INPUT)[0]?.decision).toBe("deny");
  });
});

test("EFF-2 X-35 an effect is planned with its type, its key and what undoes it; whether that is the inverse stands with what undoes it", () => {
  expectTypeOf<keyof PlannedEffect>().toEqualTypeOf<
    "effectType" | "idempotencyKey" | "declaredCompensation" | "compensation"
  >();
  expectTypeOf<NonNullable<PlannedEffect["compensation"]>>().toHaveProperty("counterEffects");
});
