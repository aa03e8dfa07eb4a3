import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Command, encodeId, type Incident, type Principal } from "../src/index.ts";
import { ANNA, EVE, type Harness, refusalOf, startHarness, TRACE } from "./support/harness.ts";
import { type Ledger, startLedger } from "./support/ledger.ts";
import trips, { promise } from "./support/trips.ts";

let h: Harness;
let ledger: Ledger;
beforeAll(async () => {
  ledger = await startLedger();
  process.env["TEST_LEDGER_URL"] = ledger.url;
  h = await startHarness({ more: () => trips });
});
afterEach(() => {
  ledger.faults.clear();
  ledger.undone.splice(0);
  ledger.letGo();
});
afterAll(async () => {
  await h.stop();
  await ledger.stop();
});

const OWNER: Principal = { ...ANNA, user: "olga", roles: ["owner"] };
let made = 0;
const submit = async (task = "trip", id = `t${++made}`) => {
  const { command } = await h.concord.commands.submit({
    taskName: task,
    payload: { trip_id: id },
    principal: ANNA,
    ingress: "user_request",
    traceId: TRACE,
  });
  return command;
};
const idOf = (command: Command) => encodeId("command", command.commandId);
const cancel = (command: Command, as: Principal = ANNA) =>
  h.concord.commands.cancel(as, idOf(command), "changed my mind");
const done = async (command: Command, status: Command["status"]) => {
  await expect
    .poll(async () => (await h.concord.commands.get(ANNA, idOf(command))).status, {
      timeout: 30_000,
    })
    .toBe(status);
  return h.concord.commands.get(ANNA, idOf(command));
};
const path = async (command: Command) =>
  (
    await h.rows<{ to: string }>(
      "SELECT payload->>'to' AS to FROM concord.domain_events WHERE command_id = $1 AND event_type = 'state_transitioned' ORDER BY transaction_id, seq",
      [command.commandId],
    )
  ).map((row) => row.to);
const links = (command: Command) =>
  h.rows<{ effect_type: string; status: string; settled_as: string | null }>(
    "SELECT effect_type, status, settled_as FROM concord.domain_effects WHERE command_id = $1 AND compensates_effect_id IS NOT NULL ORDER BY ordinal",
    [command.commandId],
  );
const incidents = async (command: Command, status = "open") =>
  (await h.concord.incidents.list(OWNER, { limit: 10, status, commandId: command.commandId }))
    .items;
const act = (incident: Incident | undefined, action: "retry" | "skip" | "resolve", as = OWNER) =>
  h.concord.incidents.act({
    incidentId: encodeId("incident", incident?.incidentId ?? ""),
    action,
    note: "looked into it",
    principal: as,
    traceId: TRACE,
  });

