import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { JsonObject } from "../../../core/json.ts";
import { testContext } from "../../../testing/index.ts";
import { databricksConnector } from "./connector.ts";

const TOKEN = "databricks-test-token";
/** What the server answers next instead of doing it. */
let next:
  | { status: number; body: object; headers?: Record<string, string>; after?: boolean }
  | undefined;
const runs = new Map<string, number>();
const cancelled: number[] = [];
const asked: { path: string; body: JsonObject }[] = [];
let server: Server;
let url: string;

/** Answers like the Jobs API 2.1 and the Statement Execution API 2.0. */
beforeAll(async () => {
  server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const body = text === "" ? {} : (JSON.parse(text) as JsonObject);
    asked.push({ path: request.url ?? "", body });
    const send = (status: number, answer: object, headers = {}) =>
      response
        .writeHead(status, { "content-type": "application/json", ...headers })
        .end(JSON.stringify(answer));
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      return send(403, { error_code: "PERMISSION_DENIED", message: "Invalid access token." });
    }
    const told = next;
    next = undefined;
    if (told !== undefined && told.after !== true)
      return send(told.status, told.body, told.headers);
    const done = act(request.url ?? "", body);
    if (told !== undefined) return void response.destroy();
    return send(done.status, done.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked.length = 0;
});

function act(path: string, body: JsonObject) {
  if (path === "/api/2.1/jobs/run-now") {
    const token = String(body["idempotency_token"]);
    const run_id = runs.get(token) ?? runs.size + 1;
    runs.set(token, run_id);
    return { status: 200, body: { run_id, number_in_job: run_id } };
  }
  if (path === "/api/2.1/jobs/runs/cancel") {
    cancelled.push(Number(body["run_id"]));
    return { status: 200, body: {} };
  }
  if (path.startsWith("/api/2.1/jobs/runs/get?run_id=")) {
    const state = { life_cycle_state: "TERMINATED", result_state: "SUCCESS", state_message: "" };
    return {
      status: 200,
      body: { run_id: 1, job_id: 7, run_page_url: "https://w/run/1", state, cluster: {} },
    };
  }
  if (path === "/api/2.0/sql/statements") {
    return {
      status: 200,
      body: {
        statement_id: "s",
        status: { state: "SUCCEEDED" },
        manifest: { schema: { columns: [{ name: "region" }, { name: "total" }] }, truncated: true },
        result: {
          data_array: [
            ["EU", "12.5"],
            ["US", null],
          ],
        },
      },
    };
  }
  return { status: 404, body: { error_code: "ENDPOINT_NOT_FOUND", message: "no" } };
}

const ask = async (
  operation: string,
  input: JsonObject,
  more: { key?: string; secret?: string } = {},
) => {
  const made = databricksConnector({
    name: "databricks",
    workspaceUrl: url,
    secretRef: "env:DATABRICKS_TOKEN",
    jobs: { ids: [7], keyTemplate: "run:{id}", cancelKeyTemplate: "cancel:{run_id}" },
    warehouseId: "wh-1",
  }).operations[operation];
  if (made === undefined) throw new Error(`no ${operation}`);
  const { key = "k", secret = TOKEN } = more;
  return made.call(input, testContext({ secret, idempotencyKey: key }));
};

describe("Databricks", () => {
  test("CON-15 CON-18 EFF-7 a run that was started while the line was cut is the run of the next request", async () => {
    next = { status: 0, body: {}, after: true };
    const lost = await ask(
      "run_job",
      { job_id: 7, parameters: { day: "2026-03-01" } },
      { key: "cut" },
    );
    expect(lost).toMatchObject({ ok: false, errorClass: "transient_connector_error" });
    const again = await ask(
      "run_job",
      { job_id: 7, parameters: { day: "2026-03-01" } },
      { key: "cut" },
    );
    expect(again).toEqual({ ok: true, output: { run_id: 1 } });
    expect(runs.size).toBe(1);
    expect(await ask("run_job", { job_id: 7 }, { key: "other" })).toEqual({
      ok: true,
      output: { run_id: 2 },
    });
    expect(String(asked[0]?.body["idempotency_token"])).toHaveLength(64);
  });

  test("CMP-18 a run is watched and cancelled", async () => {
    expect(await ask("get_run", { run_id: 1 })).toEqual({
      ok: true,
      output: {
        run_id: 1,
        job_id: 7,
        page_url: "https://w/run/1",
        life_cycle_state: "TERMINATED",
        result_state: "SUCCESS",
        message: "",
      },
    });
    expect(await ask("cancel_run", { run_id: 2 })).toMatchObject({ ok: true });
    expect(cancelled).toEqual([2]);
  });

  test("CON-15 a warehouse answers in rows, by named parameters, and says when there was more", async () => {
    const found = await ask("query", {
      sql: "SELECT region, total FROM sales WHERE day = :day AND n > :n",
      parameters: { day: "2026-03-01", n: 3 },
    });
    expect(found).toEqual({
      ok: true,
      output: {
        columns: ["region", "total"],
        rows: [
          ["EU", "12.5"],
          ["US", null],
        ],
        row_count: 2,
        truncated: true,
      },
    });
    expect(asked[0]?.body).toMatchObject({
      warehouse_id: "wh-1",
      on_wait_timeout: "CANCEL",
      parameters: [
        { name: "day", value: "2026-03-01" },
        { name: "n", value: "3", type: "BIGINT" },
      ],
    });
  });

  test.each([
    "DELETE FROM sales",
    "SELECT 1; DROP TABLE sales",
    "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE",
    "OPTIMIZE sales",
  ])("SEC-10 %s never reaches the warehouse", async (sql) => {
    expect(await ask("query", { sql })).toMatchObject({
      ok: false,
      errorClass: "permission_denied",
    });
    expect(asked).toEqual([]);
  });

  test.each([
    ["FAILED", { error_code: "BAD_REQUEST", message: "syntax" }, "validation_error"],
    [
      "FAILED",
      { error_code: "TEMPORARILY_UNAVAILABLE", message: "later" },
      "transient_connector_error",
    ],
    ["CANCELED", undefined, "timeout"],
  ])("ERR-3 a statement that is %s with %j is %s", async (state, error, errorClass) => {
    next = { status: 200, body: { statement_id: "s", status: { state, error } } };
    expect(await ask("query", { sql: "SELECT 1" })).toMatchObject({ ok: false, errorClass });
  });

  test.each([
    [429, "rate_limited"],
    [503, "transient_connector_error"],
    [403, "permanent_connector_error"],
    [400, "validation_error"],
  ])("ERR-3 %d is %s, with the vendor's own words", async (status, errorClass) => {
    next = {
      status,
      body: { error_code: "X", message: "its own words" },
      headers: { "retry-after": "4" },
    };
    const found = await ask("run_job", { job_id: 7 }, { key: `e${status}` });
    expect(found).toMatchObject({
      ok: false,
      errorClass,
      message: `${status}: its own words`,
      retryAfterMs: 4_000,
    });
  });

  test("CON-9 a wrong token is final", async () => {
    expect(await ask("get_run", { run_id: 1 }, { secret: "wrong-token" })).toMatchObject({
      errorClass: "permanent_connector_error",
    });
  });
});
