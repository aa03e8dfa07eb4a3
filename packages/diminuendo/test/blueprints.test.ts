/** Blueprints of automations through the real gateway: rights, what is made from them, problems, tenants, HTTP. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { checkBlueprint, madeFrom } from "../src/automations/core/blueprints.ts";
import type { Automation, Blueprint } from "../src/protocol/index.ts";
import { ended, runNow } from "./support/automation-client.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { TestClient } from "./support/test-client.ts";
import { REACH_RECEIVER, SECRET_REF, WebhookReceiver } from "./support/webhook-receiver.ts";

// Other work may share the machine.
setDefaultTimeout(120_000);

let world: World;
let receiver: WebhookReceiver;
let gateway: GatewayProcess;
beforeAll(async () => {
  world = new World();
  receiver = new WebhookReceiver();
  gateway = await world.start(...REACH_RECEIVER);
});
afterAll(async () => {
  await world.stop();
  await receiver.stop();
});

const SCHEDULE = { kind: "cron", cron: "30 4 1 1 *" } as const;
const template = {
  prompt: "Tell {{who}} about {{topic}}.",
  variables: { topic: "hotels" },
  tools: ["hotel_search", "write_file"],
  execution: { mode: "isolated", agentType: "echo" },
  retries: { max: 1, backoffSeconds: 5 },
  delivery: { inbox: "problems" },
};

async function makeBlueprint(client: TestClient, name: string, change: object = {}) {
  const blueprint = { name, template: { ...template, ...change } };
  const answer = await client.ask({ type: "create_blueprint", blueprint });
  expect(answer.type).toBe("blueprint");
  return answer["blueprint"] as Blueprint;
}
const webhook = () => ({ url: receiver.url, secretRef: SECRET_REF });
const from = (blueprintId: string, change: object = {}) =>
  ({
    type: "create_automation",
    blueprintId,
    definition: { name: "Mine", schedule: SCHEDULE, variables: { who: "Ann" }, ...change },
  }) as const;

test("an automation made from a blueprint has what it says itself, the blueprint's rest, and its tools", async () => {
  const bob = await TestClient.as(gateway.port, TOKENS.bob);
  const { blueprintId, needs, version } = await makeBlueprint(bob, "Travel news");
  expect([needs, version]).toEqual([["who"], 1]);
  const made = await bob.ask(from(blueprintId, { retries: { max: 0 } }));
  const { automationId, definition } = made["automation"] as Automation;
  expect(definition).toMatchObject({
    name: "Mine",
    prompt: template.prompt,
    variables: { who: "Ann", topic: "hotels" },
    tools: template.tools,
    retries: { max: 0, backoffSeconds: 60 },
    delivery: { inbox: "problems", sessionId: null },
  });
  await runNow(bob, automationId);
  const [run] = await ended(bob, automationId);
  const log = await bob.storedLog(String(run?.sessionId));
  expect(log.find(({ type }) => type === "user_message")).toMatchObject({
    text: "Tell Ann about hotels.",
    automation: { automationId, tools: template.tools },
  });
  const record = await bob.ask({ type: "get_automation_log", automationId });
  const entries = record["entries"] as { action: string; detail: object }[];
  expect(entries.find(({ action }) => action === "created")?.detail).toMatchObject({
    madeFrom: { blueprintId, version: 1 },
  });
  const change = { name: "Travel news", template: { ...template, prompt: "Other." } };
  const update = { type: "update_blueprint", blueprintId, blueprint: change, version: 1 } as const;
  expect(await bob.ask({ ...update, idempotencyKey: "u1" })).toMatchObject({
    blueprint: { version: 2, needs: [] },
  });
  expect(await bob.ask({ ...update, idempotencyKey: "u1" })).toMatchObject({
    blueprint: { version: 2 },
  });
  expect(await bob.ask(update)).toMatchObject({ code: "AutomationConflict" });
  const after = await bob.ask({ type: "get_automation", automationId });
  expect((after["automation"] as Automation).definition.prompt).toBe(template.prompt);
  bob.close();
});

test("who may: viewers read, members make, only makers and managers change; other tenants see nothing", async () => {
  const [ann, bob, vic, eve] = await Promise.all(
    [TOKENS.ann, TOKENS.bob, TOKENS.viewer, TOKENS.eve].map((token) =>
      TestClient.as(gateway.port, token),
    ),
  );
  if (!ann || !bob || !vic || !eve) throw new Error("four people");
  const { blueprintId } = await makeBlueprint(ann, "Ann's");
  const blueprint = { name: "Ann's", template: {} };
  expect(await vic.ask({ type: "get_blueprint", blueprintId })).toMatchObject({
    blueprint: { createdBy: "ann" },
  });
  expect(await vic.ask({ type: "create_blueprint", blueprint })).toMatchObject({
    code: "PermissionDenied",
  });
  const update = { type: "update_blueprint", blueprintId, blueprint, version: 1 } as const;
  expect(await bob.ask(update)).toMatchObject({ code: "PermissionDenied" });
  expect(await bob.ask({ type: "delete_blueprint", blueprintId })).toMatchObject({
    code: "PermissionDenied",
  });
  const messages = [
    { type: "get_blueprint", blueprintId } as const,
    update,
    { type: "delete_blueprint", blueprintId } as const,
    from(blueprintId),
    { type: "preview_automation", blueprintId, definition: { name: "x" } } as const,
  ];
  for (const message of messages) {
    expect(await eve.ask(message)).toMatchObject({ code: "BlueprintNotFound" });
  }
  expect((await eve.ask({ type: "list_blueprints" }))["blueprints"]).toEqual([]);
  const bobs = await makeBlueprint(bob, "Bob's");
  const gone = { type: "delete_blueprint", blueprintId: bobs.blueprintId } as const;
  expect(await ann.ask(gone)).toMatchObject({ type: "blueprint_deleted" });
  await vic.until(() => vic.has("blueprint_deleted"));
  expect(eve.has("blueprint")).toBe(false);
  for (const client of [ann, bob, vic, eve]) client.close();
});

test("a webhook is named by who manages automations; others use it as a blueprint brings it, and leave it as it is", async () => {
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const bob = await TestClient.as(gateway.port, TOKENS.bob);
  const delivery = { webhook: webhook() };
  const denied = { code: "PermissionDenied" };
  const blueprint = { name: "No", template: { delivery } };
  expect(await bob.ask({ type: "create_blueprint", blueprint })).toMatchObject(denied);
  const { blueprintId } = await makeBlueprint(ann, "With a webhook", { delivery });
  const own = { delivery: { webhook: { ...webhook(), url: `${receiver.url}/other` } } };
  expect(await bob.ask(from(blueprintId, own))).toMatchObject(denied);
  const made = (await bob.ask(from(blueprintId)))["automation"] as Automation;
  expect(made).toMatchObject({ ownerId: "bob", definition: { delivery } });
  const { automationId, definition } = made;
  const update = { type: "update_automation", automationId, version: 1 } as const;
  const changed = { ...definition, name: "Renamed" };
  const elsewhere = { ...changed, delivery: own.delivery };
  expect(await bob.ask({ ...update, definition: elsewhere })).toMatchObject(denied);
  expect(await bob.ask({ ...update, definition: changed })).toMatchObject({
    automation: { definition: { name: "Renamed", delivery } },
  });
  await runNow(bob, automationId);
  await ended(bob, automationId);
  await bob.until(() => receiver.messages.length > 0);
  expect(receiver.messages[0]).toMatchObject({
    isSigned: true,
    body: { data: { name: "Renamed" } },
  });
  ann.close();
  bob.close();
});

test("every problem of a blueprint is told, by its place in it; a name is one blueprint's", async () => {
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const blueprint = {
    name: "",
    template: { schedule: { kind: "cron", cron: "99 * * * *" }, tools: ["no tool"], colour: 1 },
    extra: true,
  };
  const bad = await ann.ask({ type: "create_blueprint", blueprint });
  const problems = bad["problems"] as { path: string }[];
  expect([bad["code"], problems.map(({ path }) => path)]).toEqual([
    "InvalidAutomation",
    ["name", "extra", "template.schedule.cron", "template.tools", "template.colour"],
  ]);
  await makeBlueprint(ann, "Taken");
  const again = await ann.ask({
    type: "create_blueprint",
    blueprint: { name: "Taken", template: {} },
  });
  expect(again).toMatchObject({ code: "InvalidAutomation", problems: [{ path: "name" }] });
  const { blueprintId } = await makeBlueprint(ann, "Unfinished");
  const unsaid = await ann.ask({
    ...from(blueprintId),
    definition: { name: "x", schedule: SCHEDULE },
  });
  expect(unsaid).toMatchObject({ code: "InvalidAutomation", problems: [{ path: "prompt" }] });
  ann.close();
});

test("the same over HTTP", async () => {
  const call = async (method: string, path: string, body?: object, token: string = TOKENS.bob) => {
    const response = await fetch(`${gateway.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, json: await response.json() } as {
      status: number;
      json: { [name: string]: unknown };
    };
  };
  const blueprint = { name: "By HTTP", template };
  const made = await call("POST", "/api/blueprints", { blueprint });
  expect(made).toMatchObject({ status: 201, json: { name: "By HTTP", version: 1 } });
  const at = `/api/blueprints/${made.json["blueprintId"]}`;
  expect((await call("GET", at)).json).toMatchObject({ needs: ["who"] });
  expect(await call("PATCH", at, { blueprint, version: 9 })).toMatchObject({ status: 409 });
  expect(await call("PATCH", at, { blueprint, version: 1 })).toMatchObject({
    json: { version: 2 },
  });
  const listed = (await call("GET", "/api/blueprints?limit=200")).json["items"] as Blueprint[];
  expect(listed.map(({ name }) => name)).toContain("By HTTP");
  const { definition } = from("");
  const create = { definition, blueprintId: made.json["blueprintId"] };
  expect(await call("POST", "/api/automations", create)).toMatchObject({
    status: 201,
    json: { definition: { prompt: template.prompt } },
  });
  expect(await call("POST", "/api/automations/preview", create)).toMatchObject({ status: 200 });
  expect(await call("GET", "/api/automations/deliveries")).toMatchObject({ status: 200 });
  expect(await call("POST", "/api/automations/deliveries/none/redeliver", {})).toMatchObject({
    status: 404,
    json: { error: { code: "DeliveryNotFound" } },
  });
  expect(await call("DELETE", at, undefined, TOKENS.viewer)).toMatchObject({ status: 403 });
  expect(await call("DELETE", at)).toMatchObject({ status: 200 });
  expect(await call("GET", at)).toMatchObject({ status: 404 });
});

test("what is made from a blueprint: its own fields win whole, variables come together", () => {
  const said = {
    template: { prompt: "p", limits: { runMinutes: 5 }, variables: { a: "1", b: "2" } },
  };
  expect(madeFrom(said, { limits: { runsPerDay: 3 }, variables: { b: "3" } })).toEqual({
    prompt: "p",
    limits: { runsPerDay: 3 },
    variables: { a: "1", b: "3" },
  });
  expect(madeFrom(said, "nonsense")).toBe("nonsense");
  expect(checkBlueprint({ name: "Empty", template: {} }, 0)).toEqual({
    ok: true,
    said: { name: "Empty", description: "", template: {}, needs: [] },
  });
  expect(checkBlueprint(5, 0)).toMatchObject({ ok: false, problems: [{ path: "blueprint" }] });
});
