/**
 * Owns the nightly sync of a vendor's sales (EX-19 to EX-23): fetch, load what was last written, and write the day only
 * when it changed. Environment: `SALES_VENDOR_URL` and `SALES_VENDOR_API_KEY` for the vendor, `SYNC_WAREHOUSE_URL` for
 * the warehouse, `SYNC_RETRY_FACTOR` (default 1) by which the waits between attempts are multiplied, `SYNC_TENANT`.
 */
import { createHash } from "node:crypto";
import {
  type ConnectorDefinition,
  type ConnectorResult,
  connectorScopePolicy,
  defineContracts,
  httpJson,
  type JsonObject,
  type Policy,
  type RetryDeclaration,
  type StepView,
  type TaskDefinition,
} from "@concert/concord";
import { warehouseConnector } from "./warehouse.ts";

const MAY_SYNC = "vendor_sync.may_run";
const SCOPE = "vendor_sync.scope";
const PERMISSION = "sync_vendor_data";
/** EX-21: four attempts, the last one more than twelve minutes after the first. */
const FETCH_RETRY = { attemptsMax: 4, waitsSeconds: [30, 120, 600] } as const;
const FETCH_WITHIN_MS = 30_000;
const DAY_MS = 86_400_000;

const vendor = httpJson(() => process.env["SALES_VENDOR_URL"] ?? "http://127.0.0.1:5320");

function fetchRetry(): RetryDeclaration {
  const factor = Number(process.env["SYNC_RETRY_FACTOR"] ?? 1);
  const waitsSeconds = FETCH_RETRY.waitsSeconds.map((wait) => wait * factor);
  return { ...FETCH_RETRY, waitsSeconds };
}

const ROWS = {
  type: "array",
  maxItems: 10_000,
  items: {
    type: "object",
    required: ["product", "quantity", "revenue"],
    properties: {
      product: { type: "string" },
      quantity: { type: "integer" },
      revenue: { type: "string" },
    },
  },
} as const;

const vendorConnector = (): ConnectorDefinition => ({
  name: "sales_vendor",
  connectorType: "http",
  riskLevel: "medium",
  auth: { mode: "bearer", secretRef: "env:SALES_VENDOR_API_KEY" },
  operations: {
    fetch_vendor_snapshot: {
      description: "The sales of one day, and the hash of them.",
      sideEffect: false,
      outputSchema: {
        type: "object",
        required: ["rows", "content_hash"],
        properties: { rows: ROWS, content_hash: { type: "string" } },
      },
      timeoutMs: FETCH_WITHIN_MS,
      retry: fetchRetry(),
      call: async (input, context) => {
        const path = `/v1/${encodeURIComponent(String(input["vendor_name"]))}/sales`;
        const query = { date: String(input["target_date"]) };
        return hashed(await vendor({ method: "GET", path, query }, context));
      },
    },
    create_order: {
      description: "Order something. The sync has no business doing this; its scope says so.",
      sideEffect: true,
      keyTemplate: "vendor_order:{vendor_name}:{product}",
      timeoutMs: FETCH_WITHIN_MS,
      retry: { attemptsMax: 1, waitsSeconds: [] },
      compensation: { notNeeded: "the vendor takes orders back by telephone" },
      call: (input, context) => {
        const path = `/v1/${encodeURIComponent(String(input["vendor_name"]))}/orders`;
        return vendor({ method: "POST", path, body: input }, context);
      },
    },
  },
});

/** The hash of what was answered, whatever order the vendor sends it in. */
function hashed(answer: ConnectorResult): ConnectorResult {
  if (!answer.ok) return answer;
  const { rows } = answer.output;
  if (!Array.isArray(rows)) {
    return { ok: false, errorClass: "malformed_payload", message: "the vendor sent no rows" };
  }
  const lines = (rows as readonly JsonObject[])
    .map(({ product, quantity, revenue }) => JSON.stringify([product, quantity, revenue]))
    .sort();
  const content_hash = createHash("sha256").update(lines.join("\n")).digest("hex");
  return { ok: true, output: { rows, content_hash } };
}

