/** A connector's declared limit holds for all executors of one database: the bucket itself, then two real servers. */
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createConcordClient } from "../src/client/index.ts";
import { type ConnectorDefinition, NO_RETRY } from "../src/index.ts";
import { createRateGate } from "../src/postgres/rate-gate.ts";
import { startTestPostgres, type TestPostgres } from "../src/testing/index.ts";
import { KEYS, type ServerProcess, serverProcess } from "./support/server-process.ts";
import { startVendor, type TestVendor } from "./support/vendor.ts";

const CONTRACTS = fileURLToPath(new URL("./support/limited.ts", import.meta.url));
let postgres: TestPostgres;
let vendor: TestVendor;
let pool: pg.Pool;
const servers: ServerProcess[] = [];

beforeAll(async () => {
  [postgres, vendor] = await Promise.all([startTestPostgres(), startVendor()]);
  const env = { TEST_VENDOR_URL: vendor.url, TEST_VENDOR_KEY: "vendor-dev" };
  pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 2 });
  pool.on("error", () => undefined);
  for (const id of ["one", "two"]) {
    const flags = [`--executor-id=${id}`];
    const server = await serverProcess(postgres.databaseUrl, env, flags, CONTRACTS);
    servers.push(server);
    await server.start();
  }
});
afterAll(async () => {
  for (const server of servers) await server.kill();
  await pool.end();
  await vendor.stop();
  await postgres.stop();
});

const operation = {
  description: "reads",
  sideEffect: false,
  timeoutMs: 1,
  retry: NO_RETRY,
  call: async () => ({ ok: true, output: {} }) as const,
};
const connector = (name: string): ConnectorDefinition => ({
  name,
  connectorType: "http",
  riskLevel: "low",
  auth: { mode: "none" },
  rateLimit: { requestsMax: 2, perSeconds: 1 },
  operations: { operation },
});

/** A gate of an executor of its own whose time is handed in. */
function gateAt() {
  const now = { ms: 0 };
  const failed = (error: unknown) => expect.unreachable(String(error));
  const gate = createRateGate(postgres.databaseUrl, failed, () => now.ms);
  return {
    close: gate.close,
    take: (one: ConnectorDefinition, ms: number) => {
      now.ms = ms;
      return gate.take(one);
    },
  };
}

describe("the bucket", () => {
  test("CON-12 a burst up to the limit, then one every half second, whichever executor asks", async () => {
    const [one, two] = [gateAt(), gateAt()];
    const shop = connector("evenly");
    expect([await one.take(shop, 0), await two.take(shop, 0), await one.take(shop, 0)]).toEqual([
      0, 0, 500,
    ]);
    expect(await two.take(connector("another"), 0)).toBe(0);
    expect(await two.take(shop, 499)).toBeGreaterThan(0);
    expect(await one.take(shop, 500)).toBe(0);
    expect(await two.take(shop, 501)).toBe(499);
    await Promise.all([one.close(), two.close()]);
  });

  test("CON-12 fifty executors' worth of asking at one moment gets two through", async () => {
    const gates = Array.from({ length: 5 }, gateAt);
    const asked = Array.from({ length: 50 }, (_unused, at) =>
      (gates[at % gates.length] ?? gateAt()).take(connector("at_once"), 7_000),
    );
    expect((await Promise.all(asked)).filter((waitMs) => waitMs === 0)).toHaveLength(2);
    await Promise.all(gates.map((gate) => gate.close()));
  });

  test("CON-12 in any second no more than the burst and one second's refill get through", async () => {
    const gate = gateAt();
    let passed = 0;
    for (let at = 0; at < 10_000; at += 37) {
      passed += (await gate.take(connector("steadily"), at)) === 0 ? 1 : 0;
    }
    expect(passed).toBeLessThanOrEqual(2 + 20);
    expect(passed).toBeGreaterThanOrEqual(20);
    await gate.close();
  });

  test("CON-12 a clock that goes back and forth refills nothing, and no limit is free", async () => {
    const gate = gateAt();
    const shop = connector("back");
    await gate.take(shop, 1_000);
    await gate.take(shop, 1_000);
    for (let round = 0; round < 5; round += 1) {
      expect(await gate.take(shop, 0)).toBeGreaterThan(0);
      expect(await gate.take(shop, 1_000)).toBeGreaterThan(0);
    }
    const { rateLimit: _none, ...free } = shop;
    expect(await gate.take(free, 0)).toBe(0);
    await gate.close();
  });
});

describe("two executors", () => {
  test("CON-12 CAN-9 three requests an hour are three, eight commands on two servers; who waits for the next can be stopped", async () => {
    const clients = servers.map((server) =>
      createConcordClient({ url: server.url, key: KEYS.anna }),
    );
    const asked = await Promise.all(
      Array.from({ length: 8 }, async (_unused, at) => {
        const client = clients[at % 2] as (typeof clients)[number];
        const { command_id } = await client.submit({
          task_name: "look",
          payload: { item: `lamp-${at}` },
        });
        return command_id;
      }),
    );
    const [client] = clients as [(typeof clients)[number]];
    const statuses = () => Promise.all(asked.map(async (id) => (await client.get(id)).status));
    // Those that wait durably for the next request they may make; one that ends leaves no checkpoint.
    const waitingRuns = async () => {
      const { rows } = await pool.query<{ runs: string }>(
        `SELECT count(DISTINCT workflow_uuid) AS runs FROM dbos.operation_outputs WHERE function_name LIKE '%proceed%'`,
      );
      return Number(rows[0]?.runs);
    };
    const ended = async () => (await statuses()).filter((one) => one === "succeeded").length;
    await expect
      .poll(async () => [await waitingRuns(), await ended()], { timeout: 30_000, interval: 50 })
      .toEqual([5, 3]);
    expect(vendor.requests).toHaveLength(3);
    const seen = await statuses();
    expect(seen.filter((status) => status === "running")).toHaveLength(5);
    const waiting = asked.filter((_id, at) => seen[at] === "running");
    await Promise.all(waiting.map((id) => client.cancel(id, "no longer wanted")));
    await expect
      .poll(async () => (await statuses()).filter((one) => one === "cancelled").length, {
        timeout: 30_000,
      })
      .toBe(5);
    expect(vendor.requests).toHaveLength(3);
  });
});