describe("taking a success back", () => {
  test("CAN-12 CMP-12 CMP-13 CMP-20 EX-15 within the window everything is undone, in reverse but for what has to follow", async () => {
    const command = await submit();
    const success = await done(command, "succeeded");
    expect((await cancel(success)).status).toBe("compensating");
    const ended = await done(command, "cancelled");
    expect(ledger.undone).toEqual(["stay", "flight", "mail"]);
    expect((await path(command)).slice(-5)).toEqual([
      "succeeded",
      "cancelling",
      "compensating",
      "compensated",
      "cancelled",
    ]);
    expect(ended.result).toMatchObject({ happened: [], undone: [{ by: "cancel_stay" }, {}, {}] });
    expect(ended.errorClass).toBe("cancelled");
    const types = await h.eventTypes(command);
    expect(types.filter((one) => one === "compensation_started")).toHaveLength(1);
    expect(types.filter((one) => one === "compensation_completed")).toHaveLength(4);
    expect(types).not.toContain("compensation_drift");
  });

  test("CMP-1 CMP-21 X-12 a link is an effect of its own, with its own key and its own workflow; the old one stays as it was", async () => {
    const command = await done(await submit(), "succeeded");
    await cancel(command);
    const ended = await done(command, "cancelled");
    const rows = await h.rows<Record<string, string>>(
      "SELECT domain_effect_id, effect_type, status, idempotency_key, compensates_effect_id, executed_by_dbos_workflow_id AS workflow FROM concord.domain_effects WHERE command_id = $1 ORDER BY ordinal",
      [command.commandId],
    );
    const [flight] = rows;
    const link = rows.find((row) => row["effect_type"] === "cancel_flight");
    expect(flight).toMatchObject({ effect_type: "trip.flight", status: "succeeded" });
    expect(link?.["compensates_effect_id"]).toBe(flight?.["domain_effect_id"]);
    expect(link?.["idempotency_key"]).toBe(
      `compensate:eff_${flight?.["domain_effect_id"]?.replaceAll("-", "")}`,
    );
    expect(link?.["workflow"]).toBe(`command:${idOf(command)}:compensate:1`);
    expect(ended.workflowId).toBe(link?.["workflow"]);
    expect(flight?.["workflow"]).toBe(`command:${idOf(command)}`);
  });

  test("CMP-18 X-20 the artifacts of what was undone are kept and marked", async () => {
    const command = await done(await submit(), "succeeded");
    await cancel(command);
    await done(command, "cancelled");
    const rows = await h.rows(
      "SELECT status, metadata FROM concord.artifacts WHERE command_id = $1",
      [command.commandId],
    );
    expect(rows).toEqual([{ status: "archived", metadata: { cancelled: true } }]);
  });

  test("CAN-12 after the window it is refused, changes nothing, and is on record", async () => {
    const command = await done(await submit(), "succeeded");
    h.clock.aheadMs = 60 * 60_000 + 1_000;
    try {
      expect(await refusalOf(cancel(command))).toBe("cancellation_closed");
    } finally {
      h.clock.aheadMs = 0;
    }
    expect((await h.concord.commands.get(ANNA, idOf(command))).status).toBe("succeeded");
    expect(ledger.undone).toEqual([]);
    const attempts = await h.rows(
      "SELECT status, error_class FROM concord.commands WHERE command_type = 'cancel_command' AND payload->>'command_id' = $1",
      [idOf(command)],
    );
    expect(attempts).toEqual([{ status: "failed", error_class: "policy_denied" }]);
  });

  test("CAN-6 CAN-13 without a window a success stays one, and asking twice to take one back undoes it once", async () => {
    const lasting = await done(await submit("trip_standing"), "succeeded");
    expect((await cancel(lasting)).status).toBe("succeeded");
    const command = await done(await submit(), "succeeded");
    await Promise.all([cancel(command), cancel(command)]);
    await done(command, "cancelled");
    expect(ledger.undone).toEqual(["stay", "flight", "mail"]);
  });

  test("CMP-19 an effect that stands by declaration cannot be taken back", async () => {
    const command = await done(await submit("trip_final"), "succeeded");
    expect(await refusalOf(cancel(command))).toBe("cancellation_closed");
  });

  test("EFF-6 what was undone can be asked for again, under the next generation of its key", async () => {
    const first = await done(await submit("trip", "again"), "succeeded");
    await cancel(first);
    await done(first, "cancelled");
    const second = await done(await submit("trip", "again"), "succeeded");
    expect(second.result).toMatchObject({ flight: { key: "flight:again#2", undone: false } });
    expect(ledger.entries.get("flight:again")?.undone).toBe(true);
  });
});

describe("stopping and failing", () => {
  test("CAN-5 CAN-9 stopped in mid-work: nothing new is begun, what happened is undone", async () => {
    ledger.faults.set("make stay", ["held"]);
    const command = await submit();
    await expect.poll(ledger.heldCount, { timeout: 20_000 }).toBe(1);
    await cancel(command);
    ledger.letGo();
    await done(command, "cancelled");
    expect(ledger.undone).toEqual(["stay", "flight"]);
    expect(ledger.entries.has(`mail:t${made}`)).toBe(false);
    expect((await path(command)).slice(-4)).toEqual([
      "cancelling",
      "compensating",
      "compensated",
      "cancelled",
    ]);
  });

  test("CMP-16 PLN-8 a failure after something happened undoes it, and rests as compensated", async () => {
    const command = await submit("trip_forgotten");
    const ended = await done(command, "compensated");
    expect(ended.errorClass).toBe("unknown_error");
    expect(ended.error).toContain("forgot the result");
    expect(ledger.undone).toEqual(["stay", "flight", "mail"]);
    expect((await path(command)).slice(-3)).toEqual(["failed", "compensating", "compensated"]);
  });

  test("CAN-4 CAN-14 graceful: what happened stands and is told, also when its answer was lost", async () => {
    ledger.faults.set("make stay", ["held"]);
    const command = await submit("trip_standing");
    await expect.poll(ledger.heldCount, { timeout: 20_000 }).toBe(1);
    await cancel(command);
    ledger.letGo();
    const ended = await done(command, "cancelled");
    const { happened } = ended.result as { happened: { effect_type: string }[] };
    expect(happened.map((one) => one.effect_type)).toEqual(["trip.flight", "trip.stay"]);
    expect(ledger.undone).toEqual([]);
  });

  test("CON-18 the last attempt's answer is lost: the vendor is asked, and the command succeeds", async () => {
    ledger.faults.set("make flight", ["away", "away", "lost"]);
    const command = await done(await submit(), "succeeded");
    expect(await h.effects(command)).toMatchObject([{ status: "succeeded", attempts: 3 }, {}, {}]);
  });

  test("CON-18 STM-12 nobody can say whether it happened: the command says so and a person is asked", async () => {
    ledger.faults.set("make mute", ["lost", "lost", "lost"]);
    const command = await done(await submit("trip_mute"), "failed");
    const [incident] = await incidents(command);
    expect(incident).toMatchObject({ kind: "outcome_unknown" });
    expect(incident?.message).toContain("trip.mute");
    expect(await refusalOf(act(incident, "retry"))).toBe("validation_error");
    expect(await act(incident, "resolve")).toMatchObject({ status: "closed", closedBy: "olga" });
  });
});

