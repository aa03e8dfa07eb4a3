import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createConcordClient } from "../src/client/index.ts";
import { startTestPostgres, type TestPostgres } from "../src/testing/index.ts";
import { KEYS, type ServerProcess, serverProcess } from "./support/server-process.ts";
import { startVendor, type TestVendor } from "./support/vendor.ts";

let postgres: TestPostgres;
let vendor: TestVendor;
let pool: pg.Pool;
const servers = new Map<string, ServerProcess>();

beforeAll(async () => {
  [postgres, vendor] = await Promise.all([startTestPostgres(), startVendor()]);
  const env = { TEST_VENDOR_URL: vendor.url, TEST_VENDOR_KEY: "vendor-dev" };
  pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 2 });
  for (const id of ["one", "two"]) {
    const server = await serverProcess(postgres.databaseUrl, env, [`--executor-id=${id}`]);
    servers.set(id, server);
    await server.start();
  }
});
afterAll(async () => {
  for (const server of servers.values()) await server.kill();
  await pool.end();
  await vendor.stop();
  await postgres.stop();
});

test("RUN-11 G4 an executor is killed in the middle of a call: another one finishes its run, bought once, nobody restarts it", async () => {
  vendor.faults.push("stall_after");
  const committed = vendor.committed();
  const client = createConcordClient({ url: servers.get("one")?.url ?? "", key: KEYS.anna });
  const buy = (id: string, amount = 5) =>
    client.submit({ task_name: "buy", payload: { order_id: id, item: "lamp", amount } });
  const { command_id: id } = await buy("orphan");
  await committed;
  const holder = async () => {
    const { rows } = await pool.query<{ executor_id: string; status: string }>(
      "SELECT executor_id, status FROM dbos.workflow_status WHERE workflow_uuid = $1",
      [`command:${id}`],
    );
    return rows[0];
  };
  const dead = (await holder())?.executor_id ?? "";
  expect([...servers.keys()]).toContain(dead);
  await servers.get(dead)?.kill();
  const survivor = dead === "one" ? "two" : "one";
  const other = createConcordClient({ url: servers.get(survivor)?.url ?? "", key: KEYS.anna });
  await expect
    .poll(async () => (await other.get(id)).status, { timeout: 50_000, interval: 200 })
    .toBe("succeeded");
  expect((await holder())?.executor_id).toBe(survivor);
  expect(vendor.purchases.size).toBe(1);
});

test("RUN-11 two executors share the work, and a rolling restart strands none of it", async () => {
  for (const server of servers.values()) {
    await server.kill();
    await server.start();
  }
  const before = vendor.purchases.size;
  const client = createConcordClient({ url: servers.get("one")?.url ?? "", key: KEYS.anna });
  const ids = await Promise.all(
    Array.from({ length: 20 }, async (_unused, n) => {
      const payload = { order_id: `shared-${n}`, item: "lamp", amount: n };
      return (await client.submit({ task_name: "buy", payload })).command_id;
    }),
  );
  await servers.get("two")?.kill();
  await servers.get("two")?.start();
  for (const id of ids) {
    await expect
      .poll(async () => (await client.get(id)).status, { timeout: 50_000, interval: 100 })
      .toBe("succeeded");
  }
  expect(vendor.purchases.size).toBe(before + 20);
});