/** The scheduler, or somebody who was given the permission. */
const maySync: Policy = {
  name: MAY_SYNC,
  version: "1",
  category: "permission",
  evaluate: ({ requester }) =>
    requester.roles.includes("system") || requester.permissions.includes(PERMISSION)
      ? { decision: "allow", reasons: [`the scheduler, or who holds ${PERMISSION}`] }
      : { decision: "deny", reasons: [`${requester.user} lacks the permission ${PERMISSION}`] },
};

const ofStep = ({ results }: StepView, id: string): JsonObject => (results[id] ?? {}) as JsonObject;
/** No hash from before means that nothing was written yet. */
const isFresh = (view: StepView) =>
  ofStep(view, "fetch")["content_hash"] !== ofStep(view, "last")["content_hash"];
const inputSchema = {
  type: "object",
  required: ["vendor_name", "target_date"],
  additionalProperties: false,
  properties: {
    vendor_name: { type: "string", pattern: "^[a-z0-9_-]{1,64}$" },
    target_date: { type: "string", format: "date" },
  },
} as const;

const syncVendorSales: TaskDefinition = {
  name: "sync_vendor_sales",
  description: "Bring a vendor's sales of one day into the warehouse.",
  inputSchema,
  policies: [MAY_SYNC, SCOPE],
  dataTouched: ["sales"],
  requires: ["durable_workflows", "durable_steps", "queues", "schedules"],
  idempotency: { key: "sync_vendor_sales:{vendor_name}:{target_date}" },
  steps: [
    {
      kind: "connector",
      id: "fetch",
      connector: "sales_vendor",
      operation: "fetch_vendor_snapshot",
      input: ({ payload }) => payload,
    },
    {
      kind: "connector",
      id: "last",
      connector: "warehouse",
      operation: "load_state",
      dependsOn: ["fetch"],
      input: ({ payload }) => payload,
    },
    {
      kind: "connector",
      id: "write",
      connector: "warehouse",
      operation: "write_partition",
      effectType: "warehouse_partition.write",
      dependsOn: ["last"],
      when: isFresh,
      input: (view) => ({ ...view.payload, ...ofStep(view, "fetch") }),
    },
  ],
  result: (view) => ({
    fresh: isFresh(view),
    content_hash: ofStep(view, "fetch")["content_hash"] ?? null,
    row_count: ofStep(view, "write")["row_count"] ?? 0,
  }),
};

/** What the connector could do and the scope forbids (EX-22). */
const orderFromVendor: TaskDefinition = {
  name: "order_from_vendor",
  description: "Order something from a vendor.",
  inputSchema: {
    type: "object",
    required: ["vendor_name", "product"],
    additionalProperties: false,
    properties: { vendor_name: { type: "string" }, product: { type: "string" } },
  },
  policies: [MAY_SYNC, SCOPE],
  steps: [
    {
      kind: "connector",
      id: "order",
      connector: "sales_vendor",
      operation: "create_order",
      effectType: "vendor_order.create",
      input: ({ payload }) => payload,
    },
  ],
  result: ({ results }) => results["order"] as JsonObject,
};

/** The day before the one the tick was due on. */
function dayBefore(dueAt: string): string {
  return new Date(Date.parse(dueAt) - DAY_MS).toISOString().slice(0, "YYYY-MM-DD".length);
}

export default defineContracts((catalog) => {
  catalog.policy(maySync);
  catalog.policy(
    connectorScopePolicy(SCOPE, [
      { connector: "sales_vendor", operation: "fetch_vendor_snapshot" },
      { connector: "warehouse", operation: "load_state" },
      { connector: "warehouse", operation: "write_partition" },
    ]),
  );
  catalog.connector(vendorConnector());
  catalog.connector(warehouseConnector);
  catalog.task(syncVendorSales);
  catalog.task(orderFromVendor);
  catalog.schedule({
    name: "sync_vendor_sales_nightly",
    description: "Yesterday's sales of the vendor, every night.",
    task: "sync_vendor_sales",
    cron: "0 3 * * *",
    key: "task",
    tenants: [process.env["SYNC_TENANT"] ?? "acme"],
    payload: (dueAt) => ({ vendor_name: "acme", target_date: dayBefore(dueAt) }),
  });
});
