/** Alerts of a running Concord: each is raised by what it is about, told once, and over when that is over. */
import { Writable } from "node:stream";
import { createLogger } from "@concert/service-kit";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import { ALERTS, encodeId } from "../src/index.ts";
import { parseAlertLimits } from "../src/server/alert-limits.ts";
import { ANNA, FRED, type Harness, refusalOf, startHarness, TRACE } from "./support/harness.ts";

const WINDOW_MS = 900_000;
const lines: { readonly level: number; readonly alert?: string }[] = [];
let h: Harness;
beforeAll(async () => {
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  h = await startHarness({
    log: pino({ level: "info" }, sink),
    alerts: { alertLimits: parseAlertLimits(["policy_denials=3"]), alertsEveryMs: 50 },
  });
});
afterAll(() => h.stop());

const names = async () => (await h.concord.alerts()).map((one) => one.name);
/** How often the log told of it: as raised (a warning), as over. */
const told = (name: string) => ({
  raised: lines.filter((one) => one.alert === name && one.level === 40).length,
  over: lines.filter((one) => one.alert === name && one.level === 30).length,
});

/** It is raised by `cause` and over after `end`; a few looks later it was told once each time. */
async function comesAndGoes(
  name: (typeof ALERTS)[number],
  cause: () => Promise<unknown>,
  end: () => Promise<unknown>,
) {
  expect(await names()).not.toContain(name);
  const before = told(name);
  await cause();
  await expect.poll(names, { timeout: 20_000 }).toContain(name);
  await expect.poll(() => told(name).raised, { timeout: 20_000 }).toBe(before.raised + 1);
  await end();
  await expect.poll(names, { timeout: 20_000 }).not.toContain(name);
  await expect.poll(() => told(name).over, { timeout: 20_000 }).toBe(before.over + 1);
  expect(told(name).raised).toBe(before.raised + 1);
}
/** Past the window of everything that happened until now. */
const later = async () => {
  h.clock.aheadMs += WINDOW_MS + 1_000;
};

describe("alerts", () => {
  test("OPS-2 a command that waits too long for an executor", async () => {
    const id = "01a1fe06-1cd7-702f-8567-4d31377853f0";
    await comesAndGoes(
      "queued_too_long",
      () =>
        h.rows(
          `INSERT INTO concord.commands (command_id, tenant_id, command_type, task_name, status, requested_by, ingress,
             request_hash, root_command_id, trace_id, updated_at)
           VALUES ($1, 't1', 'buy', 'buy', 'queued', 'anna', 'user_request', 'h', $1, 't', now() - interval '11 minutes')`,
          [id],
        ),
      () => h.rows("UPDATE concord.commands SET status = 'cancelled' WHERE command_id = $1", [id]),
    );
  });

  test("OPS-2 an executor that stopped without a word", async () => {
    await comesAndGoes(
      "executor_silent",
      () =>
        h.rows(
          "INSERT INTO concord.executors (executor_id, beat_at) VALUES ('ghost', now() - interval '1 minute')",
        ),
      () =>
        h.rows("UPDATE concord.executors SET beat_at = '-infinity' WHERE executor_id = 'ghost'"),
    );
  });

  test("OPS-2 policies that deny again and again", async () => {
    const denied = () => h.submit({}, { as: { ...ANNA, permissions: [] } });
    await comesAndGoes(
      "policy_denials",
      async () => {
        await denied();
        await denied();
        expect(await names()).not.toContain("policy_denials");
        await denied();
      },
      later,
    );
  });

  test("OPS-2 calls that fail, and the command whose last attempt was one of them", async () => {
    h.clock.aheadMs = 0;
    const failing = async () => {
      h.vendor.faults.push("error_before", "error_before", "error_before", "error_before");
      await h.settled((await h.submit()).command);
    };
    const before = told("retries_exhausted").raised;
    await comesAndGoes(
      "connector_errors",
      async () => {
        for (let n = 0; n < 3; n += 1) await failing();
        await expect.poll(names).toContain("retries_exhausted");
      },
      later,
    );
    await expect.poll(names, { timeout: 20_000 }).not.toContain("retries_exhausted");
    expect(told("retries_exhausted").raised).toBe(before + 1);
  });

  test("OPS-2 an approval that nobody decided in time", async () => {
    h.clock.aheadMs = 0;
    await later();
    const { command } = await h.submit({ amount: 900 });
    const approvalId = encodeId("approval", (await h.approvalOf(command)).approvalId);
    await comesAndGoes(
      "approvals_expired",
      async () => {
        h.clock.aheadMs += 61 * 60_000;
        const late = h.concord.approvals.resolve({
          approvalId,
          decision: "approved",
          principal: FRED,
          traceId: TRACE,
        });
        expect(await refusalOf(late)).toBe("approval_already_decided");
        h.clock.aheadMs = 0;
      },
      later,
    );
  });

  test("OPS-2 what holds now is told to operators and to whoever scrapes figures, and to nobody else", async () => {
    await h.rows(
      "UPDATE concord.executors SET beat_at = now() - interval '1 minute' WHERE executor_id = 'ghost'",
    );
    const operatorKeys = ["op=t1:olga:operator:", "anna=t1:anna:owner:buy"].map(parseOperatorKey);
    const auth = { serviceKey: "service", internalSecret: "unused-in-this-test", operatorKeys };
    const app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
    const ask = (key: string) =>
      app.request("/alerts", { headers: { authorization: `Bearer ${key}` } });
    expect((await ask("anna")).status).toBe(403);
    const answer = (await (await ask("op")).json()) as { items: { name: string }[] };
    expect(answer.items).toContainEqual({
      name: "executor_silent",
      message: "1 executors have been silent for more than 30 s",
      value: 1,
      limit: 1,
    });
    const figures = await (await app.request("/metrics")).text();
    expect(figures).toContain('concord_alert{name="executor_silent"} 1');
    for (const name of ALERTS) expect(figures).toContain(`concord_alert{name="${name}"} `);
  });

  test("a limit that is none is refused, with the names there are", () => {
    expect(parseAlertLimits(["queued_seconds=5", "window_seconds=60"])).toEqual({
      queuedSeconds: 5,
      windowSeconds: 60,
    });
    for (const wrong of ["queue=5", "queued_seconds=0", "queued_seconds", "queued_seconds=soon"]) {
      expect(() => parseAlertLimits([wrong])).toThrow("names are window_seconds");
    }
  });
});
