/** The runtime contract on DBOS over a real Postgres. */
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, describe, test } from "vitest";
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
  for (const one of runtimeContract) test(one.name, () => one.run(subject));
});
