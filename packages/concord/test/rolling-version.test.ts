/** An upgrade that changes the order of durable steps: old and new side by side, then only the new one. */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createConcordClient } from "../src/client/index.ts";
import { startTestPostgres, type TestPostgres } from "../src/testing/index.ts";
import { KEYS, type ServerProcess, serverProcess } from "./support/server-process.ts";
import { startVendor, type TestVendor } from "./support/vendor.ts";

const PATIENCE_MS = 150_000;
let postgres: TestPostgres;
let vendor: TestVendor;
let pool: pg.Pool;
let old: ServerProcess;
let fresh: ServerProcess;

beforeAll(async () => {
  [postgres, vendor] = await Promise.all([startTestPostgres(), startVendor()]);
  const env = { TEST_VENDOR_URL: vendor.url, TEST_VENDOR_KEY: "vendor-dev" };
  pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 2 });
  const flags = (name: string) => [`--executor-id=${name}`, `--workflow-version=${name}`];
  old = await serverProcess(postgres.databaseUrl, env, flags("old"));
  fresh = await serverProcess(postgres.databaseUrl, env, flags("fresh"));
  await old.start();
});
afterAll(async () => {
  await old?.kill();
  await fresh?.kill();
  await pool?.end();
  await vendor?.stop();
  await postgres?.stop();
});

const asAnna = (server: ServerProcess) => createConcordClient({ url: server.url, key: KEYS.anna });
const asFred = (server: ServerProcess) => createConcordClient({ url: server.url, key: KEYS.fred });
const gated = (server: ServerProcess, order: string) =>
  asAnna(server).submit({
    task_name: "buy",
    payload: { order_id: order, item: "lamp", amount: 900 },
  });
const approve = async (server: ServerProcess, id: string) => {
  const { items } = await asFred(server).approvals({ command_id: id, status: "pending" });
  await asFred(server).resolve(items[0]?.approval_id ?? "", "approved");
};
const restsAs = (server: ServerProcess, id: string) =>
  expect.poll(async () => (await asAnna(server).get(id)).status, {
    timeout: PATIENCE_MS,
    interval: 250,
  });
const versionsOf = async (id: string) => {
  const { rows } = await pool.query<{ application_version: string }>(
    "SELECT application_version FROM dbos.workflow_status WHERE workflow_uuid LIKE $1 || '%' ORDER BY created_at",
    [`command:${id}`],
  );
  return rows.map((row) => row.application_version);
};

test(
  "RUN-11 a rolling upgrade: each version finishes its own runs, and what the old one leaves behind the new one does once",
  async () => {
    const parked = await gated(old, "while-both-live");
    const left = await gated(old, "left-behind");
    const asked = await gated(old, "asked-before");
    await fresh.start();
    const own = await gated(fresh, "of-the-new-one");
    await approve(old, parked.command_id);
    await approve(fresh, own.command_id);
    await restsAs(fresh, parked.command_id).toBe("succeeded");
    await restsAs(fresh, own.command_id).toBe("succeeded");
    expect(await versionsOf(parked.command_id)).toEqual(["old"]);
    expect(await versionsOf(own.command_id)).toEqual(["fresh"]);
    vendor.faults.push("stall_after");
    const bought = vendor.committed();
    await approve(old, left.command_id);
    await bought;
    await old.kill();
    await restsAs(fresh, left.command_id).toBe("succeeded");
    expect(await versionsOf(left.command_id)).toEqual(["old", "fresh"]);
    await approve(fresh, asked.command_id);
    await restsAs(fresh, asked.command_id).toBe("succeeded");
    expect(await versionsOf(asked.command_id)).toEqual(["fresh"]);
    expect([...vendor.purchases.keys()].sort()).toEqual([
      "buy:asked-before",
      "buy:left-behind",
      "buy:of-the-new-one",
      "buy:while-both-live",
    ]);
  },
  PATIENCE_MS * 2,
);
