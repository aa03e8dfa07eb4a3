import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConcordClient, createConcordClient, type EventView } from "../src/client/index.ts";
import { startTestPostgres, type TestPostgres } from "../src/testing/index.ts";
import { KEYS, type ServerProcess, serverProcess } from "./support/server-process.ts";
import { startVendor, type TestVendor } from "./support/vendor.ts";

let postgres: TestPostgres;
let vendor: TestVendor;
let server: ServerProcess;
let pool: pg.Pool;
let anna: ConcordClient;
let fred: ConcordClient;

beforeAll(async () => {
  [postgres, vendor] = await Promise.all([startTestPostgres(), startVendor()]);
  server = await serverProcess(postgres.databaseUrl, {
    TEST_VENDOR_URL: vendor.url,
    TEST_VENDOR_KEY: "vendor-dev",
  });
  pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 2 });
  pool.on("error", () => undefined);
  anna = createConcordClient({ url: server.url, key: KEYS.anna });
  fred = createConcordClient({ url: server.url, key: KEYS.fred });
  await server.start();
});
afterAll(async () => {
  await server.kill();
  await pool.end();
  await vendor.stop();
  await postgres.stop();
});

const buy = (order: string, amount: number) =>
  anna.submit({
    task_name: "buy",
    payload: { order_id: order, item: "lamp", amount },
    idempotency_key: order,
  });
const restsAs = (id: string) =>
  expect.poll(async () => (await anna.get(id)).status, { timeout: 45_000, interval: 100 });
const effectsOf = async (id: string) => {
  const { rows } = await pool.query(
    "SELECT e.status, e.attempts FROM concord.domain_effects e WHERE e.command_id = $1",
    [id.replace("cmd_", "")],
  );
  return rows;
};

describe("kill -9", () => {
  test("APR-6 RUN-11 while an approval is pending: it is decided after the restart and runs once", async () => {
    const { command_id: id } = await buy("pending", 900);
    await server.kill();
    await server.start();
    const { items } = await fred.approvals({ command_id: id, status: "pending" });
    await fred.resolve(items[0]?.approval_id ?? "", "approved");
    await restsAs(id).toBe("succeeded");
    expect(vendor.purchases.get("buy:pending")).toBeDefined();
    expect(await effectsOf(id)).toEqual([{ status: "succeeded", attempts: 1 }]);
  });

  test("EFF-7 G4 after the vendor committed and before Concord knew: exactly one purchase", async () => {
    vendor.faults.push("stall_after");
    const committed = vendor.committed();
    const before = vendor.purchases.size;
    const { command_id: id } = await buy("committed", 20);
    await committed;
    await server.kill();
    expect(await effectsOf(id)).toEqual([{ status: "executing", attempts: 1 }]);
    await server.start();
    await restsAs(id).toBe("succeeded");
    expect(vendor.purchases.size).toBe(before + 1);
    expect(await effectsOf(id)).toEqual([{ status: "succeeded", attempts: 2 }]);
    const { entries } = await anna.timeline(id);
    const calls = entries.filter((entry) => entry.event_type === "connector_called");
    expect(calls.map((entry) => entry.payload["reconciled"])).toEqual([true]);
  });

  test("CAN-4 CAN-9 cancelled while the vendor was silent, then killed: what happened is found and told", async () => {
    vendor.faults.push("stall_after");
    const committed = vendor.committed();
    const { command_id: id } = await buy("stopped", 20);
    await committed;
    expect((await anna.cancel(id, "too slow")).status).toBe("cancelling");
    const before = vendor.purchases.size;
    await server.kill();
    await server.start();
    await restsAs(id).toBe("cancelled");
    expect(vendor.purchases.size).toBe(before);
    expect(await effectsOf(id)).toEqual([{ status: "succeeded", attempts: 2 }]);
    const { entries } = await anna.timeline(id);
    expect(entries.at(-1)?.detail).toContain("had already happened outside and stands");
    expect(await anna.get(id)).toMatchObject({ error_class: "cancelled" });
  });

  test("RUN-11 CMD-18 right after twenty submissions, twice: all end, each bought once, and the feed tells it all once", async () => {
    const abort = new AbortController();
    const seen: EventView[] = [];
    const following = (async () => {
      for await (const event of anna.events("0", abort.signal)) seen.push(event);
    })();
    const before = vendor.purchases.size;
    const submitted = await Promise.all(
      Array.from({ length: 20 }, (_unused, n) => buy(`many-${n}`, n)),
    );
    await server.kill();
    await server.start();
    await new Promise((resolve) => setTimeout(resolve, 150));
    await server.kill();
    await server.start();
    for (const { command_id: id } of submitted) await restsAs(id).toBe("succeeded");
    expect(vendor.purchases.size).toBe(before + 20);
    const { rows } = await pool.query<{ event_id: string }>(
      "SELECT 'evt_' || replace(event_id::text, '-', '') AS event_id FROM concord.domain_events WHERE tenant_id = 't1' ORDER BY transaction_id, seq",
    );
    await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(rows.length);
    abort.abort();
    await following;
    expect(seen.map((event) => event.event_id)).toEqual(rows.map((row) => row.event_id));
  });

  test("CMD-13 a submission repeated after a crash is the same command", async () => {
    const first = await buy("again", 10);
    await server.kill();
    await server.start();
    const second = await buy("again", 10);
    expect([second.command_id, second.replayed]).toEqual([first.command_id, true]);
  });
});
