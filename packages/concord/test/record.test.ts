/** What the record tells, in which words, and what does not depend on it. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type AgentMove,
  type Command,
  defineContracts,
  type EVENT_PURPOSES,
  encodeId,
  type ThinkRequest,
  type Thought,
} from "../src/index.ts";
import deals from "./support/deals.ts";
import { ANNA, FRED, type Harness, startHarness, TRACE } from "./support/harness.ts";
import { type Ledger, startLedger } from "./support/ledger.ts";
import trips from "./support/trips.ts";

const usage = { inputTokens: 3, outputTokens: 2 };
let script: (request: ThinkRequest) => AgentMove;
let h: Harness;
let ledger: Ledger;
beforeAll(async () => {
  ledger = await startLedger();
  process.env["TEST_LEDGER_URL"] = ledger.url;
  const more = defineContracts((catalog) => {
    trips.register(catalog);
    deals.register(catalog);
    catalog.task({
      name: "note_with_care",
      description: "Write it down, on a queue of its own.",
      inputSchema: { type: "object" },
      policies: ["dealer"],
      queue: "high_risk_operations",
      steps: [],
      result: () => ({}),
    });
  });
  const think = async (request: ThinkRequest): Promise<Thought> => ({
    kind: "moved",
    usage,
    move: script(request),
  });
  h = await startHarness({ more: () => more, agent: { think } });
});
afterAll(async () => {
  await h.stop();
  await ledger.stop();
});

const idOf = (command: Command) => encodeId("command", command.commandId);
let made = 0;
const submit = async (taskName: string, payload: Record<string, unknown>) => {
  made += 1;
  const { command } = await h.concord.commands.submit({
    taskName,
    payload,
    principal: ANNA,
    ingress: "user_request",
    traceId: TRACE,
  });
  return command;
};
const turn = () =>
  submit("agent.turn", {
    agent_type: "buyer",
    instance_id: "i",
    session_id: "s",
    turn_id: `turn-${made}`,
    text: "buy",
    history: [],
  });
const buyThenSay =
  (amount: number): typeof script =>
  ({ stepIndex, stepKey }) =>
    stepIndex === 0
      ? {
          kind: "tool_calls",
          messageId: "m",
          calls: [
            {
              callId: "c",
              toolName: "buy",
              arguments: { order_id: stepKey, item: "desk", amount },
            },
          ],
        }
      : { kind: "final", messageId: "m", text: "done" };
const decide = async (command: Command, decision: "approved" | "rejected", traceId = TRACE) => {
  const { items } = await h.concord.approvals.list(FRED, {
    limit: 1,
    status: "pending",
    commandId: command.commandId,
  });
  const [approval] = items;
  if (approval === undefined) return undefined;
  const approvalId = encodeId("approval", approval.approvalId);
  await h.concord.approvals.resolve({
    approvalId,
    decision,
    principal: FRED,
    traceId,
    reason: `it is ${decision}`,
  });
  return approvalId;
};
const payloads = async (command: Command, type: string) =>
  (
    await h.rows<{ payload: Record<string, unknown>; actor: string }>(
      "SELECT payload, actor FROM concord.domain_events WHERE command_id = $1 AND event_type = $2 ORDER BY transaction_id, seq",
      [command.commandId, type],
    )
  ).map(({ payload, actor }) => ({ ...payload, actor }));

describe("what is told", () => {
  test("APR-16 X-18 who was asked, and who decided what and why, under the approval's id", async () => {
    for (const decision of ["approved", "rejected"] as const) {
      const { command } = await h.submit({ amount: 900 });
      const approvalId = await decide(command, decision);
      await h.settled(command);
      expect(await payloads(command, "approval_requested")).toMatchObject([
        { approval_id: approvalId, approver: "finance", approval_type: "purchase", actor: "anna" },
      ]);
      expect(await payloads(command, "approval_resolved")).toMatchObject([
        { approval_id: approvalId, decision, decided_by: "fred", reason: `it is ${decision}` },
      ]);
      const types = await h.eventTypes(command);
      for (const other of ["approval_granted", "approval_decided"]) {
        expect(types).not.toContain(other);
      }
    }
  });

  test("CAN-10 how it was stopped, why, by whom, and whether that counted", async () => {
    const { command } = await h.submit({ amount: 900 });
    await h.concord.commands.cancel(ANNA, idOf(command), "changed my mind");
    await h.concord.commands.cancel(ANNA, idOf(command), "still changed");
    const told = {
      cancellation_mode: "graceful",
      cancel_reason: "changed my mind",
      cancelled_by: "anna",
      actor: "anna",
    };
    expect(await payloads(command, "command_cancelled")).toEqual([
      { ...told, accepted: true },
      { ...told, cancel_reason: "still changed", accepted: false },
    ]);
    const trip = await submit("trip", { trip_id: "can-10" });
    await h.concord.commands.cancel(ANNA, idOf(trip), "no");
    expect(await payloads(trip, "command_cancelled")).toMatchObject([
      { cancellation_mode: "compensate_then_stop" },
    ]);
    await h.settled(trip);
  });

  test("X-10 QUE-3 the queue: what the task says, else that of connectors, else the ordinary one", async () => {
    script = buyThenSay(10);
    const commands = [
      await submit("note_with_care", {}),
      (await h.submit()).command,
      await submit("note", { item: "chair" }),
      await turn(),
    ];
    const queues = [];
    for (const one of commands) {
      await h.settled(one);
      const [told] = await payloads(one, "task_enqueued");
      const [run] = await h.rows<{ queue_name: string }>(
        "SELECT queue_name FROM dbos.workflow_status WHERE workflow_uuid = $1",
        [`command:${idOf(one)}`],
      );
      expect(told).toMatchObject({ queue: run?.queue_name });
      queues.push(run?.queue_name);
    }
    expect(queues).toEqual([
      "high_risk_operations",
      "connector_calls",
      "concord_default",
      "agent_runs",
    ]);
  });

  test("AUD-9 three feeds by purpose: what agents did step by step, what was made, and what is audited", async () => {
    script = buyThenSay(10);
    const command = await turn();
    await h.settled(command);
    const feed = async (purpose: (typeof EVENT_PURPOSES)[number]) => {
      const { items } = await h.concord.record(ANNA, { limit: 200, purpose });
      expect(items.every((one) => one.purpose === purpose)).toBe(true);
      // Newest first.
      return [...items].reverse();
    };
    const mine = (await feed("agent_step")).filter((one) => one.commandId === command.commandId);
    expect(mine.map((one) => one.eventType)).toEqual([
      "agent_started",
      "tool_call_proposed",
      "agent_completed",
    ]);
    const steps = mine.flatMap((one) => (one.stepIndex === undefined ? [] : [one.stepIndex]));
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    const product = new Set((await feed("event")).map((one) => one.eventType));
    expect([...product]).toEqual(["artifact_created"]);
    const audited = new Set((await feed("audit")).map((one) => one.eventType));
    for (const type of ["command_created", "policy_evaluated", "state_transitioned"]) {
      expect(audited).toContain(type);
    }
  });

  test("AUD-12 a credential that somebody typed reaches no event, wherever it was typed; what ran is unchanged", async () => {
    const token = `ghp_${"a1B2".repeat(8)}`;
    const text = `use ${token} for it`;
    script = ({ stepIndex, stepKey }) =>
      stepIndex === 0
        ? {
            kind: "tool_calls",
            messageId: "m",
            calls: [
              {
                callId: "c",
                toolName: "buy",
                arguments: { order_id: stepKey, item: text, amount: 900 },
              },
              { callId: "d", toolName: "unheard", arguments: { password: "swordfish-1" } },
            ],
          }
        : { kind: "final", messageId: "m", text };
    const command = await turn();
    await expect
      .poll(async () => decide(command, "approved"), { timeout: 20_000 })
      .toMatch(/^appr_/);
    const done = await h.settled(command);
    expect(done.result).toMatchObject({ text });
    const stopped = (await h.submit({ amount: 900, item: text })).command;
    await h.concord.commands.cancel(ANNA, idOf(stopped), text);
    await submit(text, {}).catch(() => undefined);
    await submit("note", { item: 7 }).catch(() => undefined);
    for (const secret of [token, "swordfish-1"]) {
      const found = await h.rows(
        "SELECT event_type FROM concord.domain_events e WHERE strpos(e::text, $1) > 0",
        [secret],
      );
      expect(found).toEqual([]);
    }
    const told = await payloads(stopped, "command_cancelled");
    expect(told).toMatchObject([{ cancel_reason: "use [redacted] for it" }]);
    expect([...h.vendor.purchases.values()].some((one) => one.item === text)).toBe(true);
  });

  test("AUD-11 CMD-3 all of one request has one trace: child, calls, events and questions; the decision has its own", async () => {
    script = buyThenSay(900);
    const command = await turn();
    await expect
      .poll(async () => decide(command, "approved", "f".repeat(32)), { timeout: 20_000 })
      .toMatch(/^appr_/);
    expect((await h.settled(command)).status).toBe("succeeded");
    const traces = await h.rows(
      `SELECT DISTINCT trace_id FROM (
         SELECT trace_id FROM concord.commands WHERE root_command_id = $1
         UNION ALL SELECT trace_id FROM concord.domain_events WHERE root_command_id = $1
         UNION ALL SELECT i.trace_id FROM concord.connector_invocations i JOIN concord.commands USING (command_id)
           WHERE root_command_id = $1) all_of_it`,
      [command.commandId],
    );
    expect(traces).toEqual([{ trace_id: TRACE }]);
    const children = await h.rows<{ task_name: string; parent: string; steps: string }>(
      "SELECT task_name, parent_command_id AS parent, plan->'steps'->0->>'functionName' AS steps FROM concord.commands WHERE parent_command_id = $1",
      [command.commandId],
    );
    expect(children).toEqual([{ task_name: "buy", parent: command.commandId, steps: "shop.buy" }]);
    const decided = await h.rows(
      "SELECT DISTINCT trace_id FROM concord.commands WHERE command_type = 'resolve_approval' AND trace_id <> $1",
      [TRACE],
    );
    expect(decided).toEqual([{ trace_id: "f".repeat(32) }]);
  });
});

describe("which words", () => {
  /** The types that the event feed's document promises. */
  const documented = () => {
    const text = readFileSync(new URL("../../../docs/wire.md", import.meta.url), "utf8");
    const [, table = ""] = text.split("| `event_type`");
    const rows = table.split("\n\n")[0] ?? "";
    return [...rows.matchAll(/^\| ((?:`[a-z_]+`[ ,…·/]*)+)/gm)].flatMap(([, cell = ""]) =>
      [...cell.matchAll(/`([a-z_]+)`/g)].map(([, type = ""]) => type),
    );
  };

  test("AUD-7 V-27 X-22 X-50 whatever happened, the record has business words only, each documented", async () => {
    h.vendor.faults.push("error_before", "drop_after");
    const retried = (await h.submit()).command;
    expect((await h.settled(retried)).status).toBe("succeeded");
    expect((await h.effects(retried))[0]?.attempts).toBeGreaterThan(1);
    const waiting = (await h.submit({ amount: 900 })).command;
    await h.restart();
    await decide(waiting, "approved");
    expect((await h.settled(waiting)).status).toBe("succeeded");
    const trip = await h.settled(await submit("trip", { trip_id: "words" }));
    await h.concord.commands.cancel(ANNA, idOf(trip), "back");
    await expect
      .poll(async () => (await h.concord.commands.get(ANNA, idOf(trip))).status, {
        timeout: 20_000,
      })
      .toBe("cancelled");
    const told = (
      await h.rows<{ event_type: string }>("SELECT DISTINCT event_type FROM concord.domain_events")
    ).map((row) => row.event_type);
    expect(told.length).toBeGreaterThan(15);
    expect(told.filter((type) => !/^[a-z]+(_[a-z]+)*$/.test(type))).toEqual([]);
    expect(told.filter((type) => !documented().includes(type))).toEqual([]);
    for (const type of ["task_enqueued", "task_started", "task_succeeded", "task_failed"]) {
      expect(told).toContain(type);
    }
    // What an engine does by itself is not business: taking work, trying again, saving where it is, being alive.
    const mechanics = /lease|claim|retr(y|ied)|poll|checkpoint|heartbeat|recover|resum|worker/;
    expect(told.filter((type) => mechanics.test(type))).toEqual([]);
  });
});

describe("without it", () => {
  test("AUD-6 with every event gone, commands are what their rows say and go on as before", async () => {
    const waiting = (await h.submit({ amount: 900 })).command;
    const done = await h.settled((await h.submit()).command);
    const seen = async () => ({
      all: (await h.concord.commands.list(ANNA, { limit: 200 })).items.map((one) => [
        one.commandId,
        one.status,
      ]),
      why: (await h.concord.explain(ANNA, idOf(waiting))).reasons.map((one) => one.kind),
      pending: (await h.concord.approvals.list(FRED, { limit: 50, status: "pending" })).items
        .length,
    });
    const before = await seen();
    await h.pool.query(`ALTER TABLE concord.domain_events DISABLE TRIGGER USER;
      DELETE FROM concord.domain_events;
      ALTER TABLE concord.domain_events ENABLE TRIGGER USER`);
    expect(await h.eventTypes(done)).toEqual([]);
    expect(await seen()).toEqual(before);
    await h.restart();
    await decide(waiting, "approved");
    expect((await h.settled(waiting)).status).toBe("succeeded");
    const trip = await h.settled(await submit("trip_standing", { trip_id: "without" }));
    expect(trip.status).toBe("succeeded");
  });
});
