/**
 * Kill -9 at every durable moment of every journey. The moments are not picked by hand: a first run counts them,
 * then each run dies just before or just after one of them and has to end as if nothing had happened.
 * A normal run takes a seeded sample; `KILL_EVERYWHERE=1` takes all of them.
 */
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConcordClient, ConcordError, createConcordClient } from "../src/client/index.ts";
import type { CommandStatus } from "../src/index.ts";
import { startTestPostgres, type TestPostgres } from "../src/testing/index.ts";
import { HOTEL, type Hotel, startHotel } from "./support/hotel.ts";
import { type KillableServer, startKillableServer, untilReady } from "./support/killable-server.ts";
import { type Ledger, startLedger } from "./support/ledger.ts";
import { REPORTS, type Reports, reportOf, startReports } from "./support/reports.ts";
import { partitionOf, type SalesVendor, SYNC, startSalesVendor } from "./support/sales-vendor.ts";
import { expectWhole, randomBy } from "./support/whole.ts";

const ALL = process.env["KILL_EVERYWHERE"] === "1";
const SEED = Number(process.env["KILL_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const SAMPLE = 3;
const path = (url: URL) => fileURLToPath(url);

let postgres: TestPostgres;
let pool: pg.Pool;
let ledger: Ledger;
let server: KillableServer;
let hotel: Hotel;
let sales: SalesVendor;
let reports: Reports;
let anna: ConcordClient;
let fred: ConcordClient;

beforeAll(async () => {
  [postgres, ledger, hotel] = await Promise.all([startTestPostgres(), startLedger(), startHotel()]);
  pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 2 });
  pool.on("error", () => undefined);
  sales = await startSalesVendor(postgres.databaseUrl);
  reports = await startReports(postgres.databaseUrl);
  server = await startKillableServer({
    databaseUrl: postgres.databaseUrl,
    contracts: [
      path(new URL("./support/trips.ts", import.meta.url)),
      path(new URL("contracts/index.ts", HOTEL)),
      path(new URL("contracts.ts", SYNC)),
      path(new URL("contracts.ts", REPORTS)),
    ],
    apiKeys:
      "anna=t1:anna:owner|support:book_travel|sync_vendor_data|run_reports,fred=t1:fred:finance_approvers|data_owner|auditor",
    env: { ...hotel.env, ...sales.env, ...reports.env, TEST_LEDGER_URL: ledger.url },
  });
  anna = createConcordClient({ url: server.url, key: "anna", timeoutMs: 10_000 });
  fred = createConcordClient({ url: server.url, key: "fred", timeoutMs: 10_000 });
});
afterAll(async () => {
  await server?.stop();
  await pool?.end();
  await hotel?.stop();
  sales?.stop();
  await reports?.stop();
  await ledger?.stop();
  await postgres?.stop();
});

