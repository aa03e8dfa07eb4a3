/** Schedules as commands (spec §84): what a tick becomes, who may steer it, and upkeep that Concord does for itself. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runTick } from "../src/domain/schedule-service.ts";
import { anyonePolicy, defineContracts, type Principal } from "../src/index.ts";
import { ANNA, EVE, type Harness, refusalOf, startHarness, TRACE } from "./support/harness.ts";

const OLGA: Principal = { tenant: "t1", user: "olga", roles: ["operator"], permissions: [] };
const OWEN: Principal = { tenant: "t1", user: "owen", roles: ["owner"], permissions: [] };

const nightly = () =>
  defineContracts((catalog) => {
    catalog.policy(anyonePolicy("nightly_ok", "it only counts"));
    catalog.task({
      name: "nightly",
      description: "Count what there is.",
      inputSchema: {
        type: "object",
        required: ["due_at"],
        properties: { due_at: { type: "string" } },
      },
      policies: ["nightly_ok"],
      steps: [],
      result: ({ payload }) => ({ counted_at: payload["due_at"] ?? null }),
    });
    const base = {
      description: "Counts every night.",
      task: "nightly",
      cron: "0 3 1 1 *",
    } as const;
    catalog.schedule({ ...base, name: "nightly_for_all", tenants: ["t1", "t2"], missed: "run" });
    catalog.schedule({ ...base, name: "nightly_for_t2", tenants: ["t2"] });
  });

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness({ more: nightly });
});
afterAll(() => harness.stop());

const commandsOf = (schedule: string) =>
  harness.rows<{ tenant_id: string; ingress: string; status: string; idempotency_key: string }>(
    `SELECT tenant_id, ingress, status, idempotency_key FROM concord.commands
     WHERE context->'metadata'->>'schedule' = $1 ORDER BY created_at, tenant_id`,
    [schedule],
  );
const settle = (schedule: string, count: number) =>
  expect
    .poll(async () => (await commandsOf(schedule)).map((one) => one.status), { timeout: 30_000 })
    .toEqual(Array.from({ length: count }, () => "succeeded"));

describe("schedules", () => {
  test("SCH-1 SCH-3 a tick is one command a tenant, however often it is delivered", async () => {
    const { schedules } = harness.concord;
    await schedules.backfill(
      OLGA,
      "nightly_for_all",
      { from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z" },
      TRACE,
    );
    await settle("nightly_for_all", 2);
    await schedules.backfill(
      OLGA,
      "nightly_for_all",
      { from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z" },
      TRACE,
    );
    await schedules.trigger(OLGA, "nightly_for_all", TRACE);
    await settle("nightly_for_all", 4);
    const rows = await commandsOf("nightly_for_all");
    expect(new Set(rows.map((one) => one.ingress))).toEqual(new Set(["scheduled_trigger"]));
    expect(rows.slice(0, 2).map((one) => [one.tenant_id, one.idempotency_key])).toEqual([
      ["t1", "schedule:nightly_for_all:2026-01-01T03:00:00.000Z"],
      ["t2", "schedule:nightly_for_all:2026-01-01T03:00:00.000Z"],
    ]);
  });

  test("SCH-2 APR-14 upkeep is there, and says what it is for", async () => {
    const seen = await harness.concord.schedules.list(OLGA);
    expect(seen.map((one) => [one.name, one.cron, one.status])).toEqual([
      ["archive_old_artifacts", "15 3 * * *", "active"],
      ["expire_pending_approvals", "*/5 * * * *", "active"],
      ["forget_ended_runs", "30 3 * * *", "active"],
      ["forget_old_events", "45 3 * * *", "active"],
      ["nightly_for_all", "0 3 1 1 *", "active"],
      ["nightly_for_t2", "0 3 1 1 *", "active"],
    ]);
  });

  test("SEC-7 nobody sees or steers what concerns other tenants only; an owner does not stop what all share", async () => {
    const { schedules } = harness.concord;
    expect(await schedules.list(ANNA)).toEqual([]);
    expect((await schedules.list(OWEN)).map((one) => one.name)).not.toContain("nightly_for_t2");
    expect(await refusalOf(schedules.pause(OWEN, "nightly_for_t2", TRACE))).toBe("not_found");
    expect(await refusalOf(schedules.pause(OWEN, "nightly_for_all", TRACE))).toBe("forbidden");
    expect((await schedules.pause(EVE, "nightly_for_t2", TRACE)).status).toBe("paused");
    expect((await schedules.resume(EVE, "nightly_for_t2", TRACE)).status).toBe("active");
    const events = await harness.rows(
      "SELECT event_type, actor, tenant_id FROM concord.domain_events WHERE event_type LIKE 'schedule_%' AND tenant_id = 't2' ORDER BY seq",
    );
    expect(events).toEqual([
      { event_type: "schedule_paused", actor: "eve", tenant_id: "t2" },
      { event_type: "schedule_resumed", actor: "eve", tenant_id: "t2" },
    ]);
  });

  test("a backfill is of the past, bounded, and its times are times", async () => {
    const { schedules } = harness.concord;
    const ask = (from: string, to: string) =>
      refusalOf(schedules.backfill(OLGA, "nightly_for_all", { from, to }, TRACE));
    expect(await ask("yesterday", "2026-01-02T00:00:00Z")).toBe("validation_error");
    expect(await ask("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z")).toBe("validation_error");
    expect(await ask("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z")).toBe("validation_error");
    expect(await ask("2026-01-01T00:00:00Z", "2126-01-01T00:00:00Z")).toBe("validation_error");
  });

  test("upkeep is for the scheduler only: a person who asks for it is denied", async () => {
    const { commands } = harness.concord;
    const asked = commands.submit({
      taskName: "forget_runs",
      payload: { due_at: "2026-01-01T00:00:00Z" },
      principal: OLGA,
      ingress: "user_request",
      traceId: TRACE,
    });
    expect(await refusalOf(asked)).toBe("validation_error");
  });

  test("APR-14 approvals whose time is up are closed by the schedule, twice delivered the same", async () => {
    const { command } = await harness.submit({ amount: 900 });
    // Their run is gone, so that nothing but the schedule can close them.
    await harness.rows("DELETE FROM dbos.workflow_status WHERE workflow_uuid = $1", [
      command.workflowId,
    ]);
    await harness.rows(
      "UPDATE concord.approvals SET expires_at = now() - interval '1 minute' WHERE command_id = $1",
      [command.commandId],
    );
    const { schedules } = harness.concord;
    await schedules.trigger(OLGA, "expire_pending_approvals", TRACE);
    await schedules.trigger(OLGA, "expire_pending_approvals", TRACE);
    expect((await harness.settled(command)).status).toBe("expired");
    expect((await harness.approvalOf(command)).status).toBe("expired");
    const resolved = (await harness.eventTypes(command)).filter(
      (one) => one === "approval_resolved",
    );
    expect(resolved).toHaveLength(1);
  });

  test("OPS-7 runs that ended long ago are forgotten; what they did stays on record", async () => {
    const { command } = await harness.submit();
    await harness.settled(command);
    const isKnown = async () =>
      (
        await harness.rows("SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid = $1", [
          command.workflowId,
        ])
      ).length === 1;
    await expect.poll(isKnown).toBe(true);
    const { schedules } = harness.concord;
    await schedules.trigger(OLGA, "forget_ended_runs", TRACE);
    await settle("forget_ended_runs", 1);
    expect(await isKnown()).toBe(true);
    harness.clock.aheadMs = 31 * 86_400_000;
    await schedules.trigger(OLGA, "forget_ended_runs", TRACE);
    await settle("forget_ended_runs", 2);
    harness.clock.aheadMs = 0;
    expect(await isKnown()).toBe(false);
    expect((await harness.settled(command)).status).toBe("succeeded");
    expect((await harness.eventTypes(command)).length).toBeGreaterThan(5);
  });

  test("a tick of a schedule that is gone from the catalog does nothing", async () => {
    const nothing = { submit: () => Promise.reject(new Error("it submitted")) };
    const parts = {
      kit: { catalog: { schedules: () => [] } },
      commands: nothing,
    } as unknown as Parameters<typeof runTick>[0];
    await expect(runTick(parts, "gone", new Date(0))).resolves.toBeUndefined();
  });
});
