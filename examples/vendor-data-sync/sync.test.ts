/** EX-19 to EX-23 on a real Postgres, with a real vendor that fails on request. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type Command,
  type Concord,
  createConcord,
  encodeId,
  type JsonObject,
  loadCatalog,
  type Principal,
} from "@concert/concord";
import { startTestPostgres, type TestPostgres } from "@concert/concord/testing";
import pg from "pg";
import { startVendor, type Vendor } from "./vendor/server.ts";
import { prepareWarehouse } from "./warehouse.ts";

const WITHIN_MS = 60_000;
const ADA: Principal = {
  tenant: "acme",
  user: "ada",
  roles: ["owner", "operator"],
  permissions: ["sync_vendor_data"],
};
const traceId = "0af7651916cd43dd8448eb211c80319c";

let postgres: TestPostgres;
let vendor: Vendor;
let concord: Concord;
let pool: pg.Pool;
let contracts: Parameters<typeof loadCatalog>[0][number];
beforeAll(async () => {
  postgres = await startTestPostgres();
  vendor = await startVendor({ host: "127.0.0.1", port: 0, apiKey: "vendor-dev" });
  process.env["SALES_VENDOR_URL"] = vendor.url;
  process.env["SALES_VENDOR_API_KEY"] = "vendor-dev";
  process.env["SYNC_WAREHOUSE_URL"] = postgres.databaseUrl;
  process.env["SYNC_RETRY_FACTOR"] = "0.001";
  await prepareWarehouse(postgres.databaseUrl);
  ({ default: contracts } = await import("./contracts.ts"));
  concord = createConcord({ databaseUrl: postgres.databaseUrl, contracts });
  await concord.start();
  pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 2 });
}, WITHIN_MS);
afterAll(async () => {
  await pool.end();
  await concord.stop();
  await vendor.stop();
  await postgres.stop();
}, WITHIN_MS);

const tell = async (path: string, method: string, body: object) => {
  const answer = await fetch(`${vendor.url}${path}`, { method, body: JSON.stringify(body) });
  expect(answer.status).toBe(200);
};
const books = async () =>
  (await (await fetch(`${vendor.url}/books`)).json()) as { asked: string[]; orders: string[] };
const askedFor = async (date: string) =>
  (await books()).asked.filter((one) => one.includes(date)).length;
const submit = (payload: JsonObject, idempotencyKey?: string, principal = ADA) =>
  concord.commands.submit({
    taskName: "sync_vendor_sales",
    payload,
    principal,
    traceId,
    ingress: "user_request",
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  });
const settled = (command: Command) =>
  concord.commands.settled(ADA, encodeId("command", command.commandId), WITHIN_MS);
const sync = async (target_date: string, key?: string) =>
  settled((await submit({ vendor_name: "acme", target_date }, key)).command);
const stateOf = async (date: string) => {
  const { rows } = await pool.query(
    `SELECT content_hash, row_count, writes, (SELECT count(*)::int FROM warehouse.vendor_sales s
       WHERE s.vendor_name = v.vendor_name AND s.target_date = v.target_date) AS rows
     FROM warehouse.vendor_sync_state v WHERE target_date = $1`,
    [date],
  );
  return rows[0];
};
const eventsOf = async (command: Command) => {
  const { rows } = await pool.query(
    "SELECT event_type FROM concord.domain_events WHERE command_id = $1 ORDER BY transaction_id, seq",
    [command.commandId],
  );
  return rows.map((row) => String(row.event_type));
};

describe("sync_vendor_sales", () => {
  test(
    "EX-19 EX-21 the first time a day is fresh: fetched, and written with its hash",
    async () => {
      const done = await sync("2027-03-01");
      expect([done.status, done.error]).toEqual(["succeeded", null]);
      expect(done.result).toMatchObject({ fresh: true, row_count: 3 });
      const state = await stateOf("2027-03-01");
      expect(state).toMatchObject({ writes: 1, rows: 3, row_count: 3 });
      expect((done.result as JsonObject)["content_hash"]).toBe(state.content_hash);
    },
    WITHIN_MS,
  );

  test(
    "EX-19 a day that did not change is left alone, one that was corrected is written anew",
    async () => {
      const first = await sync("2027-03-02");
      const stale = await sync("2027-03-02", "looked again");
      expect(stale.commandId).not.toBe(first.commandId);
      expect([stale.status, stale.result]).toMatchObject(["succeeded", { fresh: false }]);
      expect(await eventsOf(stale)).toContain("step_skipped");
      expect(await eventsOf(stale)).not.toContain("task_started");
      expect((await stateOf("2027-03-02")).writes).toBe(1);
      await tell("/corrections", "POST", { vendor: "acme", date: "2027-03-02" });
      expect((await sync("2027-03-02", "after the correction")).result).toMatchObject({
        fresh: true,
      });
      expect(await stateOf("2027-03-02")).toMatchObject({ writes: 2, rows: 3 });
    },
    WITHIN_MS,
  );

  test(
    "EX-20 one effect, deliberately without compensation; no artifact, the state beside the data",
    async () => {
      const done = await sync("2027-03-03");
      const { rows } = await pool.query(
        `SELECT effect_type, status, declared_compensation FROM concord.domain_effects WHERE command_id = $1`,
        [done.commandId],
      );
      expect(rows).toEqual([
        {
          effect_type: "warehouse_partition.write",
          status: "succeeded",
          declared_compensation: null,
        },
      ]);
      const artifacts = await pool.query("SELECT 1 FROM concord.artifacts WHERE command_id = $1", [
        done.commandId,
      ]);
      expect(artifacts.rows).toEqual([]);
      const write = loadCatalog([contracts]).operation("warehouse", "write_partition");
      expect(write.compensation).toEqual({
        notNeeded: expect.stringContaining("idempotent upsert"),
      });
    },
    WITHIN_MS,
  );

  test(
    "EX-21 503, 503, 200 succeeds; 503 for ever is given up after the fourth",
    async () => {
      await tell("/faults", "PUT", { next: [503, 503] });
      const done = await sync("2027-03-04");
      expect([done.status, await askedFor("2027-03-04")]).toEqual(["succeeded", 3]);
      expect((await stateOf("2027-03-04")).writes).toBe(1);
      await tell("/faults", "PUT", { next: [503, 503, 503, 503] });
      const failed = await sync("2027-03-05");
      expect([failed.status, failed.errorClass, await askedFor("2027-03-05")]).toEqual([
        "failed",
        "transient_connector_error",
        4,
      ]);
      expect(await stateOf("2027-03-05")).toBeUndefined();
      // What failed answers for its key no longer: asking again is a new command.
      expect((await sync("2027-03-05")).status).toBe("succeeded");
    },
    WITHIN_MS,
  );

  test(
    "EX-21 400 fails without a second attempt, and nothing is written",
    async () => {
      await tell("/faults", "PUT", { next: [400] });
      const failed = await sync("2027-03-06");
      expect([failed.status, failed.errorClass, await askedFor("2027-03-06")]).toEqual([
        "failed",
        "validation_error",
        1,
      ]);
      expect(await stateOf("2027-03-06")).toBeUndefined();
    },
    WITHIN_MS,
  );

  test("EX-21 RTY-4 four attempts, 30, 120 and 600 seconds apart", async () => {
    process.env["SYNC_RETRY_FACTOR"] = "1";
    const { retry } = loadCatalog([contracts]).operation("sales_vendor", "fetch_vendor_snapshot");
    process.env["SYNC_RETRY_FACTOR"] = "0.001";
    expect(retry).toMatchObject({ attemptsMax: 4, waitsSeconds: [30, 120, 600] });
  });

  test(
    "EX-22 asked twice at once, and by the scheduler as well, it is one command",
    async () => {
      const payload = { vendor_name: "acme", target_date: "2027-03-07" };
      const all = await Promise.all([submit(payload), submit(payload), submit(payload)]);
      expect(new Set(all.map(({ command }) => command.commandId)).size).toBe(1);
      const [one] = all;
      if (one !== undefined) await settled(one.command);
      // The tick of the eighth is about the seventh; it is delivered twice.
      const past = { from: "2026-03-08T02:59:00Z", to: "2026-03-08T03:01:00Z" };
      const name = "sync_vendor_sales_nightly";
      expect(await concord.schedules.backfill(ADA, name, past, traceId)).toBe(1);
      await concord.schedules.backfill(ADA, name, past, traceId);
      const deadlineMs = Date.now() + WITHIN_MS / 2;
      while ((await stateOf("2026-03-07")) === undefined && Date.now() < deadlineMs) {
        await Bun.sleep(50);
      }
      const { rows } = await pool.query(
        "SELECT ingress, status FROM concord.commands WHERE payload ->> 'target_date' = '2026-03-07'",
      );
      expect(rows).toEqual([{ ingress: "scheduled_trigger", status: expect.any(String) }]);
      const again = await submit({ vendor_name: "acme", target_date: "2026-03-07" });
      expect(again.replayed).toBe(true);
      expect(await askedFor("2026-03-07")).toBe(1);
    },
    WITHIN_MS,
  );

  test(
    "EX-22 cancelled while it fetches: nothing is written",
    async () => {
      await tell("/faults", "PUT", { next: [{ hangMs: 1_000 }] });
      const { command } = await submit({ vendor_name: "acme", target_date: "2027-03-09" });
      while ((await askedFor("2027-03-09")) === 0) await Bun.sleep(20);
      await concord.commands.cancel(ADA, encodeId("command", command.commandId), "not tonight");
      expect((await settled(command)).status).toBe("cancelled");
      expect(await stateOf("2027-03-09")).toBeUndefined();
    },
    WITHIN_MS,
  );

  test("EX-22 an order is out of scope: denied, and the vendor hears nothing of it", async () => {
    const { command } = await concord.commands.submit({
      taskName: "order_from_vendor",
      payload: { vendor_name: "acme", product: "lamp" },
      principal: ADA,
      traceId,
      ingress: "user_request",
    });
    expect([command.status, command.errorClass]).toEqual(["failed", "policy_denied"]);
    expect(command.error).toContain("sales_vendor.create_order is out of scope");
    expect((await books()).orders).toEqual([]);
    const stranger = await submit({ vendor_name: "acme", target_date: "2027-03-10" }, undefined, {
      ...ADA,
      permissions: [],
    });
    expect(stranger.command.errorClass).toBe("policy_denied");
  });

  test("EX-19 EX-23 every night at three, UTC, and no more of the runtime than it needs", async () => {
    const schedules = await concord.schedules.list(ADA);
    expect(schedules.find(({ name }) => name === "sync_vendor_sales_nightly")).toMatchObject({
      cron: "0 3 * * *",
      taskName: "sync_vendor_sales",
    });
    const needed = ["durable_workflows", "durable_steps", "queues", "schedules"] as const;
    expect(loadCatalog([contracts]).task("sync_vendor_sales")?.requires).toEqual([...needed]);
    const offering = (...capabilities: readonly (typeof needed)[number][]) =>
      loadCatalog([contracts], {
        runtime: { name: "small", capabilities: new Set([...capabilities, "signals"]) },
      });
    expect(() => offering(...needed)).not.toThrow();
    expect(() => offering("durable_workflows", "durable_steps", "queues")).toThrow(/schedules/);
  });
});
