/**
 * An automation over every process: a tick becomes a governed command in its owner's name, waits for the person whom the
 * policy wants, acts once, and its end is in the owner's inbox.
 */
import { expect, test } from "bun:test";
import { DiminuendoClient } from "@concert/sdk";
import { concordOf, itemsOf } from "./support/concord.ts";
import { REQUEST, recordOf } from "./support/journey.ts";
import { Scene } from "./support/scene.ts";
import { eventually, TEST_TIMEOUT_MS } from "./support/stack.ts";
import { vendorOf } from "./support/vendor.ts";

const scene = new Scene();

type Run = Readonly<Record<string, unknown>> & { readonly status: string };

const POLITELY = { everyMs: 500, timeoutMs: 120_000 };

async function make(schedule: object, prompt: string): Promise<string> {
  const execution = { mode: "isolated", agentType: "concierge" };
  const definition = { name: "Travel", schedule, prompt, execution };
  const made = await scene.witness.ask({ type: "create_automation", definition });
  expect(made.type).toBe("automation");
  return (made["automation"] as { automationId: string }).automationId;
}

const runOf = (automationId: string, status: string) =>
  eventually(
    `a run to be ${status}`,
    async () => {
      const answer = await scene.witness.askPatiently({
        type: "list_automation_runs",
        automationId,
      });
      return (answer["runs"] as readonly Run[]).find((run) => run.status === status);
    },
    POLITELY,
  );

test(
  "a run books what it was told to, once, after its owner has approved, though the gateway dies meanwhile",
  async () => {
    const automationId = await make({ kind: "cron", cron: "0 9 1 1 *" }, REQUEST);
    const control = { type: "control_automation", automationId, action: "run" };
    await scene.witness.ask({ ...control, idempotencyKey: "once" });
    await scene.stack.kill("diminuendo");
    await scene.stack.waitHealthy("diminuendo");
    await scene.witness.reconnected(2);
    await scene.witness.askPatiently({ ...control, idempotencyKey: "once" });
    const waiting = await runOf(automationId, "waiting");
    expect(await vendorOf(scene.stack).bookings()).toEqual([]);
    const inbox = await scene.witness.askPatiently({ type: "list_inbox" });
    expect(inbox["items"]).toMatchObject([{ kind: "attention", state: "unread" }]);

    const log = await scene.witness.readLog(String(waiting["sessionId"]));
    const asked = log.find(({ type }) => type === "permission_requested");
    await scene.witness.answer(
      String(waiting["sessionId"]),
      String(asked?.["requestId"]),
      "approved",
    );
    const run = await runOf(automationId, "succeeded");
    const bookings = await vendorOf(scene.stack).bookings();
    expect(bookings.map(({ status }) => status)).toEqual(["confirmed"]);
    expect(String(run["summary"])).toContain(bookings[0]?.confirmation_code ?? "a code");
    expect(Number(run["microcredits"])).toBeGreaterThan(0);

    const { userId, tenantId, roles } = scene.witness.identity;
    const owner = { user: userId, tenant: tenantId, roles, permissions: [] };
    const commands = await concordOf(scene.stack, owner)("/commands?ingress=scheduled_trigger");
    expect(itemsOf(commands)).toMatchObject([
      {
        command_id: run["commandId"],
        task_name: "agent.turn",
        requested_by: userId,
        idempotency_key: `turn:${run["turnId"]}`,
      },
    ]);
    const kinds = (await recordOf(scene.stack, String(run["commandId"]))).map(({ kind }) => kind);
    for (const kind of ["status", "policy", "approval", "effect"]) expect(kinds).toContain(kind);
    const end = await scene.witness.askPatiently({ type: "list_inbox" });
    expect(end["items"]).toMatchObject([{ kind: "result", title: "Travel has finished" }]);
  },
  TEST_TIMEOUT_MS,
);

test(
  "a run made from a blueprint uses its tools alone, and its end is told to a person by a governed task of Concord",
  async () => {
    const { userId, tenantId, roles } = scene.witness.identity;
    const payload = { recipient: userId, title: "{{automation}}", body: "{{status}}: {{summary}}" };
    const delivery = { inbox: "never", task: { name: "tell_person", payload } };
    const blueprint = { name: "Told", template: { delivery, tools: ["hotel_search"] } };
    const made = await scene.witness.ask({ type: "create_blueprint", blueprint });
    const { blueprintId } = made["blueprint"] as { blueprintId: string };
    const definition = {
      name: "Lisbon",
      schedule: { kind: "cron", cron: "0 9 1 1 *" },
      prompt: REQUEST,
      execution: { mode: "isolated", agentType: "concierge" },
    };
    const created = await scene.witness.ask({ type: "create_automation", blueprintId, definition });
    const { automationId } = created["automation"] as { automationId: string };
    await scene.witness.ask({ type: "control_automation", automationId, action: "run" });
    const run = await runOf(automationId, "succeeded");
    // It may search and nothing else: no draft, no booking, whatever the prompt asks for.
    const log = await scene.witness.readLog(String(run["sessionId"]));
    const called = log.filter(({ type }) => type === "tool_call").map(({ toolName }) => toolName);
    expect(called[0]).toBe("hotel_search");
    expect(log.filter(({ type }) => type === "tool_command")).toHaveLength(1);
    const delivered = await eventually(
      "the task to be taken",
      async () => {
        const answer = await scene.witness.askPatiently({
          type: "list_automation_deliveries",
          automationId,
        });
        const [one] = answer["deliveries"] as readonly Record<string, unknown>[];
        return one?.["status"] === "delivered" ? one : undefined;
      },
      POLITELY,
    );
    const owner = { user: userId, tenant: tenantId, roles, permissions: [] };
    const told = await eventually(
      "the notification",
      async () => itemsOf(await concordOf(scene.stack, owner)("/notifications"))[0],
      POLITELY,
    );
    expect(told).toMatchObject({ title: "Lisbon", body: `succeeded: ${run["summary"]}` });
    const kinds = (await recordOf(scene.stack, String(delivered["commandId"]))).map(
      ({ kind }) => kind,
    );
    for (const kind of ["status", "policy", "effect"]) expect(kinds).toContain(kind);
  },
  TEST_TIMEOUT_MS,
);

