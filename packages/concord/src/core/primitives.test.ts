import { expect, test } from "vitest";
import { mapTaskToPrimitives } from "./classify.ts";
import {
  COORDINATION_TYPES,
  EXECUTION_TYPES,
  familyOf,
  KNOWLEDGE_TYPES,
  OBSERVABILITY_TYPES,
  PRIMITIVE_FAMILIES,
} from "./primitives.ts";

test.each([
  [
    "V-1 families of primitives",
    PRIMITIVE_FAMILIES,
    `ingress intent policy_and_planning execution coordination state_lifecycle human_judgment
     knowledge_and_output connectors observability_and_governance`,
  ],
  [
    "V-3 ways to execute",
    EXECUTION_TYPES,
    `sync_function async_task background_worker external_job connector_call agent_tool_call human_task`,
  ],
  [
    "V-4 ways to coordinate",
    COORDINATION_TYPES,
    "queue idempotency deduplication lease lock retry backoff rate_limit dependency fanout join",
  ],
  [
    "V-7 what is known and put out",
    KNOWLEDGE_TYPES,
    "memory artifact version lineage retrieval summary embedding",
  ],
  [
    "V-8 what can be observed",
    OBSERVABILITY_TYPES,
    `audit_event trace metric policy_decision cost_record permission_check data_safety_check
     secret_access_log`,
  ],
] as const)("%s are exactly these, each once", (_name, members, listed) => {
  expect([...members].sort()).toEqual(listed.split(/\s+/).sort());
});

test("PLN-13 a weekly sync of a connector is composed of primitives that are there, each of one family", () => {
  const primitives = mapTaskToPrimitives({
    approvalRequired: false,
    asyncRequired: true,
    syncAllowed: false,
    usesConnector: true,
    artifactPossible: true,
    memoryWritePossible: false,
    notificationRequired: true,
  });
  expect(primitives.map((one) => [one, familyOf(one)])).toEqual([
    ["ingress", "ingress"],
    ["command", "intent"],
    ["context", "intent"],
    ["policy", "policy_and_planning"],
    ["plan", "policy_and_planning"],
    ["queue", "coordination"],
    ["async_task", "execution"],
    ["connector_call", "connectors"],
    ["artifact_write", "knowledge_and_output"],
    ["notification", "knowledge_and_output"],
    ["state_transition", "state_lifecycle"],
    ["audit", "observability_and_governance"],
  ]);
  for (const one of primitives) expect(PRIMITIVE_FAMILIES).toContain(familyOf(one));
  const executing = primitives.filter((one) => familyOf(one) === "execution");
  for (const one of executing) expect(EXECUTION_TYPES).toContain(one);
});
