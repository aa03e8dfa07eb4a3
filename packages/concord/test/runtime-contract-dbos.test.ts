/** The runtime contract on DBOS over a real Postgres. */
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RUNTIME_CAPABILITIES } from "../src/index.ts";
import { migrate } from "../src/postgres/migrate.ts";
import { createDbosRuntime } from "../src/runtime/dbos/index.ts";
import { runtimeContract, startTestPostgres, type TestPostgres } from "../src/testing/index.ts";
import { postgresSubject } from "./support/runtime-subjects.ts";

let postgres: TestPostgres;
let subject: Awaited<ReturnType<typeof postgresSubject>>;
beforeAll(async () => {
  postgres = await startTestPostgres();
  const pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 1 });
  await migrate(pool);
  await pool.end();
  const { databaseUrl } = postgres;
  subject = await postgresSubject(databaseUrl, (pool) =>
    createDbosRuntime({ databaseUrl, pool, executorId: "contract", log: pino({ level: "error" }) }),
  );
});
afterAll(async () => {
  await subject.stop();
  await postgres.stop();
});

describe("DBOS", () => {
  test("X-14 RUN-2 RUN-3 it offers all but versions side by side and compensation by itself; signals count as there", () => {
    const missing = RUNTIME_CAPABILITIES.filter((one) => !subject.runtime.capabilities.has(one));
    expect(missing).toEqual(["saga_compensation_native", "workflow_versioning"]);
  });

  for (const one of runtimeContract) test(one.name, () => one.run(subject));
});
