/**
 * A failure after each statement of every transaction of two journeys (a hotel, a report that is published), generated: a first run counts the
 * statements, then each run fails after one of them. Nothing half done may be seen, and the journey has to end as
 * ever. A normal run takes a seeded sample; `FAULTS_EVERYWHERE=1` takes all of them.
 */
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Command,
  type Contracts,
  defineContracts,
  encodeId,
  type JsonObject,
  type Principal,
} from "../src/index.ts";
import { type Failpoint, Injected, installFailpoint } from "./support/failpoint.ts";
import { type Harness, startHarness, TRACE } from "./support/harness.ts";
import { HOTEL, type Hotel, startHotel } from "./support/hotel.ts";
import { REPORTS, type Reports, reportOf, startReports } from "./support/reports.ts";
import { expectWhole, randomBy } from "./support/whole.ts";

const ALL = process.env["FAULTS_EVERYWHERE"] === "1";
const SEED = Number(process.env["FAULTS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const SAMPLE = 6;
const ANNA: Principal = {
  tenant: "t1",
  user: "anna",
  roles: ["support"],
  permissions: ["book_travel", "run_reports"],
};
const FRED: Principal = { ...ANNA, user: "fred", roles: ["finance_approvers", "data_owner"] };

let h: Harness;
let hotel: Hotel;
let reports: Reports;
let failpoint: Failpoint;

beforeAll(async () => {
  hotel = await startHotel();
  Object.assign(process.env, hotel.env);
  const loaded: Contracts[] = [];
  for (const url of [new URL("contracts/index.ts", HOTEL), new URL("contracts.ts", REPORTS)]) {
    loaded.push(((await import(url.href)) as { default: Contracts }).default);
  }
  const both = defineContracts((catalog) => {
    for (const one of loaded) one.register(catalog);
  });
  failpoint = installFailpoint();
  h = await startHarness({ more: () => both, log: pino({ level: "silent" }) });
  reports = await startReports(h.databaseUrl);
});
afterAll(async () => {
  failpoint.remove();
  await h.stop();
  await hotel.stop();
  await reports.stop();
});

/** A caller who is told of a failure asks again, as callers do. */
async function insist<T>(
  work: () => Promise<T>,
  mend?: (error: unknown) => T | undefined,
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (isInjected(error)) continue;
      const mended = mend?.(error);
      if (mended === undefined) throw error;
      return mended;
    }
  }
}

function isInjected(error: unknown): boolean {
  return error instanceof Injected;
}

const idOf = (command: Command) => encodeId("command", command.commandId);
const submit = async (taskName: string, payload: JsonObject, key: string) => {
  const request = {
    taskName,
    payload,
    principal: ANNA,
    ingress: "user_request",
    traceId: TRACE,
  } as const;
  const { command } = await insist(() =>
    h.concord.commands.submit({ ...request, idempotencyKey: key }),
  );
  return command;
};
const reaches = async (command: Command, status: Command["status"]) => {
  const get = () => insist(() => h.concord.commands.get(ANNA, idOf(command)));
  await expect
    .poll(async () => (await get()).status, { timeout: 30_000, interval: 10 })
    .toBe(status);
  return get();
};

/** Fred agrees to everything that is asked about it. */
async function agree(command: Command, id: string): Promise<void> {
  await reaches(command, "waiting_for_approval");
  const filter = { limit: 5, commandId: command.commandId };
  const { items } = await insist(() => h.concord.approvals.list(FRED, filter));
  for (const [at, one] of items.entries()) {
    const approvalId = encodeId("approval", one.approvalId);
    const decision = { approvalId, decision: "approved", principal: FRED, traceId: TRACE } as const;
    const idempotencyKey = `a:${id}:${at}`;
    await insist(() => h.concord.approvals.resolve({ ...decision, idempotencyKey }));
  }
}

async function hotelJourney(id: string): Promise<readonly string[]> {
  const stay = { check_in: "2027-04-01", check_out: "2027-04-03", guests: 2 };
  const payload = { hotel_id: "htl_lisbon_grand_hotel_miramar", ...stay };
  const draft = await reaches(
    await submit("hotel_reservation.draft", payload, `d:${id}`),
    "succeeded",
  );
  const draftId = String((draft.result as JsonObject)["booking_draft_id"]);
  const confirm = await submit(
    "hotel_reservation.confirm",
    { booking_draft_id: draftId },
    `c:${id}`,
  );
  await agree(confirm, id);
  await reaches(confirm, "succeeded");
  await insist(() => h.concord.commands.cancel(ANNA, idOf(confirm), "taken back"));
  await reaches(confirm, "cancelled");
  expect(await hotel.statuses(`book_hotel:${draftId}`)).toEqual(["cancelled"]);
  return [idOf(draft), idOf(confirm)];
}

