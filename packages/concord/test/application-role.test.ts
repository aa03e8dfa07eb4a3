import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createConcordClient } from "../src/client/index.ts";
import { startTestPostgres, type TestPostgres } from "../src/testing/index.ts";
import { KEYS, type ServerProcess, serverProcess } from "./support/server-process.ts";
import { startVendor, type TestVendor } from "./support/vendor.ts";

const LOGIN = `server_${randomUUID().slice(0, 8)}`;
let postgres: TestPostgres;
let vendor: TestVendor;
let owner: pg.Client;
let server: ServerProcess;

beforeAll(async () => {
  [postgres, vendor] = await Promise.all([startTestPostgres(), startVendor()]);
  owner = new pg.Client({ connectionString: postgres.databaseUrl });
  await owner.connect();
  await owner.query(
    "DO $$ BEGIN CREATE ROLE concord_app NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
  );
  await owner.query(`CREATE ROLE ${LOGIN} LOGIN PASSWORD 'test' IN ROLE concord_app`);
  const url = new URL(postgres.databaseUrl);
  url.username = LOGIN;
  url.password = "test";
  server = await serverProcess(
    url.href,
    { TEST_VENDOR_URL: vendor.url, TEST_VENDOR_KEY: "vendor-dev" },
    [`--owner-database-url=${postgres.databaseUrl}`],
  );
  await server.start();
});
afterAll(async () => {
  await server.kill();
  await owner.query(`DROP OWNED BY ${LOGIN}`);
  await owner.query(`DROP ROLE ${LOGIN}`);
  await owner.end();
  await vendor.stop();
  await postgres.stop();
});

test("AUD-2 a server without the owner's rights does the whole work, also after a kill", async () => {
  const anna = createConcordClient({ url: server.url, key: KEYS.anna });
  const fred = createConcordClient({ url: server.url, key: KEYS.fred });
  const payload = { order_id: "as-role", item: "lamp", amount: 900 };
  const { command_id: id } = await anna.submit({ task_name: "buy", payload });
  await server.kill();
  await server.start();
  const { items } = await fred.approvals({ command_id: id });
  await fred.resolve(items[0]?.approval_id ?? "", "approved");
  await expect.poll(async () => (await anna.get(id)).status, { timeout: 40_000 }).toBe("succeeded");
  expect(vendor.purchases.size).toBe(1);
  const { rows } = await owner.query(
    "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL",
  );
  expect(rows).toEqual([{ usename: LOGIN }]);
});

test("AUD-2 it takes something out of the record by the one way there is, and by no other", async () => {
  const eve = createConcordClient({ url: server.url, key: KEYS.eve });
  const payload = { order_id: "role-redaction", item: "lamp-for-eve", amount: 1 };
  const { command_id: id } = await eve.submit({ task_name: "buy", payload });
  await expect.poll(async () => (await eve.get(id)).status, { timeout: 40_000 }).toBe("succeeded");
  const answer = await fetch(`${server.url}/redactions`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEYS.eve}`, "content-type": "application/json" },
    body: JSON.stringify({ target: id, places: ["/payload/item"], reason: "asked for" }),
  });
  expect(answer.status).toBe(200);
  expect((await eve.get(id)).payload).toMatchObject({ item: "[redacted]" });
  await owner.query(`SET ROLE ${LOGIN}`);
  for (const statement of [
    "UPDATE concord.domain_events SET payload = '{}'",
    "INSERT INTO concord.event_redactions SELECT event_id, 1, '', '' FROM concord.domain_events",
    "DELETE FROM concord.event_redactions",
    "UPDATE concord.policy_decisions SET reasons = '[]'",
  ]) {
    await expect(owner.query(statement), statement).rejects.toThrow("permission denied");
  }
  await owner.query("RESET ROLE");
});
