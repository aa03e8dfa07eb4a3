/** CON-1: what every connector that comes with Concord keeps, whichever vendor is behind it. */
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../core/json.ts";
import { anyonePolicy } from "../../core/policies.ts";
import type { ConnectorDefinition } from "../../domain/connectors.ts";
import { defineContracts, loadCatalog } from "../../registry/define-contracts.ts";
import { connectorContract } from "../../testing/index.ts";
import { databricksConnector } from "./databricks/connector.ts";
import { githubConnector } from "./github/connector.ts";
import { httpConnector } from "./http/connector.ts";
import { mcpServer } from "./mcp/connector.ts";
import { appNotificationConnector } from "./notification/app.ts";
import { emailConnector } from "./notification/email.ts";
import { slackConnector } from "./notification/slack.ts";
import { postgresConnector } from "./postgres/connector.ts";

const NOWHERE = "http://127.0.0.1:1";
const secretRef = "env:SECRET";
const keyed = { keyTemplate: "k:{id}" };
const mcp = mcpServer({
  name: "mcp",
  transport: { kind: "http", url: NOWHERE },
  snapshot: {
    server: { name: "s", version: "1" },
    tools: [
      {
        name: "tool",
        description: "",
        inputSchema: { type: "object", properties: { a: { type: ["string", "null"] } } },
        annotations: {},
      },
    ],
  },
  policies: ["open"],
  approval: { type: "care", approver: { kind: "group", name: "g" } },
});
/** Each with an input that fits, and the secret that fits its kind. */
const CONNECTORS: readonly (readonly [
  ConnectorDefinition,
  string,
  Readonly<Record<string, JsonObject>>,
])[] = [
  [
    postgresConnector({ name: "postgres", secretRef }),
    "postgres://u:password@127.0.0.1:1/d",
    { query: { sql: "SELECT 1" } },
  ],
  [
    httpConnector({
      name: "http",
      hosts: ["127.0.0.1"],
      privateRanges: ["127.0.0.1/32"],
      plainHttp: true,
      secretRef,
      writing: { ...keyed, compensation: { notNeeded: "a test" } },
    }),
    "a-secret",
    { read: { url: NOWHERE }, write: { url: NOWHERE, method: "POST", body: {} } },
  ],
  [
    emailConnector({ name: "mail", secretRef, from: "a@b.example", ...keyed }),
    "smtp://127.0.0.1:1",
    {
      send_email: { to: ["a@b.example"], subject: "s", body: "b" },
    },
  ],
  [
    slackConnector({
      name: "slack",
      secretRef,
      hosts: ["127.0.0.1"],
      privateRanges: ["127.0.0.1/32"],
      plainHttp: true,
      ...keyed,
    }),
    NOWHERE,
    { send_slack: { text: "t" } },
  ],
  [
    githubConnector({
      name: "github",
      secretRef,
      baseUrl: NOWHERE,
      repositories: ["o/r"],
      writing: {
        create_issue: keyed,
        create_comment: keyed,
        create_pull_request: keyed,
        close_pull_request: keyed,
      },
    }),
    "a-secret",
    {
      get_file: { repository: "o/r", path: "a" },
      get_issue: { repository: "o/r", number: 1 },
      create_issue: { repository: "o/r", title: "t", body: "b" },
      create_comment: { repository: "o/r", number: 1, body: "b" },
      create_pull_request: { repository: "o/r", title: "t", body: "b", head: "h", base: "m" },
      close_pull_request: { repository: "o/r", number: 1 },
    },
  ],
  [
    databricksConnector({
      name: "databricks",
      secretRef,
      workspaceUrl: NOWHERE,
      warehouseId: "w",
      jobs: { ids: [1], keyTemplate: "j:{id}", cancelKeyTemplate: "c:{id}" },
    }),
    "a-secret",
    {
      get_run: { run_id: 1 },
      run_job: { job_id: 1 },
      cancel_run: { run_id: 1 },
      query: { sql: "SELECT 1" },
    },
  ],
  [mcp.connector, "a-secret", { tool: { a: null }, "(drift)": {} }],
];
const OPERATIONS = CONNECTORS.flatMap(([connector]) =>
  Object.entries(connector.operations).map(([name, operation]) => ({
    at: `${connector.name}.${name}`,
    operation,
  })),
);

test("CON-2 POL-20 every connector that is shipped loads, with a task for each operation", () => {
  const contracts = defineContracts((catalog) => {
    catalog.policy(anyonePolicy("open", "a test"));
    catalog.approvalType({ name: "care", description: "c", defaultExpiryMinutes: 1 });
    catalog.connector(appNotificationConnector({ name: "inbox", ...keyed }));
    for (const [connector] of CONNECTORS) catalog.connector(connector);
    for (const task of mcp.tasks) catalog.task(task);
    for (const { at, operation } of OPERATIONS) {
      const [connector = "", name = ""] = at.split(".");
      catalog.task({
        name: `use ${at}`,
        description: at,
        inputSchema: { type: "object", required: ["id"] },
        policies: ["open"],
        steps: [
          {
            kind: "connector",
            id: "go",
            connector,
            operation: name,
            input: () => ({}),
            ...(operation.sideEffect ? { effectType: at } : {}),
          },
        ],
        result: () => ({}),
      });
      if (operation.compensation === "required") {
        const undo = connector === "github" ? "close_pull_request" : "cancel_run";
        catalog.compensation({ name: `undo ${at}`, of: at, connector, operation: undo });
      }
    }
  });
  expect(loadCatalog([contracts]).connectors()).toHaveLength(CONNECTORS.length + 1);
});

describe.each(CONNECTORS.map(([connector, secret, inputs]) => ({ connector, secret, inputs })))(
  "$connector.name",
  (subject) => {
    for (const one of connectorContract(subject)) test(one.name, one.run);
  },
);
