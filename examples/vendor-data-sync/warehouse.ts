/**
 * Owns the warehouse: a partition for each vendor and day, and what was last written there. A partition and the hash of
 * what it holds are written in one transaction, so the next night never takes one for the other.
 */
import type {
  CallContext,
  ConnectorDefinition,
  ConnectorResult,
  JsonObject,
  RetryDeclaration,
} from "@concert/concord";
import pg from "pg";

const TABLES = `
  CREATE SCHEMA IF NOT EXISTS warehouse;
  CREATE TABLE IF NOT EXISTS warehouse.vendor_sales (
    vendor_name TEXT, target_date DATE, product TEXT, quantity INT NOT NULL, revenue NUMERIC NOT NULL,
    PRIMARY KEY (vendor_name, target_date, product));
  CREATE TABLE IF NOT EXISTS warehouse.vendor_sync_state (
    vendor_name TEXT, target_date DATE, content_hash TEXT NOT NULL, written_by TEXT NOT NULL, row_count INT NOT NULL,
    writes INT NOT NULL, written_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (vendor_name, target_date));`;

const RETRY: RetryDeclaration = { attemptsMax: 4, waitsSeconds: [1, 5, 30] };
const TIMEOUT_MS = 20_000;
const CONNECT_WITHIN_MS = 5_000;
const ROWS_MAX = 10_000;

const partition = {
  vendor_name: { type: "string", minLength: 1 },
  target_date: { type: "string", format: "date" },
};
const ROW = {
  type: "object",
  required: ["product", "quantity", "revenue"],
  additionalProperties: false,
  properties: {
    product: { type: "string", minLength: 1 },
    quantity: { type: "integer" },
    revenue: { type: "string", pattern: "^\\d{1,12}(?:\\.\\d{1,4})?$" },
  },
} as const;

/** Makes the tables where they are not there yet. */
export async function prepareWarehouse(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(TABLES);
  } finally {
    await client.end();
  }
}

/** `load_state` reads what was last written, `write_partition` replaces a day. The secret is a connection string. */
export const warehouseConnector: ConnectorDefinition = {
  name: "warehouse",
  connectorType: "postgres",
  riskLevel: "medium",
  auth: { mode: "secret", secretRef: "env:SYNC_WAREHOUSE_URL" },
  operations: {
    load_state: {
      description: "What was last written for a vendor and day.",
      sideEffect: false,
      inputSchema: {
        type: "object",
        required: ["vendor_name", "target_date"],
        additionalProperties: false,
        properties: partition,
      },
      timeoutMs: TIMEOUT_MS,
      retry: RETRY,
      call: (input, context) => within(context, (client) => loadState(client, input)),
    },
    write_partition: {
      description: "Replace the partition of a vendor and day.",
      sideEffect: true,
      keyTemplate: "warehouse_partition.write:{vendor_name}:{target_date}:{this_command}",
      inputSchema: {
        type: "object",
        required: ["vendor_name", "target_date", "content_hash", "rows"],
        additionalProperties: false,
        properties: {
          ...partition,
          content_hash: { type: "string", pattern: "^[0-9a-f]{64}$" },
          rows: { type: "array", maxItems: ROWS_MAX, items: ROW },
        },
      },
      timeoutMs: TIMEOUT_MS,
      retry: RETRY,
      compensation: {
        notNeeded: "an idempotent upsert: a wrong day is put right by the vendor's next answer",
      },
      call: (input, context) => within(context, (client) => write(client, input, context)),
      lookup: async (key, context, input) => {
        const found = await within(context, (client) => loadState(client, input));
        return found.ok && found.output["written_by"] !== key ? undefined : found;
      },
    },
  },
};

async function loadState(client: pg.Client, input: JsonObject): Promise<JsonObject> {
  const { rows } = await client.query<{
    content_hash: string;
    written_by: string;
    row_count: number;
  }>(
    `SELECT content_hash, written_by, row_count FROM warehouse.vendor_sync_state
     WHERE vendor_name = $1 AND target_date = $2`,
    [input["vendor_name"], input["target_date"]],
  );
  const [state] = rows;
  return state === undefined ? { content_hash: null } : { ...state };
}

async function write(
  client: pg.Client,
  input: JsonObject,
  { idempotencyKey }: CallContext,
): Promise<JsonObject> {
  const { vendor_name, target_date, content_hash, rows } = input;
  const day = [vendor_name, target_date];
  await client.query("BEGIN");
  await client.query(
    "DELETE FROM warehouse.vendor_sales WHERE vendor_name = $1 AND target_date = $2",
    day,
  );
  await client.query(
    `INSERT INTO warehouse.vendor_sales SELECT $1, $2, product, quantity, revenue
     FROM jsonb_to_recordset($3::jsonb) AS given (product TEXT, quantity INT, revenue NUMERIC)`,
    [...day, JSON.stringify(rows)],
  );
  const { rows: written } = await client.query<{ content_hash: string; row_count: number }>(
    `INSERT INTO warehouse.vendor_sync_state (vendor_name, target_date, content_hash, written_by, row_count, writes)
     VALUES ($1, $2, $3, $4, jsonb_array_length($5::jsonb), 1)
     ON CONFLICT (vendor_name, target_date) DO UPDATE SET content_hash = excluded.content_hash,
       written_by = excluded.written_by, row_count = excluded.row_count, written_at = now(),
       writes = vendor_sync_state.writes + 1
     RETURNING content_hash, written_by, row_count`,
    [...day, content_hash, idempotencyKey, JSON.stringify(rows)],
  );
  await client.query("COMMIT");
  return { ...written[0] };
}

/** `work` on a connection of its own. A database that is away is tried again; one that refuses is not. */
async function within(
  context: CallContext,
  work: (client: pg.Client) => Promise<JsonObject>,
): Promise<ConnectorResult> {
  const client = new pg.Client({
    connectionString: context.secret,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
  });
  // A connection that breaks tells so through the query; without a listener it would end the process.
  client.on("error", () => undefined);
  const giveUp = () => void client.end().catch(() => undefined);
  context.signal.addEventListener("abort", giveUp, { once: true });
  try {
    await client.connect();
    return { ok: true, output: await work(client) };
  } catch (error) {
    const code = error instanceof pg.DatabaseError ? (error.code ?? "") : "";
    const isRefusal = code !== "" && !/^(?:08|40|53|57)/.test(code);
    const message = `the warehouse: ${error instanceof Error ? error.message : String(error)}`;
    const errorClass = isRefusal ? "permanent_connector_error" : "transient_connector_error";
    return { ok: false, errorClass, message };
  } finally {
    context.signal.removeEventListener("abort", giveUp);
    await client.end().catch(() => undefined);
  }
}