describe("a chain that cannot go on", () => {
  const halted = async () => {
    const command = await done(await submit(), "succeeded");
    ledger.faults.set("undo flight", ["refuse"]);
    await cancel(command);
    return done(command, "failed");
  };

  test("CMP-14 it halts, tells what still stands, asks a person; CMP-15 retry goes on and repeats nothing", async () => {
    const command = await halted();
    expect(ledger.undone).toEqual(["stay"]);
    const [incident] = await incidents(command);
    expect(incident).toMatchObject({ kind: "compensation_exhausted", status: "open" });
    const [drift] = await h.rows(
      "SELECT payload FROM concord.domain_events WHERE command_id = $1 AND event_type = 'compensation_drift'",
      [command.commandId],
    );
    expect(drift?.["payload"]).toMatchObject({
      kind: "partial",
      left_standing: ["trip.flight", "trip.mail"],
    });
    const explained = await h.concord.explain(ANNA, idOf(command));
    expect(explained.reasons.map((one) => one.kind)).toEqual(["incident", "at_rest"]);
    await act(incident, "retry");
    await done(command, "cancelled");
    expect(ledger.undone).toEqual(["stay", "flight", "mail"]);
    expect(await incidents(command)).toEqual([]);
  });

  test("CMP-13 skip leaves it standing, and what has to follow it does not happen either", async () => {
    const command = await halted();
    await act((await incidents(command))[0], "skip");
    const ended = await done(command, "cancelled");
    expect(ledger.undone).toEqual(["stay"]);
    expect(await links(command)).toMatchObject([
      { effect_type: "cancel_stay", status: "succeeded" },
      { effect_type: "cancel_flight", settled_as: "skipped" },
      { effect_type: "cancel_mail", settled_as: "skipped" },
    ]);
    const { happened } = ended.result as { happened: { effect_type: string }[] };
    expect(happened.map((one) => one.effect_type)).toEqual(["trip.flight", "trip.mail"]);
  });

  test("CMP-15 resolve says it was undone by hand, and the rest of the chain runs", async () => {
    const command = await halted();
    await act((await incidents(command))[0], "resolve");
    await done(command, "cancelled");
    expect(ledger.undone).toEqual(["stay", "mail"]);
    expect(await links(command)).toMatchObject([
      {},
      { settled_as: "by_hand" },
      { status: "succeeded" },
    ]);
  });

  test("CAN-11 SEC-6 only an owner or operator of the tenant settles, once, and says why", async () => {
    const command = await halted();
    const [incident] = await incidents(command);
    expect(await refusalOf(act(incident, "retry", ANNA))).toBe("forbidden");
    expect(await refusalOf(act(incident, "retry", EVE))).toBe("not_found");
    const silent = {
      incidentId: encodeId("incident", incident?.incidentId ?? ""),
      principal: OWNER,
      traceId: TRACE,
    };
    expect(await refusalOf(h.concord.incidents.act({ ...silent, action: "skip" }))).toBe(
      "validation_error",
    );
    const both = await Promise.all([
      refusalOf(act(incident, "skip")),
      refusalOf(act(incident, "resolve")),
    ]);
    expect(both.filter((one) => one === "incident_closed")).toHaveLength(1);
    await done(command, "cancelled");
    const tried = await h.rows(
      "SELECT status FROM concord.commands WHERE command_type = 'settle_incident' AND payload->>'incident_id' = $1",
      [silent.incidentId],
    );
    expect(tried).toHaveLength(3);
  });
});

describe("drift", () => {
  test("CMP-10 CMP-11 OPS-3 a vendor that does more than declared is told about, and the chain still ends well", async () => {
    const command = await done(await submit("trip_credited"), "succeeded");
    await cancel(command);
    await done(command, "cancelled");
    const [drift] = await h.rows<{ payload: object }>(
      "SELECT payload FROM concord.domain_events WHERE command_id = $1 AND event_type = 'compensation_drift'",
      [command.commandId],
    );
    expect(drift?.payload).toMatchObject({
      kind: "unexpected",
      drift: { unexpected: ["vendor.credit"] },
    });
    expect(await incidents(command)).toMatchObject([{ kind: "compensation_drift" }]);
  });

  test("CMP-10 EX-17 a way back that is declared otherwise than when the work was planned is told about", async () => {
    const command = await done(await submit(), "succeeded");
    promise.mailAfter = [];
    await h.restart();
    try {
      await cancel(command);
      await done(command, "cancelled");
    } finally {
      promise.mailAfter = ["cancel_flight"];
    }
    const [incident] = await incidents(command);
    expect(incident?.detail).toMatchObject({
      kind: "manifest_changed",
      drift: { planned: { after: ["cancel_flight"] }, now: { after: [] } },
    });
    // What was promised when it was planned is what runs.
    expect(ledger.undone).toEqual(["stay", "flight", "mail"]);
  });
});
