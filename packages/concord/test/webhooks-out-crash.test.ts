/** Webhooks that leave, while the server is killed: nothing is lost, and what comes twice is known by its id. */
import pg from "pg";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createConcordClient } from "../src/client/index.ts";
import { startTestPostgres, type TestPostgres } from "../src/testing/index.ts";
import { type Receiver, startReceiver } from "./support/receiver.ts";
import { KEYS, type ServerProcess, serverProcess } from "./support/server-process.ts";
import { startVendor, type TestVendor } from "./support/vendor.ts";

const SECRET = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;

let postgres: TestPostgres;
let vendor: TestVendor;
let receiver: Receiver;
let server: ServerProcess;
let pool: pg.Pool;
beforeAll(async () => {
  [postgres, vendor, receiver] = await Promise.all([
    startTestPostgres(),
    startVendor(),
    startReceiver(),
  ]);
  pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 2 });
  pool.on("error", () => undefined);
  server = await serverProcess(postgres.databaseUrl, {
    TEST_VENDOR_URL: vendor.url,
    TEST_VENDOR_KEY: "vendor-dev",
    CONCORD_WEBHOOK_T2__TEST: SECRET,
    CONCORD_WEBHOOK_PRIVATE_RANGES: "127.0.0.1/32",
    CONCORD_WEBHOOK_PLAIN_HTTP: "true",
    CONCORD_WEBHOOK_RETRY_SECONDS: "0.1,0.2,0.2,0.2,0.2,0.2",
  });
  await server.start();
});
afterAll(async () => {
  await server.kill();
  await pool.end();
  await receiver.stop();
  await vendor.stop();
  await postgres.stop();
});

const eve = () => createConcordClient({ url: server.url, key: KEYS.eve });
const buy = (order: string) =>
  eve().submit({
    task_name: "buy",
    payload: { order_id: order, item: "lamp", amount: 1 },
    idempotency_key: order,
  });
const restart = async () => {
  await server.kill();
  await server.start();
};
const WITHIN = { timeout: 60_000, interval: 100 };

test("RUN-11 killed before, while and after events leave: each arrives, signed, a repeat under the same id", async () => {
  const made = await fetch(`${server.url}/webhook-endpoints`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEYS.eve}`, "content-type": "application/json" },
    body: JSON.stringify({
      url: receiver.url,
      secret_ref: "env:CONCORD_WEBHOOK_T2__TEST",
      event_types: ["artifact_created"],
    }),
  });
  expect(made.status).toBe(201);
  // While the receiver has the message and has not answered.
  receiver.answers.push("hang");
  await buy("hook-0");
  await expect.poll(() => receiver.received.length, WITHIN).toBe(1);
  await restart();
  // Between attempts, and while runs are queued.
  receiver.answers.push(500, 500, "drop");
  await Promise.all(["hook-1", "hook-2", "hook-3", "hook-4"].map(buy));
  await restart();
  await new Promise((resolve) => setTimeout(resolve, 300));
  await restart();
  await expect
    .poll(async () => {
      const { rows } = await pool.query(
        "SELECT status, count(*)::int AS count FROM concord.webhook_deliveries GROUP BY status",
      );
      return rows;
    }, WITHIN)
    .toEqual([{ status: "delivered", count: 5 }]);
  const { rows } = await pool.query<{ id: string }>(
    "SELECT 'evt_' || replace(event_id::text, '-', '') AS id FROM concord.domain_events WHERE event_type = 'artifact_created'",
  );
  const arrived = receiver.received.map((one) => {
    new Webhook(SECRET).verify(one.body, one.headers as Record<string, string>);
    return String(one.headers["webhook-id"]);
  });
  expect([...new Set(arrived)].sort()).toEqual(rows.map(({ id }) => id).sort());
  expect(arrived.length).toBeGreaterThan(5);
});
