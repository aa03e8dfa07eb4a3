/** A Concord beside its Postgres uses the server's local socket, whatever else `--database-url` says (docs/adr/0031). */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createConcordClient } from "../src/client/index.ts";
import { isConnectionLost } from "../src/postgres/connection.ts";
import { namingPool } from "../src/postgres/naming-client.ts";
import { startTestPostgres, type TestPostgres } from "../src/testing/index.ts";
import { KEYS, type ServerProcess, serverProcess } from "./support/server-process.ts";
import { startVendor, type TestVendor } from "./support/vendor.ts";

let postgres: TestPostgres;
let vendor: TestVendor;
let server: ServerProcess | undefined;
let pool: pg.Pool;
let folder: string | null;
beforeAll(async () => {
  [postgres, vendor] = await Promise.all([startTestPostgres(), startVendor()]);
  pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 1 });
  folder = new URL(postgres.localUrl).searchParams.get("host");
});
afterAll(async () => {
  await server?.kill();
  await pool?.end();
  await vendor?.stop();
  await postgres?.stop();
});

test("every connection of the process is over the socket, and commands end as ever", async (context) => {
  if (folder === null) return context.skip("SKIPPED: the given database has no local socket here");
  const env = { TEST_VENDOR_URL: vendor.url, TEST_VENDOR_KEY: "vendor-dev" };
  server = await serverProcess(postgres.databaseUrl, env, [`--database-socket=${folder}`]);
  await server.start();
  const client = createConcordClient({ url: server.url, key: KEYS.anna });
  const payload = { order_id: "local", item: "lamp", amount: 5 };
  const { command_id: id } = await client.submit({ task_name: "buy", payload });
  await expect
    .poll(async () => (await client.get(id)).status, { timeout: 30_000 })
    .toBe("succeeded");
  const { rows } = await pool.query<{ local: number; tcp: number }>(
    `SELECT count(*) FILTER (WHERE client_addr IS NULL)::int AS local,
       count(*) FILTER (WHERE client_addr IS NOT NULL)::int AS tcp
     FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  );
  expect(rows[0]?.tcp).toBe(0);
  expect(rows[0]?.local).toBeGreaterThan(2);
});

test("ERR-4 a socket that is not there while its server is away is a lost connection like any other", async () => {
  const empty = mkdtempSync(join(tmpdir(), "concert-no-socket-"));
  const away = namingPool({ host: empty, port: 5999, user: "x", database: "x" });
  const failure = await away.query("SELECT 1").catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "ECONNREFUSED" });
  expect(isConnectionLost(failure)).toBe(true);
  await away.end();
  rmSync(empty, { recursive: true });
});
