/** The queues on DBOS: all that Concord names, under names of their environment. */
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chooseQueue } from "../src/core/classify.ts";
import { QUEUES } from "../src/index.ts";
import { migrate } from "../src/postgres/migrate.ts";
import { createDbosRuntime } from "../src/runtime/dbos/index.ts";
import { runtimeContract, startTestPostgres, type TestPostgres } from "../src/testing/index.ts";
import { postgresSubject } from "./support/runtime-subjects.ts";

let postgres: TestPostgres;
let pool: pg.Pool;
let subject: Awaited<ReturnType<typeof postgresSubject>>;
beforeAll(async () => {
  postgres = await startTestPostgres();
  const { databaseUrl } = postgres;
  pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  pool.on("error", () => undefined);
  await migrate(pool);
  const log = pino({ level: "error" });
  subject = await postgresSubject(databaseUrl, (own) =>
    createDbosRuntime({ databaseUrl, pool: own, executorId: "q", queuePrefix: "staging", log }),
  );
});
afterAll(async () => {
  await subject.stop();
  await pool.end();
  await postgres.stop();
});

test("QUE-1 every queue is registered at start; none lets only so many runs in, since a run that waits would hold its place", async () => {
  const { rows } = await pool.query<Record<string, unknown>>(
    `SELECT name, concurrency, worker_concurrency, rate_limit_max FROM dbos.queues ORDER BY name`,
  );
  expect(rows).toEqual(
    [...QUEUES].sort().map((name) => ({
      name: `staging.${name}`,
      concurrency: null,
      worker_concurrency: null,
      rate_limit_max: null,
    })),
  );
});

test("QUE-6 work goes into the queue of its environment, and whoever asks for it knows the plain name", async () => {
  const queue = chooseQueue("connector.call");
  expect(queue).toBe("connector_calls");
  const spec = { workflow: "contract.echo", workflowId: "echo-1", input: 7, queue, tenant: "t1" };
  await subject.runtime.submitWorkflow(spec);
  expect(await subject.runtime.waitForResult("echo-1", 30_000)).toEqual({
    state: "succeeded",
    value: { heard: 7 },
  });
  const { rows } = await pool.query(
    "SELECT queue_name FROM dbos.workflow_status WHERE workflow_uuid = 'echo-1'",
  );
  expect(rows).toEqual([{ queue_name: "staging.connector_calls" }]);
});

test("QUE-6 what another environment has put into its own queue is left to it", async () => {
  const put = async (workflowId: string) => {
    const [workflow, queue, tenant] = ["contract.echo", "connector_calls", "t1"];
    await subject.runtime.submitWorkflow({ workflow, workflowId, input: 1, queue, tenant });
    return subject.runtime.waitForResult(workflowId, 30_000);
  };
  await put("first");
  await pool.query("INSERT INTO dbos.queues (name) VALUES ('prod.connector_calls')");
  await pool.query(
    `INSERT INTO dbos.workflow_status SELECT (jsonb_populate_record(NULL::dbos.workflow_status, to_jsonb(s)
       || '{"workflow_uuid": "of-prod", "status": "ENQUEUED", "queue_name": "prod.connector_calls", "output": null}')).*
     FROM dbos.workflow_status s WHERE workflow_uuid = 'first'`,
  );
  for (const one of ["second", "third"])
    expect(await put(one)).toMatchObject({ state: "succeeded" });
  expect(await subject.runtime.waitForResult("of-prod", 1_500)).toEqual({ state: "running" });
});

describe("QUE-6 ticks go into the queue of their environment too", () => {
  const cases = runtimeContract.filter(({ requires }) => requires === "schedules");
  test("there are such cases", () => expect(cases.length).toBeGreaterThan(0));
  for (const one of cases) test(one.name, () => one.run(subject));
});