let made = 0;
async function reportJourney(id: string): Promise<readonly string[]> {
  made += 1;
  const report = await reaches(
    await submit("generate_report", reportOf(made), `r:${id}`),
    "succeeded",
  );
  const artifact = String((report.result as JsonObject)["artifact_id"]);
  const told = "SELECT count(*)::int AS told FROM concord.notifications WHERE body = $1";
  expect(await h.rows(told, [artifact])).toEqual([{ told: 1 }]);
  const payload = { artifact_id: artifact, destination: "external:press" };
  const publish = await submit("publish_report", payload, `p:${id}`);
  await agree(publish, id);
  await reaches(publish, "succeeded");
  expect(reports.published(`publish_report:${artifact}:external:press`)).toBe(1);
  return [idOf(report), idOf(publish)];
}

/** No row of one kind without those of the other kinds that commit with it. */
async function expectNoHalfState(): Promise<void> {
  const halves = await h.rows(
    `SELECT 'a command without its story' AS half FROM concord.commands c WHERE NOT EXISTS (
       SELECT 1 FROM concord.domain_events e WHERE e.command_id = c.command_id AND event_type = 'command_created')
     UNION ALL SELECT 'a status that no event tells' FROM concord.commands c WHERE status <> (
       SELECT payload->>'to' FROM concord.domain_events e WHERE e.command_id = c.command_id
         AND event_type = 'state_transitioned' ORDER BY transaction_id DESC, seq DESC LIMIT 1)
     UNION ALL SELECT 'a plan without its effects' FROM concord.commands c
       WHERE jsonb_path_exists(plan, '$.steps[*].effect') AND NOT EXISTS (
         SELECT 1 FROM concord.domain_effects f WHERE f.command_id = c.command_id)
     UNION ALL SELECT 'a wait without a question' FROM concord.commands c
       WHERE status = 'waiting_for_approval' AND NOT EXISTS (
         SELECT 1 FROM concord.approvals a WHERE a.command_id = c.command_id AND a.status = 'pending')
     UNION ALL SELECT 'work without a run' FROM concord.commands c
       WHERE status IN ('queued','running','compensating') AND NOT EXISTS (
         SELECT 1 FROM dbos.workflow_status w WHERE w.workflow_uuid = c.dbos_workflow_id)
     UNION ALL SELECT 'an effect that happened and is not told' FROM concord.domain_effects f
       WHERE status = 'succeeded' AND NOT EXISTS (SELECT 1 FROM concord.domain_events e
         WHERE e.command_id = f.command_id AND event_type = 'task_succeeded')`,
  );
  expect(halves).toEqual([]);
}

describe(`a failure after every statement (seed ${SEED}${ALL ? ", all of them" : ""})`, () => {
  test.each([
    ["the hotel journey", hotelJourney],
    ["EX-1 EX-3 a report, published once a person agreed,", reportJourney],
  ] as const)(
    "PLN-15 AUD-8 STM-5 RUN-10 %s ends as ever, and nothing half done is ever seen",
    async (name, journey) => {
      failpoint.arm(0);
      await journey(`count-${name}`);
      const count = failpoint.seen.length;
      expect(count).toBeGreaterThan(50);
      const random = randomBy(SEED);
      const places = ALL
        ? Array.from({ length: count }, (_unused, at) => at + 1)
        : Array.from({ length: SAMPLE }, () => 1 + Math.floor(random() * count));
      let fired = 0;
      for (const at of places) {
        failpoint.arm(at);
        const round = `${name}-${at}-${fired}`;
        try {
          for (const id of await journey(round)) await expectWhole(h.pool, id);
          await expectNoHalfState();
        } catch (error) {
          const where = `after statement ${at}: ${failpoint.seen[at - 1]?.slice(0, 200)}`;
          throw new Error(`${where} (seed ${SEED}): ${String(error)}`, { cause: error });
        }
        if (failpoint.hasFired) fired += 1;
      }
      process.stdout.write(
        `${count} statements, ${places.length} runs, ${fired} failed in between\n`,
      );
      expect(fired).toBeGreaterThanOrEqual(Math.floor(places.length * 0.8));
    },
    ALL ? 3_600_000 : 180_000,
  );
});