test(
  "a heartbeat comes by itself, and its run is a command",
  async () => {
    const prompt = "Which hotels do you know in Lisbon from 3 to 5 March for 2 guests?";
    const automationId = await make({ kind: "heartbeat", everyMinutes: 1 }, prompt);
    const run = await runOf(automationId, "succeeded");
    expect(run).toMatchObject({ cause: "tick", attempt: 1, error: null });
    expect(String(run["commandId"])).toStartWith("cmd_");
    await scene.witness.askPatiently({ type: "delete_automation", automationId });
  },
  TEST_TIMEOUT_MS,
);

test(
  "a program makes one, hears of its run and its inbox, and is told what is wrong with another",
  async () => {
    const client = new DiminuendoClient({
      url: `${scene.stack.urls.diminuendo.replace("http", "ws")}/ws`,
    });
    await client.connect();
    const { automations } = client;
    const heard: string[] = [];
    client.on("automationRunUpdated", ({ status }) => heard.push(status));
    const told = new Promise<string>((resolve) => {
      client.on("inboxChanged", ({ itemId }) => resolve(itemId));
    });
    const definition = {
      name: "Hotels",
      schedule: { kind: "cron", cron: "0 9 1 1 *" },
      prompt: "Which hotels do you know in Lisbon from 3 to 5 March for 2 guests?",
      execution: { mode: "isolated", agentType: "concierge" },
    } as const;
    const { automationId, version } = await automations.create(definition);
    const { runId } = await automations.run(automationId);
    const itemId = await told;
    const { items, unread } = await automations.inbox();
    expect(items.find((item) => item.itemId === itemId)).toMatchObject({ kind: "result", runId });
    expect(unread).toBeGreaterThan(0);
    expect(await automations.triage(itemId, "done")).toMatchObject({ state: "done" });
    expect(heard).toContain("running");
    expect(heard.at(-1)).toBe("succeeded");
    expect((await automations.runs({ automationId })).items).toMatchObject([{ runId }]);
    const changed = { ...definition, name: "Other hotels", retries: { max: 1 } };
    expect(await automations.update(automationId, version, changed)).toMatchObject({ version: 2 });
    const wrong = { ...changed, schedule: { kind: "cron", cron: "never" } } as const;
    const refused = await automations.preview(wrong).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: "InvalidAutomation",
      problems: [{ path: "schedule.cron" }],
    });
    const task = { name: "tell_person", payload: { recipient: "x", title: "t", body: "b" } };
    const template = { ...definition, prompt: "Which hotels in {{city}}?", delivery: { task } };
    const blueprint = await automations.createBlueprint({ name: "Hotels anywhere", template });
    expect(blueprint).toMatchObject({ version: 1, needs: ["city"] });
    const { blueprintId } = blueprint;
    const ours = await automations.createFrom(blueprintId, { variables: { city: "Porto" } });
    expect(ours.definition).toMatchObject({ name: "Hotels", delivery: { task } });
    await automations.delete(ours.automationId);
    const renamed = { name: "Hotels", template };
    expect(await automations.updateBlueprint(blueprintId, 1, renamed)).toMatchObject({
      version: 2,
    });
    expect(await automations.blueprint(blueprintId)).toMatchObject({ name: "Hotels" });
    await automations.deleteBlueprint(blueprintId);
    expect((await automations.blueprints()).items).not.toContainEqual(
      expect.objectContaining({ blueprintId }),
    );
    const [delivery] = (await automations.deliveries({ status: "delivered" })).items;
    if (delivery === undefined) throw new Error("an earlier test has had a task delivered");
    expect(await automations.redeliver(delivery.deliveryId)).toMatchObject({ status: "pending" });
    expect(await automations.pause(automationId)).toMatchObject({ paused: "person" });
    await automations.delete(automationId);
    const actions = (await automations.log({ automationId })).items.map(({ action }) => action);
    expect(actions).toEqual(["deleted", "paused", "updated", "triggered", "created"]);
    client.disconnect();
  },
  TEST_TIMEOUT_MS,
);
