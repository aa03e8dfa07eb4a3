import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyonePolicy } from "../core/policies.ts";
import { type CombinedDecision, deepFreeze } from "../core/policy.ts";
import { NO_RETRY } from "../core/retry.ts";
import { POLICY_OUTCOMES } from "../core/vocabulary.ts";
import { defineContracts, loadCatalog } from "../registry/define-contracts.ts";
import type { OperationDefinition } from "./connectors.ts";
import { makePlan } from "./make-plan.ts";
import type { StepDefinition, TaskCatalog } from "./tasks.ts";

const operation = (more: Partial<OperationDefinition>): OperationDefinition => ({
  description: "an operation",
  sideEffect: false,
  timeoutMs: 1_000,
  retry: NO_RETRY,
  call: async () => ({ ok: true, output: {} }),
  ...more,
});
const writing = { sideEffect: true, compensation: { notNeeded: "a test" } } as const;
const input = () => ({});
const steps: Readonly<Record<string, StepDefinition>> = {
  read: { kind: "connector", id: "read", connector: "shop", operation: "price", input },
  buy: {
    kind: "connector",
    id: "buy",
    connector: "shop",
    operation: "buy",
    effectType: "shop.buy",
    input,
  },
  tell: {
    kind: "connector",
    id: "tell",
    connector: "inbox",
    operation: "send",
    effectType: "note",
    input,
  },
  keep: { kind: "artifact", id: "keep", artifactType: "receipt", title: () => "", content: input },
};

function catalogOf(syncAllowed: boolean, chosen: readonly StepDefinition[]): TaskCatalog {
  return loadCatalog([
    defineContracts((catalog) => {
      const plain = { riskLevel: "low", auth: { mode: "none" } } as const;
      catalog.policy(anyonePolicy("anyone", "it is a test"));
      catalog.artifactType({ name: "receipt", description: "What was bought." });
      catalog.approvalType({ name: "purchase", description: "One.", defaultExpiryMinutes: 1 });
      catalog.connector({
        ...plain,
        name: "shop",
        connectorType: "http",
        operations: {
          price: operation({}),
          buy: operation({ ...writing, keyTemplate: "buy:{id}", compensation: "required" }),
          refund: operation({ ...writing, keyTemplate: "refund:{id}" }),
        },
      });
      catalog.connector({
        ...plain,
        name: "inbox",
        connectorType: "notification",
        operations: { send: operation({ ...writing, keyTemplate: "tell:{this_command}" }) },
      });
      if (chosen.some((one) => one.id === "buy")) {
        const undo = { connector: "shop", operation: "refund" };
        catalog.compensation({ name: "refund", of: "shop.buy", ...undo });
      }
      catalog.task({
        name: "work",
        description: "Work.",
        policies: ["anyone"],
        inputSchema: {
          type: "object",
          required: ["id"],
          properties: { id: { type: "string" } },
        },
        syncAllowed,
        steps: chosen,
        result: input,
        tool: { name: "work_for_agents" },
      });
    }),
  ]);
}

const combined: CombinedDecision = {
  decision: "allow",
  reasons: [],
  decidedBy: [],
  requiredApprovals: [],
  redactions: [],
};
const gate = { approvalType: "purchase", approver: { kind: "group", name: "finance" } } as const;

function planOf(
  chosen: readonly StepDefinition[],
  decision: CombinedDecision = combined,
  { syncAllowed = false, payload = { id: "7" } as Record<string, string> } = {},
) {
  const catalog = catalogOf(syncAllowed, chosen);
  const task = catalog.toolTask("work_for_agents");
  if (task === undefined) throw new Error("the tool has no task");
  const command = { commandId: "01a1fe06-1cd7-702f-8567-4d31377853f0" as never, payload };
  const request = deepFreeze({ command, combined: decision, planId: "plan_1", createdAt: "t" });
  return makePlan(catalog, { ...request, task });
}

const all = Object.values(steps);
const anySteps = fc.subarray(all);

describe("plans", () => {
  test("PLN-3 the same command, task and decision give the same plan, and change none of them", () => {
    const decisions = fc.constantFrom(...POLICY_OUTCOMES).map((one) => ({
      ...combined,
      decision: one,
      requiredApprovals: one === "require_approval" ? [gate] : [],
    }));
    fc.assert(
      fc.property(anySteps, decisions, fc.boolean(), (chosen, decision, syncAllowed) => {
        const options = { syncAllowed };
        expect(planOf(chosen, decision, options)).toEqual(planOf(chosen, decision, options));
      }),
    );
  });

  test("PLN-2 PLN-3 V-71 TOL-3 a tool becomes calls of its connectors' operations, with keys, ways back and gates", () => {
    const made = planOf(all, { ...combined, requiredApprovals: [gate] }, { syncAllowed: true });
    expect(made).toEqual({
      plan: {
        planId: "plan_1",
        commandId: "01a1fe06-1cd7-702f-8567-4d31377853f0",
        executionMode: "async",
        primitives: [
          "ingress",
          "command",
          "context",
          "policy",
          "plan",
          "human_approval",
          "sync_function",
          "connector_call",
          "artifact_write",
          "notification",
          "state_transition",
          "audit",
        ],
        steps: [
          {
            stepId: "read",
            dependsOn: [],
            primitive: "connector_call",
            functionName: "shop.price",
            metadata: { side_effect: false, attempts_max: 1, timeout_ms: 1_000 },
          },
          {
            stepId: "buy",
            dependsOn: [],
            primitive: "connector_call",
            functionName: "shop.buy",
            metadata: { side_effect: true, attempts_max: 1, timeout_ms: 1_000 },
            effect: {
              effectType: "shop.buy",
              idempotencyKey: "buy:7",
              declaredCompensation: "refund",
              compensation: expect.objectContaining({ name: "refund" }),
            },
          },
          {
            stepId: "tell",
            dependsOn: [],
            primitive: "connector_call",
            functionName: "inbox.send",
            metadata: { side_effect: true, attempts_max: 1, timeout_ms: 1_000 },
            effect: {
              effectType: "note",
              idempotencyKey: "tell:cmd_01a1fe061cd7702f85674d31377853f0",
              declaredCompensation: null,
              compensation: null,
            },
          },
          {
            stepId: "keep",
            dependsOn: [],
            primitive: "artifact_write",
            functionName: "receipt",
            metadata: {},
          },
        ],
        requiredApprovals: ["purchase"],
        expectedArtifacts: ["receipt"],
        memoryWriteIntents: [],
        notificationIntents: ["inbox.send"],
        createdAt: "t",
      },
    });
  });

  test("PLN-4 whatever the steps, an effect is planned for each that writes outside and for no other", () => {
    fc.assert(
      fc.property(anySteps, (chosen) => {
        const made = planOf(chosen);
        if (!("plan" in made)) throw new Error("it could not be planned");
        const writes = made.plan.steps.filter((one) => one.effect !== undefined);
        expect(writes.map((one) => one.stepId)).toEqual(
          chosen.map((one) => one.id).filter((id) => id === "buy" || id === "tell"),
        );
        const tells = made.plan.primitives.includes("notification");
        expect(tells).toBe(chosen.some((one) => one.id === "tell"));
      }),
    );
  });

  test("CON-10 a key that the payload cannot fill is a failure, and nothing is planned", () => {
    expect(planOf(all, combined, { payload: {} })).toEqual({
      failure: {
        errorClass: "validation_error",
        message: 'the key of shop.buy needs "id" in the payload',
      },
    });
  });
});
