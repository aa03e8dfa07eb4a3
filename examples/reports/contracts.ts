/**
 * Owns two tasks: `generate_report` reads the warehouse and keeps the report (EX-1, EX-2), `publish_report` sends one
 * outside, once, when a person agreed (EX-3). Environment: `REPORTS_WAREHOUSE_URL` and `REPORTS_SITE_KEY` are the
 * secrets, `REPORTS_SITE` where reports are published.
 */
import {
  appNotificationConnector,
  type ConnectorDefinition,
  ContractFailure,
  defineContracts,
  findSensitive,
  httpJson,
  type JsonObject,
  postgresConnector,
  type TaskDefinition,
} from "@concert/concord";
import {
  AFFORDABLE,
  DATA_ACCESS,
  EXTERNAL,
  MAY_REPORT,
  PII,
  PUBLICATION,
  READ_ONLY,
  reportPolicies,
  WATCHED,
} from "./policies.ts";

const QUERIES: Readonly<Record<string, string>> = {
  monthly_revenue: `SELECT to_char(day, 'YYYY-MM') AS month, sum(amount)::text AS revenue FROM sales
    WHERE day BETWEEN $1::date AND $2::date GROUP BY 1 ORDER BY 1`,
  customers: `SELECT DISTINCT customer_email FROM sales
    WHERE day BETWEEN $1::date AND $2::date ORDER BY 1`,
};
const DATE = { type: "string", format: "date" };
const DAY_MS = 86_400_000;

const site = httpJson(() => process.env["REPORTS_SITE"] ?? "http://127.0.0.1:5310");
const siteConnector: ConnectorDefinition = {
  name: "site",
  connectorType: "http",
  riskLevel: "high",
  auth: { mode: "bearer", secretRef: "env:REPORTS_SITE_KEY" },
  operations: {
    publish: {
      description: "Put a report where others can read it.",
      sideEffect: true,
      keyTemplate: "publish_report:{artifact_id}:{destination}",
      timeoutMs: 10_000,
      retry: { attemptsMax: 3, waitsSeconds: [1, 5] },
      compensation: { notNeeded: "what was read outside cannot be taken back; a person agreed" },
      call: (body, context) => site({ method: "POST", path: "/reports", body }, context),
      lookup: async (key, context) => {
        const found = await site({ method: "GET", path: "/reports", query: { key } }, context);
        return found.ok && found.output["report"] === null ? undefined : found;
      },
    },
  },
};

const generateReport: TaskDefinition = {
  name: "generate_report",
  description: "Make a report from the warehouse.",
  inputSchema: {
    type: "object",
    required: ["report_type", "from", "to"],
    additionalProperties: false,
    properties: { report_type: { enum: Object.keys(QUERIES) }, from: DATE, to: DATE },
  },
  policies: [MAY_REPORT, AFFORDABLE, DATA_ACCESS, READ_ONLY, WATCHED],
  dataTouched: ["sales"],
  idempotency: { key: "generate_report:{report_type}:{from}:{to}" },
  gatherFacts: async ({ from, to }) => {
    const days = (Date.parse(String(to)) - Date.parse(String(from))) / DAY_MS + 1;
    if (!(days >= 1)) throw new ContractFailure("validation_error", "to must not be before from");
    return { days };
  },
  steps: [
    {
      kind: "connector",
      id: "run",
      connector: "report_warehouse",
      operation: "query",
      input: ({ payload }) => ({
        sql: QUERIES[String(payload["report_type"])] ?? "",
        params: [payload["from"] ?? null, payload["to"] ?? null],
      }),
    },
    {
      kind: "artifact",
      id: "report",
      artifactType: "report",
      dependsOn: ["run"],
      title: ({ payload }) => `${payload["report_type"]}, ${payload["from"]} to ${payload["to"]}`,
      content: ({ results }) => results["run"] as JsonObject,
    },
    {
      kind: "connector",
      id: "notify",
      connector: "inbox",
      operation: "send_app_notification",
      effectType: "notification.app",
      dependsOn: ["report"],
      input: ({ payload, results, requester }) => ({
        recipient: requester.user,
        title: `Your report ${payload["report_type"]} is ready`,
        body: String((results["report"] as JsonObject)["artifact_id"]),
      }),
    },
  ],
  result: ({ results }) => results["report"] as JsonObject,
  tool: { name: "generate_report" },
};

const publishReport: TaskDefinition = {
  name: "publish_report",
  description: "Publish a report.",
  inputSchema: {
    type: "object",
    required: ["artifact_id", "destination"],
    additionalProperties: false,
    properties: {
      artifact_id: { type: "string", pattern: "^art_[0-9a-f]{32}$" },
      destination: { type: "string", minLength: 1, maxLength: 200 },
    },
  },
  riskLevel: "high",
  policies: [MAY_REPORT, EXTERNAL, PII],
  idempotency: { key: "publish_report:{artifact_id}:{destination}" },
  gatherFacts: async (payload, read) => {
    const report = await read.artifact(String(payload["artifact_id"]));
    if (report?.artifactType !== "report") {
      throw new ContractFailure("validation_error", "there is no such report");
    }
    const sensitive = findSensitive(report.content).map(({ kind }) => kind);
    return { title: report.title, content: report.content, sensitive: [...new Set(sensitive)] };
  },
  review: ({ payload, facts, requester }) => ({
    action: `Publish "${facts["title"]}" to ${payload["destination"]}`,
    why: `${requester.user} asked for it, and it leaves the house.`,
    affected: [
      { label: "Report", value: facts["title"] ?? null },
      { label: "Holds", value: facts["sensitive"] ?? null },
    ],
    afterApproval: "It is published once. It cannot be taken back.",
  }),
  steps: [
    {
      kind: "connector",
      id: "publish",
      connector: "site",
      operation: "publish",
      effectType: "report.publish",
      input: ({ payload, facts }) => ({
        destination: payload["destination"] ?? null,
        title: facts["title"] ?? null,
        content: facts["content"] ?? null,
      }),
    },
  ],
  result: ({ results }) => results["publish"] as JsonObject,
};

export default defineContracts((catalog) => {
  for (const policy of reportPolicies()) catalog.policy(policy);
  catalog.approvalType({
    name: PUBLICATION,
    description: "Something leaves the house.",
    defaultExpiryMinutes: 24 * 60,
  });
  catalog.connector(
    postgresConnector({ name: "report_warehouse", secretRef: "env:REPORTS_WAREHOUSE_URL" }),
  );
  catalog.connector(
    appNotificationConnector({ name: "inbox", keyTemplate: "report_ready:{this_command}" }),
  );
  catalog.connector(siteConnector);
  catalog.task(generateReport);
  catalog.task(publishReport);
});
