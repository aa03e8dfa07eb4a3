/**
 * The subject "bare": DBOS alone, a queued workflow of two steps that do nothing, with the settings Concord gives it.
 * Takes orders as lines of JSON on standard input and answers each with one line.
 */
import { DBOS, DBOSClient } from "@dbos-inc/dbos-sdk";
import pg from "pg";
import { serveOrders } from "../orders.ts";

const VERSION = "bare-1";
const QUEUE = "connector_calls";
const databaseUrl = process.env["DATABASE_URL"] ?? "";

DBOS.setConfig({
  name: "bare",
  applicationVersion: VERSION,
  executorID: "bare-1",
  systemDatabaseUrl: databaseUrl,
  systemDatabasePoolSize: 20,
  logLevel: "error",
});
const workflow = DBOS.registerWorkflow(
  async (id: string) => {
    await DBOS.runStep(async () => ({ done: id }), { name: "first" });
    await DBOS.runStep(async () => ({ done: id }), { name: "second" });
    return null;
  },
  { name: "bare" },
);
await DBOS.launch();
await DBOS.registerQueue(QUEUE, { minPollingIntervalMs: 20, onConflict: "always_update" });
const pool = new pg.Pool({ connectionString: databaseUrl, max: 20 });
const client = await DBOSClient.create({
  systemDatabaseUrl: databaseUrl,
  systemDatabasePool: pool,
  applicationName: "bare",
});
void workflow;

await serveOrders({
  pool,
  submit: async (n) => {
    const workflowID = `bare:${n}`;
    const options = { queueName: QUEUE, workflowName: "bare", workflowID, appVersion: VERSION };
    await client.enqueue(options, workflowID);
    return workflowID;
  },
  isDone: async (id) => {
    const { rows } = await pool.query(
      "SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid = $1 AND status = 'SUCCESS'",
      [id],
    );
    return rows.length === 1;
  },
  doneCount: async () => {
    const { rows } = await pool.query<{ count: string }>(
      "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'",
    );
    return Number(rows[0]?.count);
  },
  more: {},
});
