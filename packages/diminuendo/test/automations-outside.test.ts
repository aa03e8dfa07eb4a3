/** Results of runs told outside: by signed webhook and by a task of Concord, in virtual time and through real gateways. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { secretRefProblem } from "../src/automations/core/check-outside.ts";
import type { AutomationDelivery } from "../src/protocol/index.ts";
import { briefing, ended, inbox, make, runNow, until } from "./support/automation-client.ts";
import { AutomationWorld, definition } from "./support/automation-world.ts";
import { TOKENS, World } from "./support/gateway-process.ts";
import { randomOf } from "./support/random.ts";
import { TestClient } from "./support/test-client.ts";
import { REACH_RECEIVER, SECRET_REF, WebhookReceiver } from "./support/webhook-receiver.ts";

// Other work may share the machine.
setDefaultTimeout(120_000);

const MINUTE = 60_000;
const T0 = Date.parse("2026-06-01T08:00:00Z");

describe("in virtual time", () => {
  const WEBHOOK = { url: "https://x.example/", secretRef: SECRET_REF, when: "always" } as const;
  const TASK = { name: "notify", payload: { body: "{{automation}}: {{summary}}" } } as const;
  const told = (when: "always" | "problems" = "always") => ({
    delivery: {
      inbox: "always" as const,
      sessionId: null,
      webhook: { ...WEBHOOK, when },
      task: { ...TASK, when },
    },
  });
  const minutely = { kind: "cron", cron: "* * * * *", timeZone: "UTC" } as const;

  test("killed anywhere, each end is told to each receiver, in the same words under the same id", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), async (seed) => {
        const random = randomOf(seed);
        const mortal = { dies: () => random(9) === 0, dawdles: () => 0 };
        const world = new AutomationWorld();
        world.create(definition(minutely, told()), T0);
        world.receiver = () =>
          random(4) === 0
            ? { kind: "failed", error: "500", isFinal: false }
            : { kind: "delivered", responseCode: 204 };
        let nowMs = T0;
        for (let step = 0; step < 40; step += 1) {
          nowMs += 20_000;
          const life = step < 25 ? mortal : undefined;
          await world.look(nowMs, life);
          if (random(2) === 0) world.finishTurns();
          await world.deliver(nowMs, life);
        }
        world.finishTurns();
        await world.look(nowMs);
        for (let hour = 0; hour < 12; hour += 1) {
          nowMs += 60 * MINUTE;
          await world.deliver(nowMs);
        }
        const over = world.runs().filter(({ status }) => status === "succeeded");
        const deliveries = world.deliveries();
        expect(over.length).toBeGreaterThan(0);
        for (const { runId } of over) {
          const ofRun = deliveries.filter((one) => one.runId === runId);
          expect(ofRun.map(({ to }) => to).sort()).toEqual(["task", "webhook"]);
        }
        for (const { deliveryId, status, message, runId } of deliveries) {
          const received = world.received.get(deliveryId) ?? [];
          expect([runId, received.length > 0, status]).toEqual([runId, true, "delivered"]);
          for (const one of received) expect(one).toEqual(message);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("who does not take it is asked again for hours, then the owner is told; who refuses for good, at once", async () => {
    const world = new AutomationWorld();
    world.create(definition(minutely, told()), T0);
    world.receiver = ({ to }) =>
      to === "webhook"
        ? { kind: "failed", error: "503", responseCode: 503, isFinal: false }
        : { kind: "failed", error: "unknown_task: no", isFinal: true };
    await world.look(T0 + MINUTE);
    world.finishTurns();
    await world.look(T0 + MINUTE);
    const sentAt: number[] = [];
    for (let nowMs = T0 + MINUTE; nowMs < T0 + 12 * 60 * MINUTE; nowMs += 1_000) {
      const due = world.deliveries().filter((one) => (one.nextAttemptAt ?? Infinity) <= nowMs);
      if (due.some(({ to }) => to === "webhook")) sentAt.push(nowMs - T0 - MINUTE);
      if (due.length > 0) await world.deliver(nowMs);
    }
    const waits = sentAt.slice(1).map((at, index) => at - (sentAt[index] ?? 0));
    expect(waits).toHaveLength(7);
    for (const [index, seconds] of [5, 30, 120, 600, 1_800, 7_200, 21_600].entries()) {
      expect(waits[index]).toBeGreaterThanOrEqual(seconds * 1_000);
      expect(waits[index]).toBeLessThanOrEqual(seconds * 1_200 + 1_000);
    }
    const state = world.deliveries().map((one) => [one.to, one.status, one.attempts, one.error]);
    expect(state.sort()).toEqual([
      ["task", "failed", 1, "unknown_task: no"],
      ["webhook", "failed", 8, "503"],
    ]);
    const query = { kind: "list_inbox", tenantId: "acme", userId: "ann", view: "all" } as const;
    const page = { automationId: null, nowMs: T0, beforePlace: null, limit: 10 };
    const { items } = world.ask({ ...query, ...page }) as { items: { value: { title: string } }[] };
    expect(items.map(({ value }) => value.title).sort()).toEqual([
      "Briefing could not tell its webhook",
      "Briefing could not tell the task notify",
      "Briefing has finished",
    ]);
  });

  test("only problems are told where only problems are wanted", async () => {
    const world = new AutomationWorld();
    world.create(definition(minutely, told("problems")), T0);
    await world.look(T0 + MINUTE);
    world.finishTurns("succeeded");
    await world.look(T0 + MINUTE);
    expect(world.deliveries()).toEqual([]);
    await world.look(T0 + 2 * MINUTE);
    world.finishTurns("failed");
    await world.look(T0 + 2 * MINUTE);
    await world.deliver(T0 + 2 * MINUTE);
    expect(world.deliveries().map(({ status }) => status)).toEqual(["delivered", "delivered"]);
    const messages = [...world.received.values()].flat() as { payload?: { body: string } }[];
    expect(messages.find(({ payload }) => payload)?.payload?.body).toBe("Briefing: It broke.");
  });
});

test("a secret is its own tenant's", () => {
  const mine = (tenant: string, name: string) =>
    secretRefProblem(`env:DIMINUENDO_WEBHOOK_${name}`, tenant) === undefined;
  expect(mine("acme", "ACME__OPS")).toBe(true);
  expect(mine("acme", "GLOBEX__OPS")).toBe(false);
  expect(secretRefProblem("env:PATH", "org_7")).toBe(
    "needs env:DIMINUENDO_WEBHOOK_ORGx5fx7__<NAME>, never the secret itself",
  );
});

describe("through a gateway", () => {
  let world: World;
  let receiver: WebhookReceiver;
  beforeEach(() => {
    world = new World();
    receiver = new WebhookReceiver();
  });
  afterEach(async () => {
    await world.stop();
    await receiver.stop();
  });

  const webhook = () => ({ url: receiver.url, secretRef: SECRET_REF });
  const deliveries = async (client: TestClient, more: object = {}) => {
    const answer = await client.ask({ type: "list_automation_deliveries", ...more });
    return answer["deliveries"] as AutomationDelivery[];
  };
  const settled = (client: TestClient, status: string) =>
    until(`a delivery to be ${status}`, async () => {
      const all = await deliveries(client);
      return all.length > 0 && all.every((one) => one.status === status) ? all : undefined;
    });

  test("a run's end arrives signed, and a task of Concord is asked for in the owner's name, once", async () => {
    const gateway = await world.start(...REACH_RECEIVER);
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const payload = { recipient: "bob", title: "{{automation}}", body: "{{status}}: {{summary}}" };
    const delivery = { inbox: "never", webhook: webhook(), task: { name: "notify", payload } };
    const { automationId } = await make(ann, briefing("Hello.", { delivery }));
    const { runId } = await runNow(ann, automationId);
    const [run] = await ended(ann, automationId);
    const all = await settled(ann, "delivered");
    expect(all.map(({ to, target, responseCode }) => [to, target, responseCode])).toEqual([
      ["task", "notify", null],
      ["webhook", receiver.url, 204],
    ]);
    expect(receiver.messages).toHaveLength(1);
    const [message] = receiver.messages;
    expect(message).toMatchObject({
      id: all[1]?.deliveryId,
      isSigned: true,
      body: {
        type: "automation.run_ended",
        data: {
          tenant_id: "acme",
          automation_id: automationId,
          run_id: runId,
          name: "Briefing",
          status: "succeeded",
          summary: "Hello there.",
          session_id: run?.sessionId,
          error: null,
        },
      },
    });
    const command = world.concord.commands.get(`automation:${runId}:told`);
    expect(command).toMatchObject({
      asked: 1,
      actor: { tenant: "acme", user: "ann" },
      body: {
        task_name: "notify",
        payload: { recipient: "bob", title: "Briefing", body: "succeeded: Hello there." },
        context: {
          ingress: "scheduled_trigger",
          metadata: { automation: { automation_id: automationId, run_id: runId } },
        },
      },
    });
    expect(all[0]?.commandId).toBe(command?.commandId ?? "");
    const eve = await TestClient.as(gateway.port, TOKENS.eve);
    expect(await deliveries(eve)).toEqual([]);
    const foreign = { type: "redeliver_automation", deliveryId: all[1]?.deliveryId ?? "" } as const;
    expect(await eve.ask(foreign)).toMatchObject({ code: "DeliveryNotFound" });
    expect(JSON.stringify(all)).not.toContain("whsec_");
  });

  test("killed between the run's end and its delivery: it is sent by the next process, under the same id", async () => {
    receiver.answers.push("hang", 500);
    const first = await world.start(...REACH_RECEIVER);
    const ann = await TestClient.as(first.port, TOKENS.ann);
    const task = { name: "notify", payload: { recipient: "bob" } };
    const { automationId } = await make(
      ann,
      briefing("Hi.", { delivery: { webhook: webhook(), task } }),
    );
    const { runId } = await runNow(ann, automationId);
    await until("the receiver to be asked", async () => receiver.messages.length > 0 || undefined);
    await first.kill();
    const second = await world.start(...REACH_RECEIVER);
    const again = await TestClient.as(second.port, TOKENS.ann);
    const all = await settled(again, "delivered");
    expect(all).toHaveLength(2);
    expect(receiver.messages).toHaveLength(3);
    expect(new Set(receiver.messages.map(({ id }) => id)).size).toBe(1);
    expect(new Set(receiver.messages.map(({ text }) => text)).size).toBe(1);
    expect(receiver.messages.every(({ isSigned }) => isSigned)).toBe(true);
    expect([...world.concord.commands.keys()]).toEqual([`automation:${runId}:told`]);
    expect(await ended(again, automationId)).toHaveLength(1);
  });

  test("who says gone, or no, is asked no more; the owner hears of it and can have it sent again", async () => {
    receiver.answers.push(410);
    const gateway = await world.start(...REACH_RECEIVER);
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const task = { name: "notify", payload: { recipient: "nobody" } };
    const delivery = { inbox: "never", webhook: webhook(), task };
    const { automationId } = await make(ann, briefing("Hi.", { delivery }));
    await runNow(ann, automationId);
    const failed = await settled(ann, "failed");
    expect(failed.map(({ to, attempts, responseCode }) => [to, attempts, responseCode])).toEqual([
      ["task", 1, 403],
      ["webhook", 1, 410],
    ]);
    expect(failed[0]?.error).toContain("policy_denied");
    const titles = (await inbox(ann)).items.map(({ title }) => title);
    expect(titles.sort()).toEqual([
      "Briefing could not tell its webhook",
      "Briefing could not tell the task notify",
    ]);
    const deliveryId = failed[1]?.deliveryId ?? "";
    const redeliver = { type: "redeliver_automation", deliveryId, idempotencyKey: "r1" } as const;
    const vic = await TestClient.as(gateway.port, TOKENS.viewer);
    expect(await vic.ask(redeliver)).toMatchObject({ code: "PermissionDenied" });
    expect(await ann.ask(redeliver)).toMatchObject({
      delivery: { status: "pending", attempts: 0 },
    });
    await ann.ask(redeliver);
    await until("it to be taken", async () => {
      const [one] = await deliveries(ann, { status: "delivered" });
      return one?.deliveryId === deliveryId ? one : undefined;
    });
    expect(receiver.messages.map(({ id }) => id)).toEqual([deliveryId, deliveryId]);
  });

  test("addresses inside, secrets themselves and unknown names are refused before anything is kept", async () => {
    const gateway = await world.start();
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const problemsOf = async (delivery: object) => {
      const answer = await ann.ask({
        type: "create_automation",
        definition: briefing("Hi.", { delivery }),
      });
      expect(answer).toMatchObject({ code: "InvalidAutomation" });
      return (answer["problems"] as { path: string }[]).map(({ path }) => path);
    };
    for (const url of [
      "http://203.0.113.9/",
      "https://127.0.0.1/",
      "https://10.0.0.1/",
      receiver.url,
    ]) {
      const refused = { webhook: { url, secretRef: SECRET_REF } };
      expect(await problemsOf(refused)).toEqual(["delivery.webhook.url"]);
    }
    const raw = { webhook: { url: "https://x.example/", secretRef: "whsec_AAAA" } };
    expect(await problemsOf(raw)).toEqual(["delivery.webhook.secretRef"]);
    const other = { webhook: { url: "https://x.example/", secretRef: "env:PODIUM_API_KEY" } };
    expect(await problemsOf(other)).toEqual(["delivery.webhook.secretRef"]);
    const eve = await TestClient.as(gateway.port, TOKENS.eve);
    const theirs = { webhook: { url: "https://x.example/", secretRef: SECRET_REF } };
    expect(
      await eve.ask({
        type: "create_automation",
        definition: briefing("Hi.", { delivery: theirs }),
      }),
    ).toMatchObject({
      code: "InvalidAutomation",
      problems: [
        {
          path: "delivery.webhook.secretRef",
          problem: "needs env:DIMINUENDO_WEBHOOK_GLOBEX__<NAME>, never the secret itself",
        },
      ],
    });
    const unset = { webhook: { url: "https://x.example/", secretRef: `${SECRET_REF}_2` } };
    expect(await problemsOf(unset)).toEqual(["delivery.webhook.secretRef"]);
    const unknown = { task: { name: "notify", payload: { deep: ["{{owner}}"] } } };
    expect(await problemsOf(unknown)).toEqual(["delivery.task.payload"]);
    expect(await problemsOf({ task: { payload: [] } })).toEqual([
      "delivery.task.name",
      "delivery.task.payload",
    ]);
    expect(receiver.messages).toEqual([]);
  });
});
