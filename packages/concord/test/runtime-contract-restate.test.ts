/** The runtime contract on Restate: its real server, with rows in a real Postgres. Skipped, and said so, without the server. */
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, describe, test } from "vitest";
import { migrate } from "../src/postgres/migrate.ts";
import { createRestateRuntime } from "../src/runtime/restate/index.ts";
import {
  findRestateServer,
  freePort,
  runtimeContract,
  startTestPostgres,
  startTestRestate,
  type TestPostgres,
  type TestRestate,
} from "../src/testing/index.ts";
import { postgresSubject } from "./support/runtime-subjects.ts";

const isThere = findRestateServer() !== undefined;
if (!isThere)
  process.stderr.write(
    "SKIPPED: no Restate server here; set CONCORD_RESTATE_SERVER to its binary\n",
  );

describe.skipIf(!isThere)("Restate", () => {
  let postgres: TestPostgres;
  let restate: TestRestate;
  let subject: Awaited<ReturnType<typeof postgresSubject>>;
  beforeAll(async () => {
    [postgres, restate] = await Promise.all([startTestPostgres(), startTestRestate()]);
    const pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 1 });
    await migrate(pool);
    await pool.end();
    const listen = { host: "127.0.0.1", port: await freePort() };
    const { ingressUrl, adminUrl } = restate;
    subject = await postgresSubject(postgres.databaseUrl, (own) =>
      createRestateRuntime({
        ingressUrl,
        adminUrl,
        listen,
        pool: own,
        log: pino({ level: "error" }),
      }),
    );
  });
  afterAll(async () => {
    await subject?.stop();
    await restate?.stop();
    await postgres?.stop();
  });

  for (const one of runtimeContract) test(one.name, () => one.run(subject));
});
