/** What a caller says about where a request belongs, and what the server says about what may be asked for. */
import { createLogger } from "@concert/service-kit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import { celPolicy, defineContracts } from "../src/index.ts";
import { type Harness, startHarness } from "./support/harness.ts";

let h: Harness;
let app: ReturnType<typeof createConcordApp>;
beforeAll(async () => {
  h = await startHarness({
    more: () =>
      defineContracts((catalog) => {
        catalog.policy(
          celPolicy({
            name: "not_in_prod",
            version: "1",
            category: "permission",
            rules: [
              {
                when: 'action.environment == "prod" || action.team == "guests"',
                decision: "deny",
                reason: "it is for trying out",
              },
            ],
            otherwise: { decision: "allow", reason: "it is not prod" },
          }),
        );
        catalog.task({
          name: "try_out",
          description: "Try something out.",
          inputSchema: { type: "object" },
          policies: ["not_in_prod"],
          syncAllowed: true,
          asyncRequired: true,
          metadata: { owner: "platform" },
          steps: [],
          result: () => ({}),
        });
      }),
  });
  const operatorKeys = [parseOperatorKey("op=t1:anna::buy")];
  const auth = { serviceKey: "service", internalSecret: "unused-in-this-test", operatorKeys };
  app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
});
afterAll(() => h.stop());

const ask = async (path: string, body?: unknown) => {
  const headers = { authorization: "Bearer op", "content-type": "application/json" };
  const init =
    body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) };
  const response = await app.request(path, init);
  return { status: response.status, body: (await response.json()) as Record<string, never> };
};

test("CMD-4 where a request belongs is kept with its command, told, and judged by policies", async () => {
  const context = { workspace_id: "w1", app_id: "console", environment: "test" };
  const { status, body } = await ask("/commands", { task_name: "try_out", payload: {}, context });
  expect(status).toBe(202);
  expect(body["context"]).toEqual({
    user_id: "anna",
    tenant_id: "t1",
    workspace_id: "w1",
    app_id: "console",
    team_id: null,
    environment: "test",
    run_as: "user",
    trace_id: body["trace_id"],
    request_id: expect.stringMatching(/^req_[0-9a-f]{32}$/),
  });
  const again = await ask(`/commands/${String(body["command_id"])}`);
  expect(again.body["context"]).toEqual(body["context"]);
  const denied = await ask("/commands", {
    task_name: "try_out",
    payload: {},
    context: { environment: "prod" },
  });
  expect([denied.status, JSON.stringify(denied.body)]).toEqual([
    403,
    expect.stringContaining("it is for trying out"),
  ]);
  const nowhere = await ask("/commands", { task_name: "try_out", payload: {} });
  expect([nowhere.status, nowhere.body["context"]]).toMatchObject([202, { environment: null }]);
});

test("CMD-4 POL-8 a place is judged again as it was: only what the new rule says otherwise moves", async () => {
  const owner = { tenant: "t1", user: "olga", roles: ["owner"], permissions: [] };
  const documents = [
    {
      name: "not_in_prod",
      version: "2",
      category: "permission",
      rules: [{ when: 'action.app == "console"', decision: "deny", reason: "not from there" }],
      otherwise: { decision: "allow", reason: "anywhere else" },
    },
  ];
  const filter = { taskName: "try_out", limit: 100 };
  const { replayed, moves } = await h.concord.policies.whatIf(owner, { documents }, filter);
  expect(replayed).toBe(3);
  expect([...moves].sort((a, b) => (a.from < b.from ? -1 : 1))).toEqual([
    { from: "allow", to: "deny", count: 1 },
    { from: "deny", to: "allow", count: 1 },
  ]);
});

test("CMD-10 PLN-7 what may be asked for is told with its terms; what has to be async never answers within the request", async () => {
  const { body } = await ask("/tasks");
  const items = body["items"] as unknown as Record<string, unknown>[];
  expect(items.find(({ name }) => name === "try_out")).toMatchObject({
    command_type: "try_out",
    sync_allowed: true,
    async_required: true,
    policy_checks: ["not_in_prod"],
    metadata: { owner: "platform" },
    audit_tier: "durable",
  });
  expect(items.find(({ name }) => name === "buy")).toMatchObject({
    connector_requirements: ["shop"],
    artifact_output_possible: true,
    max_attempts: 4,
    required_inputs: ["order_id", "item", "amount"],
  });
  const made = await ask("/commands", { task_name: "try_out", payload: {} });
  expect(made.body["plan"]).toMatchObject({ execution_mode: "async" });
});