/** Asks until somebody answers: the server may be dead just now, and whether it heard is not known. */
async function insist<T>(work: () => Promise<T>): Promise<T> {
  const deadlineMs = Date.now() + 60_000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const isPassing = error instanceof ConcordError && error.isTransient;
      if (!isPassing || Date.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

const submit = (task_name: string, payload: Record<string, unknown>, key: string) =>
  insist(() => anna.submit({ task_name, payload, idempotency_key: key }));
async function reaches(id: string, status: CommandStatus) {
  await expect
    .poll(async () => (await insist(() => anna.get(id))).status, { timeout: 60_000, interval: 20 })
    .toBe(status);
  return insist(() => anna.get(id));
}
async function approve(id: string): Promise<void> {
  const { items } = await insist(() => fred.approvals({ command_id: id }));
  if (items.length === 0) throw new Error("nobody was asked");
  for (const { approval_id } of items) {
    try {
      await insist(() => fred.resolve(approval_id, "approved"));
    } catch (error) {
      // The answer to the first try was lost, the decision was not.
      const isDecided = error instanceof ConcordError && error.code === "approval_already_decided";
      if (!isDecided) throw error;
      expect((await insist(() => fred.approval(approval_id))).decided_by).toBe("fred");
    }
  }
}

const unended = async () => {
  const { rows } = await pool.query(
    "SELECT workflow_uuid FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING') AND workflow_uuid LIKE 'command:%'",
  );
  return rows;
};

interface Journey {
  readonly name: string;
  /** Drives it to its end; returns the commands it made, and checks the vendor. */
  readonly run: (id: string) => Promise<readonly string[]>;
}

const cancelled = async (id: string) => {
  await reaches(id, "succeeded");
  await insist(() => anna.cancel(id, "taken back"));
  await reaches(id, "cancelled");
};

const JOURNEYS: readonly Journey[] = [
  {
    name: "EX-15 hotel booking: draft, approval, booking, taken back",
    run: async (id) => {
      const stay = { check_in: "2027-03-01", check_out: "2027-03-04", guests: 2 };
      const payload = { hotel_id: "htl_lisbon_grand_hotel_miramar", ...stay };
      const draft = await submit("hotel_reservation.draft", payload, `draft:${id}`);
      const drafted = (await reaches(draft.command_id, "succeeded")).result as {
        booking_draft_id: string;
      };
      const confirm = await submit(
        "hotel_reservation.confirm",
        { booking_draft_id: drafted.booking_draft_id },
        `confirm:${id}`,
      );
      await reaches(confirm.command_id, "waiting_for_approval");
      await approve(confirm.command_id);
      await cancelled(confirm.command_id);
      const key = `book_hotel:${drafted.booking_draft_id}`;
      expect(await hotel.statuses(key)).toEqual(["cancelled"]);
      return [draft.command_id, confirm.command_id];
    },
  },
  {
    name: "EX-19 EX-21 vendor sync: a busy vendor, a day fetched, written once",
    run: async (id) => {
      await sales.fail(503, 503);
      const day = new Date(Date.UTC(2027, 0, Number(id.slice(1))));
      const target_date = day.toISOString().slice(0, "2027-01-01".length);
      const payload = { vendor_name: "acme", target_date };
      const { command_id } = await submit("sync_vendor_sales", payload, `sync:${id}`);
      await reaches(command_id, "succeeded");
      expect(await partitionOf(pool, target_date)).toEqual([{ writes: 1, rows: 3 }]);
      return [command_id];
    },
  },
  {
    name: "EX-1 EX-3 a report read, kept and told of, then published once a person agreed",
    run: async (id) => {
      const round = Number(id.slice(1));
      const made = await submit("generate_report", reportOf(round), `report:${id}`);
      const report = (await reaches(made.command_id, "succeeded")).result as {
        artifact_id: string;
      };
      const { rows } = await pool.query(
        "SELECT count(*)::int AS told FROM concord.notifications WHERE body = $1",
        [report.artifact_id],
      );
      expect(rows).toEqual([{ told: 1 }]);
      const payload = { artifact_id: report.artifact_id, destination: "external:press" };
      const { command_id } = await submit("publish_report", payload, `publish:${id}`);
      await reaches(command_id, "waiting_for_approval");
      await approve(command_id);
      await reaches(command_id, "succeeded");
      const key = `publish_report:${report.artifact_id}:external:press`;
      expect(reports.published(key)).toBe(1);
      return [made.command_id, command_id];
    },
  },
  {
    name: "CMP-12 three effects, taken back one by one",
    run: async (id) => {
      const { command_id } = await submit("trip", { trip_id: id }, `trip:${id}`);
      await cancelled(command_id);
      expectLedger(id, true);
      return [command_id];
    },
  },
  {
    name: "CMP-16 three effects, then a failure that undoes them",
    run: async (id) => {
      const { command_id } = await submit("trip_forgotten", { trip_id: id }, `trip:${id}`);
      await reaches(command_id, "compensated");
      expectLedger(id, true);
      return [command_id];
    },
  },
  {
    name: "EX-24 three effects and an artifact, nothing else",
    run: async (id) => {
      const { command_id } = await submit("trip_standing", { trip_id: id }, `trip:${id}`);
      await reaches(command_id, "succeeded");
      expectLedger(id, false);
      return [command_id];
    },
  },
];

/** Each entry was made once, and undone or not. */
function expectLedger(id: string, undone: boolean): void {
  const made = [...ledger.entries.values()].filter((one) => one.key.endsWith(`:${id}`));
  const expected = ["flight", "mail", "stay"].map((kind) => ({ kind, undone }));
  expect(made.map((one) => ({ kind: one.kind, undone: one.undone })).sort(byKind)).toEqual(
    expected,
  );
}
const byKind = (a: { kind: string }, b: { kind: string }) => a.kind.localeCompare(b.kind);

interface Cut {
  readonly when: "before" | "after";
  readonly at: number;
}

function cutsOf(count: number, random: () => number): readonly Cut[] {
  const all = Array.from({ length: count }, (_unused, index) => index + 1).flatMap((at) =>
    (["before", "after"] as const).map((when) => ({ when, at })),
  );
  if (ALL) return all;
  return Array.from({ length: SAMPLE }, () => all[Math.floor(random() * all.length)] as Cut);
}

describe(`kill -9 at every durable moment (seed ${SEED}${ALL ? ", all of them" : ""})`, () => {
  const random = randomBy(SEED);
  let round = 0;
  const go = async ({ run }: Journey) => {
    round += 1;
    for (const id of await run(`r${round}`)) await expectWhole(pool, id);
    // A command rests before its run has ended: the last moments of a run count, and may be a trap, too.
    await expect.poll(unended, { timeout: 60_000, interval: 20 }).toEqual([]);
  };

  test.each(JOURNEYS)(
    "TST-7 RUN-11 G4 $name",
    async (journey) => {
      // Counted from the second time on: what a server does once after its start is no moment of the journey.
      await go(journey);
      // Twice, and the fewer count: a schedule that comes due in between is no moment of the journey either.
      const counted: (readonly string[])[] = [];
      for (let round = 0; round < 2; round += 1) {
        await server.arm("never");
        await go(journey);
        counted.push(await server.moments());
      }
      const [moments = []] = counted.sort((a, b) => a.length - b.length);
      // A trap that counts nothing would be met by every journey.
      expect(moments.length).toBeGreaterThanOrEqual(5);
      let died = 0;
      const cuts = cutsOf(moments.length, random);
      for (const cut of cuts) {
        const before = server.deaths;
        await server.arm(cut.when, cut.at);
        await go(journey).catch((error: unknown) => {
          const where = `${cut.when} moment ${cut.at} (${moments[cut.at - 1]}), seed ${SEED}`;
          throw new Error(`killed ${where}: ${String(error)}`, { cause: error });
        });
        died += server.deaths - before;
        await untilReady(server.url);
      }
      process.stdout.write(
        `${moments.length} moments, ${cuts.length} runs, ${died} killed in between\n`,
      );
      // Runs differ by a wake-up or two, so that the last trap or two may not be reached.
      expect(died).toBeGreaterThanOrEqual(Math.floor(cuts.length * 0.8));
    },
    ALL ? 3_600_000 : 180_000,
  );

  test("AUD-5 STM-12 afterwards the chain of the record is intact and nothing is left open", async () => {
    const response = await fetch(`${server.url}/audit/verify`, {
      headers: { authorization: "Bearer fred" },
    });
    expect(await response.json()).toMatchObject({ intact: true, problems: [] });
    const { rows } = await pool.query(
      "SELECT 1 FROM concord.commands WHERE status NOT IN ('succeeded','failed','cancelled','expired','compensated')",
    );
    expect(rows).toEqual([]);
  });
});
