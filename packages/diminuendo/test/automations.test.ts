/** Automations through the real gateway: definitions, runs as the owner, inbox, rights, kills. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runOfTick, turnOf } from "../src/automations/core/ids.ts";
import type { Automation } from "../src/protocol/index.ts";
import {
  briefing,
  ended,
  HOURLY,
  inbox,
  make,
  registryOf,
  runNow,
  runsOf,
  setDue,
  until,
} from "./support/automation-client.ts";
import { TOKENS, World } from "./support/gateway-process.ts";
import { TestClient } from "./support/test-client.ts";

// Other work may share the machine.
setDefaultTimeout(180_000);

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.stop());

const makeDue = (automationId: string, dueAt: number) => setDue(world.dataDir, automationId, dueAt);
const registry = <A>(use: (database: Database) => A): A => registryOf(world.dataDir, use);

describe("a run", () => {
  test("is the owner's turn in a session of its own, and its end is in the owner's inbox", async () => {
    const gateway = await world.start();
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const bob = await TestClient.as(gateway.port, TOKENS.bob);
    const { automationId, nextDueAt } = await make(ann, briefing("Tell of {{automation}}."));
    expect(nextDueAt).toBeGreaterThan(0);
    const asked = await runNow(ann, automationId, "now");
    expect((await runNow(ann, automationId, "now")).runId).toBe(asked.runId);
    const [run] = await ended(ann, automationId);
    expect(run).toMatchObject({
      runId: asked.runId,
      cause: "manual",
      status: "succeeded",
      summary: "Hello there.",
      turnId: turnOf(asked.runId, 1),
      commandId: `cmd_${turnOf(asked.runId, 1)}`,
      error: null,
    });
    const turn = world.podium.turns.get(String(run?.turnId));
    expect(turn).toMatchObject({ text: "Tell of Briefing.", user: "ann" });
    expect(world.podium.turns.size).toBe(1);
    const log = await ann.storedLog(String(run?.sessionId));
    expect(log.find(({ type }) => type === "user_message")).toMatchObject({
      userId: "ann",
      automation: { automationId, runId: asked.runId },
    });
    const { items, unread } = await inbox(ann);
    expect(unread).toBe(1);
    expect(items).toMatchObject([
      { kind: "result", title: "Briefing has finished", summary: "Hello there.", state: "unread" },
    ]);
    expect((await inbox(bob)).items).toEqual([]);
    // Others of the tenant hear of the automation and its run, not what is in the inbox.
    expect(bob.has("automation_run")).toBe(true);
    expect(bob.events.find(({ type }) => type === "inbox_changed")).toEqual({
      type: "inbox_changed",
      userId: "ann",
      itemId: items[0]?.itemId ?? "",
    });
  });

  test("in the main session waits for the open turn, and its result is told to another session once", async () => {
    const gateway = await world.start();
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const [main, other] = [await ann.newSession(), await ann.newSession()];
    const { turnId } = await ann.ask({ type: "run_turn", sessionId: main, text: "hold on" });
    const execution = { mode: "main", sessionId: main };
    const delivery = { inbox: "problems", sessionId: other };
    const { automationId } = await make(ann, briefing("Hello.", { execution, delivery }));
    await runNow(ann, automationId);
    await ann.until(() => ann.log(main).some((e) => e.type === "turn_queued"));
    world.podium.finish(String(turnId));
    await ended(ann, automationId);
    await ann.until(() => ann.log(other).some((e) => e.type === "automation_result"));
    expect(ann.log(other).filter((e) => e.type === "automation_result")).toMatchObject([
      { automationId, name: "Briefing", status: "succeeded", summary: "Hello there.", ranIn: main },
    ]);
    expect((await inbox(ann)).items).toEqual([]);
  });

  test("that fails is tried again, then told, and the automation pauses itself", async () => {
    const gateway = await world.start();
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const change = { retries: { max: 1, backoffSeconds: 1 }, limits: { failuresInARow: 1 } };
    const { automationId } = await make(ann, briefing("fail now", change));
    const { runId } = await runNow(ann, automationId);
    const [run] = await ended(ann, automationId);
    expect(run).toMatchObject({
      status: "failed",
      attempt: 2,
      error: { code: "agent_failed", message: "It broke." },
    });
    expect([...world.podium.turns.keys()]).toEqual([turnOf(runId, 1), turnOf(runId, 2)]);
    const { items } = await inbox(ann);
    expect(items.map(({ kind, title }) => [kind, title])).toEqual([
      ["attention", "Briefing has paused itself"],
      ["failure", "Briefing has failed"],
    ]);
    const told = await ann.ask({ type: "get_automation", automationId });
    expect(told["automation"]).toMatchObject({ paused: "failures", nextDueAt: null });
    const log = await ann.ask({ type: "get_automation_log", automationId });
    const entries = log["entries"] as { action: string; actor: string }[];
    expect(entries.map(({ action, actor }) => [action, actor])).toEqual([
      ["paused_itself", "system:automations"],
      ["triggered", "ann"],
      ["created", "ann"],
    ]);
  });

  test("that waits for a decision asks for attention, and goes on", async () => {
    const gateway = await world.start();
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const { automationId } = await make(ann, briefing("approve this"));
    const { runId } = await runNow(ann, automationId);
    const run = await until("the run to wait", async () =>
      (await runsOf(ann, automationId)).find(({ status }) => status === "waiting"),
    );
    expect((await inbox(ann)).items).toMatchObject([{ kind: "attention", state: "unread" }]);
    await ann.ask({
      type: "answer_question",
      sessionId: String(run.sessionId),
      requestId: `appr_${turnOf(runId, 1)}`,
      answers: { decision: "approved" },
    });
    const [over] = await ended(ann, automationId);
    expect(over).toMatchObject({ status: "succeeded", summary: "Booked." });
    expect((await inbox(ann)).items).toMatchObject([{ kind: "result", state: "unread" }]);
  });

  test("without credits fails clearly, at once, and has put nothing aside", async () => {
    const file = join(world.dataDir, "prices.json");
    const price = { inputPer1000: 1_000, outputPer1000: 2_000, reserve: 100 };
    writeFileSync(file, JSON.stringify({ grant: 50, default: price, agentTypes: {} }));
    const gateway = await world.start(`--price-table=${file}`);
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const { automationId } = await make(ann, briefing("Hello.", { retries: { max: 5 } }));
    await runNow(ann, automationId);
    const [run] = await ended(ann, automationId);
    expect(run).toMatchObject({ status: "failed", attempt: 1, turnId: null });
    expect(run?.error).toMatchObject({ code: "InsufficientCredits" });
    expect(run?.error?.message).toContain("top them up");
    expect(world.podium.turns.size).toBe(0);
  });

  test("of somebody who was removed does not run, and a changed role counts at once", async () => {
    const gateway = await world.start();
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const bob = await TestClient.as(gateway.port, TOKENS.bob);
    const members = (change: object) => ann.ask({ type: "manage_members", change } as never);
    const { automationId } = await make(bob, briefing("Hello."));
    await members({ action: "set_role", userId: "bob", role: "viewer" });
    await runNow(ann, automationId);
    expect((await ended(ann, automationId))[0]?.error).toMatchObject({ code: "PermissionDenied" });
    await members({ action: "remove", userId: "bob" });
    await runNow(ann, automationId);
    expect((await ended(ann, automationId, 2))[0]?.error).toMatchObject({ code: "OwnerGone" });
    expect(world.podium.turns.size).toBe(0);
    const told = await ann.ask({ type: "get_automation", automationId });
    expect(told["automation"]).toMatchObject({ paused: "owner" });
  });
});

describe("a tick", () => {
  test("that was missed while nobody was there runs once after the start, and not after the next", async () => {
    let gateway = await world.start();
    let ann = await TestClient.as(gateway.port, TOKENS.ann);
    const { automationId } = await make(
      ann,
      briefing("Hello, due {{due_at}}.", { schedule: HOURLY }),
    );
    await gateway.terminate();
    const dueAt = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 7_200_000;
    makeDue(automationId, dueAt);
    gateway = await world.start();
    ann = await TestClient.as(gateway.port, TOKENS.ann);
    const runs = await ended(ann, automationId, 2);
    // One makes up for all; the others are counted.
    expect(runs.map(({ status }) => status)).toEqual(["succeeded", "missed"]);
    const last = runs[0]?.dueAt ?? 0;
    expect(runs[1]).toMatchObject({ dueAt, missed: { count: (last - dueAt) / 3_600_000 } });
    expect(runs[0]?.runId).toBe(runOfTick(automationId, last));
    await gateway.terminate();
    gateway = await world.start();
    ann = await TestClient.as(gateway.port, TOKENS.ann);
    await ann.ask({ type: "ping" });
    expect(await runsOf(ann, automationId)).toEqual(runs);
    expect(world.podium.turns.size).toBe(1);
  });

  test("a kill between the submission and its record is no second run", async () => {
    let gateway = await world.start();
    let ann = await TestClient.as(gateway.port, TOKENS.ann);
    const { automationId } = await make(ann, briefing("hold on"));
    const { runId } = await runNow(ann, automationId);
    const turnId = turnOf(runId, 1);
    await until("the turn", async () => world.podium.turns.get(turnId));
    await gateway.kill();
    // What a kill leaves that comes after the turn was accepted and before the run says so.
    registry((database) =>
      database
        .query(
          `UPDATE automation_runs SET status = 'due', session_id = NULL, turn_id = NULL, started_at = NULL
           WHERE run_id = ?`,
        )
        .run(runId),
    );
    gateway = await world.start();
    ann = await TestClient.as(gateway.port, TOKENS.ann);
    const run = await until("the run to be recorded", async () =>
      (await runsOf(ann, automationId)).find(({ status }) => status === "running"),
    );
    expect(run.turnId).toBe(turnId);
    world.podium.finish(turnId);
    await ended(ann, automationId);
    expect([...world.podium.turns.keys()]).toEqual([turnId]);
    const { sessions } = (await ann.ask({ type: "list_sessions" })) as unknown as {
      sessions: unknown[];
    };
    expect(sessions).toHaveLength(1);
  });

  test("SIGKILL at any moment of a run: one turn, one end, one word in the inbox, one reservation", async () => {
    let gateway = await world.start();
    let ann = await TestClient.as(gateway.port, TOKENS.ann);
    const other = await ann.newSession();
    const delivery = { inbox: "always", sessionId: other };
    const { automationId } = await make(ann, briefing("stream 200", { delivery }));
    for (const [index, killAfterMs] of [0, 4, 9, 15, 30, 60, 120, 240].entries()) {
      const { runId } = await runNow(ann, automationId, `key-${index}`);
      await Bun.sleep(killAfterMs);
      await gateway.kill();
      gateway = await world.start();
      ann = await TestClient.as(gateway.port, TOKENS.ann);
      await runNow(ann, automationId, `key-${index}`);
      const runs = await ended(ann, automationId, index + 1);
      expect(runs).toHaveLength(index + 1);
      expect(runs[0]).toMatchObject({ runId, status: "succeeded", attempt: 1 });
    }
    expect(world.podium.turns.size).toBe(8);
    expect((await inbox(ann)).items).toHaveLength(8);
    const told = (await ann.storedLog(other)).filter((e) => e.type === "automation_result");
    expect(told).toHaveLength(8);
    const open = registry((database) =>
      database.query("SELECT count(*) AS n FROM reservations WHERE closed_at IS NULL").get(),
    );
    expect(open).toEqual({ n: 0 });
  });
});

describe("an automation", () => {
  test("that makes no sense is refused with every problem, and kept is nothing", async () => {
    const gateway = await world.start();
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const definition = { name: "", schedule: { kind: "cron", cron: "x" }, execution: {} };
    const answer = await ann.ask({ type: "create_automation", definition });
    expect(answer).toMatchObject({ type: "error", code: "InvalidAutomation" });
    const problems = answer["problems"] as { path: string }[];
    expect(problems.map(({ path }) => path).toSorted()).toEqual([
      "execution.mode",
      "execution.sessionId",
      "name",
      "prompt",
      "schedule.cron",
    ]);
    const unknown = briefing("p", { execution: { mode: "main", sessionId: "sess_none" } });
    expect(await ann.ask({ type: "preview_automation", definition: unknown })).toMatchObject({
      code: "InvalidAutomation",
      problems: [{ path: "execution.sessionId" }],
    });
    expect((await ann.ask({ type: "list_automations" }))["automations"]).toEqual([]);
    const preview = await ann.ask({ type: "preview_automation", definition: briefing("p") });
    expect(preview["dueAt"]).toHaveLength(5);
  });

  test("is created once per key, changed from its newest version only, paused, resumed, deleted", async () => {
    const gateway = await world.start();
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const create = {
      type: "create_automation",
      definition: briefing("p"),
      idempotencyKey: "k",
    } as const;
    const first = (await ann.ask(create))["automation"] as Automation;
    const { automationId } = first;
    expect((await ann.ask(create))["automation"]).toEqual(first);
    const other = { ...create, definition: briefing("q") };
    expect(await ann.ask(other)).toMatchObject({ code: "IdempotencyConflict" });
    const update = { type: "update_automation", automationId, definition: briefing("q") } as const;
    const second = (await ann.ask({ ...update, version: 1 }))["automation"] as Automation;
    expect(second).toMatchObject({ version: 2, definition: { prompt: "q" } });
    expect(await ann.ask({ ...update, version: 1 })).toMatchObject({ code: "AutomationConflict" });
    const control = (action: "pause" | "resume") =>
      ann.ask({ type: "control_automation", automationId, action });
    expect((await control("pause"))["automation"]).toMatchObject({
      paused: "person",
      nextDueAt: null,
    });
    expect((await control("resume"))["automation"]).toMatchObject({ paused: null });
    const gone = await ann.ask({ type: "delete_automation", automationId });
    expect(gone).toMatchObject({ type: "automation_deleted", automationId });
    expect(await ann.ask({ type: "get_automation", automationId })).toMatchObject({
      code: "AutomationNotFound",
    });
    const log = await ann.ask({ type: "get_automation_log", automationId });
    expect((log["entries"] as { action: string }[]).map(({ action }) => action)).toEqual([
      "deleted",
      "resumed",
      "paused",
      "updated",
      "created",
    ]);
    const database = new Database(join(world.dataDir, "tenants/acme/registry.db"));
    for (const sql of ["DELETE FROM automation_log", "UPDATE automation_log SET actor = 'x'"]) {
      expect(() => database.run(sql)).toThrow("only added to");
    }
    database.close();
  });

  test("D3 is seen by its tenant, changed by its owner or a manager, who then answers for it", async () => {
    const gateway = await world.start();
    const as = (token: string) => TestClient.as(gateway.port, token);
    const [ann, bob, vic, eve] = [
      await as(TOKENS.ann),
      await as(TOKENS.bob),
      await as(TOKENS.viewer),
      await as(TOKENS.eve),
    ];
    const denied = { code: "PermissionDenied" };
    const create = { type: "create_automation", definition: briefing("p") } as const;
    expect(await vic.ask(create)).toMatchObject(denied);
    const { automationId } = await make(ann, briefing("p"));
    expect((await vic.ask({ type: "list_automations" }))["automations"]).toHaveLength(1);
    expect((await eve.ask({ type: "list_automations" }))["automations"]).toEqual([]);
    const change = { automationId, definition: briefing("mine now"), version: 1 };
    expect(await bob.ask({ type: "update_automation", ...change })).toMatchObject(denied);
    for (const action of ["pause", "run"] as const) {
      const control = { type: "control_automation", automationId, action } as const;
      expect(await bob.ask(control)).toMatchObject(denied);
      expect(await eve.ask(control)).toMatchObject({ code: "AutomationNotFound" });
    }
    expect(await bob.ask({ type: "delete_automation", automationId })).toMatchObject(denied);
    expect(await bob.ask({ type: "list_inbox", of: "tenant" })).toMatchObject(denied);
    const mine = await make(bob, briefing("bob's"));
    const taken = await ann.ask({
      type: "update_automation",
      automationId: mine.automationId,
      definition: briefing("ann's"),
      version: 1,
    });
    expect(taken["automation"]).toMatchObject({ ownerId: "ann" });
    expect(eve.events.filter(({ type }) => type.startsWith("automation"))).toMatchObject([
      { type: "automation_list" },
    ]);
  });
});

// What HTTP answers is looked at field by field.
// biome-ignore lint/suspicious/noExplicitAny: the tests below are the check
type Json = any;

describe("the inbox and HTTP", () => {
  test("items are read, snoozed, done and retried; pages go on where they ended", async () => {
    const gateway = await world.start();
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const bob = await TestClient.as(gateway.port, TOKENS.bob);
    const { automationId } = await make(ann, briefing("fail now"));
    for (let count = 1; count <= 3; count += 1) {
      await runNow(ann, automationId);
      await ended(ann, automationId, count);
    }
    const first = await inbox(ann, { limit: 2 });
    const second = await inbox(ann, { limit: 2, cursor: first.cursor });
    expect([first.items.length, second.items.length, second.cursor]).toEqual([2, 1, undefined]);
    const [a, b, c] = [...first.items, ...second.items].map(({ itemId }) => itemId);
    const triage = (itemId = "", action: string, more: object = {}) =>
      ann.ask({ type: "triage_inbox", itemId, action, ...more } as never);
    expect(await bob.ask({ type: "triage_inbox", itemId: a ?? "", action: "read" })).toMatchObject({
      code: "InboxItemNotFound",
    });
    expect((await triage(a, "read"))["item"]).toMatchObject({ state: "read" });
    expect(await triage(b, "snooze")).toMatchObject({ code: "INVALID_MESSAGE" });
    const until = Date.now() + 3_600_000;
    expect((await triage(b, "snooze", { until }))["item"]).toMatchObject({ snoozedUntil: until });
    expect((await triage(c, "retry"))["run"]).toMatchObject({ cause: "again" });
    await ended(ann, automationId, 4);
    const view = async (name: string) => (await inbox(ann, { view: name })).items.length;
    expect([
      await view("open"),
      await view("snoozed"),
      await view("done"),
      await view("all"),
    ]).toEqual([2, 1, 1, 4]);
    expect((await inbox(ann)).unread).toBe(1);
  });

  test("every message has its route", async () => {
    const gateway = await world.start();
    const http = async (
      method: string,
      path: string,
      body?: object,
      token: string = TOKENS.ann,
    ) => {
      const response = await fetch(`${gateway.url}/api/${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as Json };
    };
    await http("GET", "threads", undefined, TOKENS.bob);
    const made = await http("POST", "automations", {
      definition: briefing("Hello."),
      idempotencyKey: "k",
    });
    expect(made).toMatchObject({ status: 201, body: { version: 1, ownerId: "ann" } });
    const at = `automations/${made.body.automationId}`;
    expect(await http("GET", "automations")).toMatchObject({ body: { items: [made.body] } });
    expect(await http("GET", at)).toMatchObject({ status: 200, body: made.body });
    const bad = await http("POST", "automations", { definition: {} });
    expect(bad).toMatchObject({ status: 400, body: { error: { code: "InvalidAutomation" } } });
    expect(bad.body.error.details.problems.length).toBeGreaterThan(2);
    const change = { definition: briefing("Bye."), version: 1 };
    expect(await http("PATCH", at, change)).toMatchObject({ status: 200, body: { version: 2 } });
    expect(await http("PATCH", at, change)).toMatchObject({ status: 409 });
    expect(await http("POST", `${at}/pause`, {})).toMatchObject({ body: { paused: "person" } });
    expect(await http("POST", `${at}/resume`, {})).toMatchObject({ body: { paused: null } });
    expect(await http("POST", `${at}/run`, {})).toMatchObject({
      status: 202,
      body: { cause: "manual" },
    });
    const run = await until("the run to end", async () => {
      const { body } = await http("GET", `${at}/runs?status=succeeded`);
      return body.items[0];
    });
    expect(run).toMatchObject({ summary: "Hello there." });
    expect((await http("GET", "automations/runs")).body.items).toHaveLength(1);
    expect((await http("GET", "automations/log")).body.items).toHaveLength(5);
    const { body: box } = await http("GET", "inbox");
    expect(box).toMatchObject({ unread: 1, nextCursor: null });
    const item = `inbox/${box.items[0].itemId}`;
    expect(await http("POST", item, { action: "done" })).toMatchObject({ body: { state: "done" } });
    const preview = await http("POST", "automations/preview", { definition: briefing("p") });
    expect(preview.body.dueAt).toHaveLength(5);
    expect(await http("POST", `${at}/pause`, {}, TOKENS.viewer)).toMatchObject({ status: 403 });
    expect(await http("DELETE", at)).toMatchObject({ status: 200 });
    expect(await http("GET", at)).toMatchObject({ status: 404 });
  });
});
