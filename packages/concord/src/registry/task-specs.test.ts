import { expect, test } from "vitest";
import { appNotificationConnector } from "../adapters/connectors/notification/app.ts";
import { anyonePolicy } from "../core/policies.ts";
import { contractsFromYaml, parseDeclarations } from "../declarations/index.ts";
import type { TaskDefinition, TaskFunction } from "../domain/tasks.ts";
import { CatalogError } from "./check-catalog.ts";
import { type Contracts, defineContracts, loadCatalog } from "./define-contracts.ts";
import { describeTasks } from "./describe-tasks.ts";

/** As the specification prints it (§26). */
const PUBLISHED = `
task:
  name: Generate Report
  command_type: generate_report
  ingress_types:
    - user_request
    - scheduled_trigger
  required_inputs:
    - report_type
    - date_range
  execution:
    mode: async
    function_name: generate_report
  policies:
    - permission
    - cost
    - data_access
  approval:
    required: false
  outputs:
    artifacts:
      - report
    memory: []
    notifications:
      - app
  lifecycle:
    - created
    - validated
    - queued
    - running
    - succeeded
`;

const WORK: TaskFunction = {
  name: "generate_report",
  description: "Write a report and tell who asked for it.",
  inputSchema: {
    type: "object",
    properties: { report_type: { type: "string" }, date_range: { type: "string" } },
  },
  steps: [
    {
      kind: "artifact",
      id: "write",
      artifactType: "report",
      title: () => "Report",
      content: () => ({}),
    },
    {
      kind: "connector",
      id: "tell",
      connector: "app",
      operation: "send_app_notification",
      effectType: "report.told",
      dependsOn: ["write"],
      input: () => ({}),
    },
  ],
  result: () => ({}),
};

const code = defineContracts((catalog) => {
  for (const name of ["permission", "cost", "data_access"]) {
    catalog.policy(anyonePolicy(name, "a test"));
  }
  catalog.approvalType({ name: "care", description: "Care.", defaultExpiryMinutes: 60 });
  catalog.connector(appNotificationConnector({ name: "app", keyTemplate: "told:{this_command}" }));
  catalog.taskFunction(WORK);
});
const load = (text: string, more: readonly Contracts[] = []) =>
  loadCatalog([code, ...more, contractsFromYaml(text, "report.yaml")]);
const problemsOf = (text: string, more: readonly Contracts[] = []): readonly string[] => {
  try {
    load(text, more);
    return [];
  } catch (error) {
    if (error instanceof CatalogError) return error.problems;
    throw error;
  }
};

test("PLN-10 CMD-10 the published template is read as it stands and becomes the task that it describes", () => {
  const told = describeTasks(load(PUBLISHED)).find((one) => one.name === "Generate Report");
  const { inputSchema, primitives, auditTier, agentsMay, usesConnector, ...spec } = told ?? {};
  expect(spec).toEqual({
    name: "Generate Report",
    description: "Write a report and tell who asked for it.",
    commandType: "generate_report",
    functionName: "generate_report",
    ingressTypes: ["user_request", "scheduled_trigger"],
    requiredInputs: ["report_type", "date_range"],
    syncAllowed: false,
    asyncRequired: true,
    approvalRequired: false,
    memoryWritePossible: false,
    artifactPossible: true,
    notificationRequired: true,
    policyChecks: ["permission", "cost", "data_access"],
    connectorRequirements: ["app"],
    riskLevel: "low",
    maxAttempts: 5,
    metadata: {},
  });
  expect(primitives?.map((one) => one.name)).toEqual([
    "ingress",
    "command",
    "context",
    "policy",
    "plan",
    "queue",
    "async_task",
    "connector_call",
    "artifact_write",
    "notification",
    "state_transition",
    "audit",
  ]);
});

test("PLN-10 it runs under its own name, and the function itself can be asked for by nobody", () => {
  const catalog = load(PUBLISHED);
  const task = catalog.task("Generate Report");
  expect(task?.validate({ report_type: "x" })[0]?.message).toContain("date_range");
  expect(task?.validate({ report_type: "x", date_range: "y" })).toEqual([]);
  expect(catalog.task("generate_report")).toBeUndefined();
});

test.each([
  ["  retries: 3", "retries"],
  ["  steps: []", "steps"],
])("PLN-10 a key that the template does not have is refused: %s", (line, named) => {
  const { problems } = parseDeclarations(`${PUBLISHED}${line}\n`, "report.yaml");
  expect(problems).toEqual([expect.stringContaining(named)]);
  expect(problems[0]).toContain('report.yaml:2: task "Generate Report"');
});

test.each([
  ["function_name: generate_report", "function_name: elsewhere", 'unknown function "elsewhere"'],
  ["- report_type", "- colour", "required_inputs names colour"],
  ["      - report\n", "      - table\n", "outputs.artifacts names table"],
  ["      - report\n", "      - table\n", "outputs.artifacts leaves out report"],
  ["memory: []", "memory: [preference]", "outputs.memory names preference"],
  ["- app", "- pigeon", "outputs.notifications names pigeon"],
  ["- permission", "- nobody", 'unknown policy "nobody"'],
  ["required: false", "required: true", "approval is required, but"],
  ["required: false", "required: true", "do not agree on whether somebody is asked"],
  ["    - validated\n", "", "created does not lead to queued"],
  ["    - queued\n", "", "leaves out queued"],
  ["    - succeeded\n", "", "does not end at rest"],
])("PLN-10 an answer that is not true is a problem: %s → %s", (from, to, problem) => {
  expect(problemsOf(PUBLISHED.replace(from, to)).join("\n")).toContain(problem);
});

test("CMD-10 a task that says nothing has the defaults of the specification", () => {
  const least = defineContracts((catalog) => {
    catalog.task({
      name: "look",
      description: "Look.",
      inputSchema: { type: "object" },
      policies: ["permission"],
      steps: [],
      result: () => ({}),
    });
  });
  const told = describeTasks(loadCatalog([code, least])).find((one) => one.name === "look");
  expect(told).toMatchObject({
    commandType: "look",
    functionName: "look",
    ingressTypes: [],
    requiredInputs: [],
    syncAllowed: false,
    asyncRequired: false,
    approvalRequired: false,
    memoryWritePossible: false,
    artifactPossible: false,
    notificationRequired: false,
    policyChecks: ["permission"],
    connectorRequirements: [],
    riskLevel: "low",
    maxAttempts: 3,
    metadata: {},
    auditTier: "durable",
  });
});

test("AUD-13 a task that promises the highest tier and would leave less does not load", () => {
  const promising = (more: Partial<TaskDefinition> = {}) =>
    defineContracts((catalog) => {
      catalog.task({
        ...WORK,
        name: "careful",
        policies: ["permission"],
        auditTier: "high_risk",
        ...more,
      });
    });
  const problem =
    'task "careful" promises the audit tier high_risk, but leaves no approval, no compensation';
  expect(problemsOf("", [promising()])).toEqual([problem]);
  const approval = { type: "care", approver: { kind: "group", name: "g" } } as const;
  const kept = promising({ approval, steps: WORK.steps.slice(0, 1), idempotency: { key: "k" } });
  const told = describeTasks(load("", [kept])).find((one) => one.name === "careful");
  expect(told?.auditTier).toBe("high_risk");
  const low = promising({ auditTier: "observable" as never });
  expect(problemsOf("", [low])[0]).toContain("it is durable or high_risk");
});
