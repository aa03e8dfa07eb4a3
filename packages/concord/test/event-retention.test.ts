/** Events whose time is over: gone by rule, on record, and the chain still whole. */

import { config } from "@concert/service-kit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyEvidence } from "../src/evidence/index.ts";
import { type Command, encodeId, type Principal } from "../src/index.ts";
import { parseEventRetention } from "../src/server/event-retention.ts";
import { ANNA, type Harness, startHarness, TRACE } from "./support/harness.ts";

const DAY_MS = 86_400_000;
const OLGA: Principal = { ...ANNA, user: "olga", roles: ["owner", "operator"] };

let h: Harness;
beforeAll(async () => {
  h = await startHarness({
    eventRetention: parseEventRetention(["event=30", "audit=90", "audit/order=2557"]),
  });
});
afterAll(() => h.stop());

const purposes = async (command: Command) =>
  (
    await h.rows<{ purpose: string }>(
      "SELECT DISTINCT purpose FROM concord.domain_events WHERE command_id = $1 ORDER BY 1",
      [command.commandId],
    )
  ).map(({ purpose }) => purpose);
const verified = () => h.concord.verifyAudit(OLGA);
const made = async (task: string, order_id: string) => {
  const { command } = await h.submit({ order_id }, { task });
  return h.settled(command);
};
const sealed = () =>
  expect.poll(async () => (await verified()).unsealed, { timeout: 20_000 }).toBe(0);
/** Until no run is under way, a tick that found nothing to do included. */
const atRest = () =>
  expect
    .poll(
      () => h.rows("SELECT 1 FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED')"),
      { timeout: 20_000 },
    )
    .toEqual([]);
/** Runs the schedule and waits until its command is done. */
const forget = async () => {
  const done = async () =>
    (
      await h.rows(
        "SELECT 1 FROM concord.commands WHERE task_name = 'forget_events' AND status = 'succeeded' AND tenant_id = 't1'",
      )
    ).length;
  const before = await done();
  await h.concord.schedules.trigger(OLGA, "forget_old_events", TRACE);
  await expect.poll(done, { timeout: 30_000 }).toBe(before + 1);
};

let bought: Command;
let ordered: Command;
/** As somebody kept it before anything was forgotten. */
let head: string;
test("AUD-10 what is younger than its rule stays", async () => {
  bought = await made("buy", "r-1");
  ordered = await made("order", "r-2");
  await sealed();
  head = (await verified()).head;
  await h.concord.schedules.trigger(OLGA, "forget_old_events", TRACE);
  await atRest();
  expect(await purposes(bought)).toEqual(["audit", "event"]);
  expect((await verified()).intact).toBe(true);
});

test("AUD-10 by purpose: after a month what was told to products is gone, the audit trail is there", async () => {
  h.clock.aheadMs = 31 * DAY_MS;
  await forget();
  expect([await purposes(bought), await purposes(ordered)]).toEqual([["audit"], ["audit"]]);
});

test("AUD-10 by type of command: after three months the audit trail of one is gone, that of another is kept for seven years", async () => {
  h.clock.aheadMs = 91 * DAY_MS;
  await forget();
  expect([await purposes(bought), await purposes(ordered)]).toEqual([[], ["audit"]]);
  // AUD-6: what is known of the command does not come from its events.
  const found = await h.concord.commands.get(ANNA, encodeId("command", bought.commandId));
  expect(found.status).toBe("succeeded");
  h.clock.aheadMs = 2_558 * DAY_MS;
  await forget();
  expect(await purposes(ordered)).toEqual([]);
});

test("AUD-10 AUD-2 the chain goes on over what was forgotten, the record says how much and by which rule, and a head from before still holds", async () => {
  h.clock.aheadMs = 0;
  const report = await h.concord.verifyAudit(OLGA, { known: head });
  expect([report.intact, report.problems]).toEqual([true, []]);
  const told = await h.rows<{ payload: { count: number; rules: unknown[] } }>(
    "SELECT payload FROM concord.domain_events WHERE event_type = 'record_forgotten' AND tenant_id = 't1'",
  );
  const [kept] = await h.rows<{ count: number }>(
    "SELECT count(*)::int AS count FROM concord.forgotten_events WHERE tenant_id = 't1'",
  );
  expect(told.reduce((all, { payload }) => all + payload.count, 0)).toBe(kept?.count);
  expect(told[0]?.payload.rules).toContainEqual({
    purpose: "audit",
    command_type: "order",
    before: expect.any(String),
  });
});

test("AUD-10 a file of evidence from afterwards is whole, and says how much is not there any more", async () => {
  const file = await h.concord.evidence(OLGA, encodeId("command", bought.commandId));
  const report = verifyEvidence(file);
  expect([report.intact, report.problems]).toEqual([true, []]);
  expect(report.forgotten).toBeGreaterThan(5);
});

test("AUD-10 thousands are forgotten page by page, with what is younger among them left alone", async () => {
  const event = (age: string, count: number) =>
    h.pool.query(
      `INSERT INTO concord.domain_events (event_id, tenant_id, purpose, event_type, actor, trace_id, created_at)
       SELECT gen_random_uuid(), 't1', 'event', 'of_a_product', 'x', $1::text, now() - $1::text::interval FROM generate_series(1, $2)`,
      [age, count],
    );
  for (const [age, count] of [
    ["40 days", 1_500],
    ["20 days", 3],
    ["50 days", 1_000],
  ] as const) {
    await event(age, count);
  }
  await sealed();
  await forget();
  const left = await h.rows(
    "SELECT trace_id AS age, count(*)::int AS count FROM concord.domain_events WHERE event_type = 'of_a_product' GROUP BY 1",
  );
  expect(left).toEqual([{ age: "20 days", count: 3 }]);
  expect((await verified()).problems).toEqual([]);
});

test("AUD-10 AUD-2 nothing else removes an event: not a plain DELETE, and not a batch that the record does not speak of", async () => {
  await made("buy", "r-3");
  await sealed();
  const some =
    "(SELECT event_id FROM concord.domain_events WHERE tenant_id = 't1' ORDER BY seq DESC LIMIT 1)";
  await expect(
    h.pool.query(`DELETE FROM concord.domain_events WHERE event_id = ${some}`),
  ).rejects.toMatchObject({ code: "42501" });
  await h.pool.query(
    `SELECT concord.forget_events(ARRAY[${some}], '00000000-0000-7000-8000-000000000001')`,
  );
  expect((await verified()).problems).toEqual([
    "1 events were forgotten (00000000-0000-7000-8000-000000000001), and no event says so",
  ]);
});

test("AUD-10 a rule that cannot be read says what is accepted", () => {
  expect(parseEventRetention([])).toEqual([]);
  for (const wrong of ["audit", "gossip=3", "audit=0", "audit/=3", "audit=-1"]) {
    expect(() => parseEventRetention([wrong])).toThrow(config.SettingError);
  }
  expect(() => parseEventRetention(["audit=1", "audit=2"])).toThrow("twice");
});
