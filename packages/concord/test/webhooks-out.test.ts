/** Webhooks that leave: signed, delivered from the committed feed, tried again, given up, on record, and sent again. */
import { createLogger } from "@concert/service-kit";
import { Webhook } from "standardwebhooks";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ConcordApp, createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import { encodeId } from "../src/index.ts";
import { type Harness, startHarness } from "./support/harness.ts";
import { type Received, type Receiver, SAID, startReceiver } from "./support/receiver.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const NEXT = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
const REF = "env:CONCORD_WEBHOOK_T1__TEST";

let h: Harness;
let app: ConcordApp;
let receiver: Receiver;
beforeAll(async () => {
  process.env["CONCORD_WEBHOOK_T1__TEST"] = SECRET;
  process.env["CONCORD_WEBHOOK_T1__NEXT"] = NEXT;
  process.env["CONCORD_WEBHOOK_T1__SHORT"] = "whsec_c2hvcnQ=";
  h = await startHarness({
    webhooks: {
      privateRanges: ["127.0.0.1/32"],
      plainHttp: true,
      timeoutMs: 500,
      retry: { attemptsMax: 3, waitsSeconds: [0.05, 0.1] },
      failuresMax: 2,
    },
  });
  serve();
});
/** The API over the Concord that runs now. */
const serve = () => {
  const operatorKeys = ["own=t1:olga:owner:buy", "anna=t1:anna::buy", "eve=t2:eve:owner:buy"];
  app = createConcordApp(
    h.concord,
    {
      serviceKey: "service",
      internalSecret: "x",
      operatorKeys: operatorKeys.map(parseOperatorKey),
    },
    createLogger("test", "silent"),
  );
};
afterAll(() => h.stop());
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  for (const { webhook_id: id } of (await ask("GET", "/webhook-endpoints")).body.items) {
    await ask("DELETE", `/webhook-endpoints/${id}`);
  }
  await receiver.stop();
});

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, each looked at by its test
  readonly body: any;
}
async function ask(method: string, path: string, body?: unknown, key = "own"): Promise<Answer> {
  const response = await app.request(path, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}
const create = async (more: Record<string, unknown> = {}): Promise<string> => {
  const body = { url: receiver.url, secret_ref: REF, event_types: ["artifact_created"], ...more };
  const made = await ask("POST", "/webhook-endpoints", body);
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  return made.body.webhook_id;
};
const buy = async (as?: Parameters<Harness["submit"]>[1]) => {
  const { command } = await h.submit({}, as);
  return h.settled(command);
};
const deliveries = async (id: string) =>
  (await ask("GET", `/webhook-deliveries?webhook_id=${id}`)).body.items;
const WITHIN = { timeout: 20_000, interval: 20 };
const settles = async (id: string, ...statuses: string[]) => {
  const now = async () => (await deliveries(id)).map((one: { status: string }) => one.status);
  await expect.poll(now, WITHIN).toEqual(statuses);
  return deliveries(id);
};
const verified = (one: Received | undefined, secret = SECRET) =>
  new Webhook(secret).verify(one?.body ?? "", one?.headers as Record<string, string>) as {
    readonly type: string;
    readonly data: Record<string, unknown>;
  };

describe("outbound webhooks", () => {
  test("an event of the committed feed arrives once, signed, under the id of the event", async () => {
    const id = await create();
    const command = await buy();
    const [delivery] = await settles(id, "delivered");
    expect(receiver.received).toHaveLength(1);
    const [got] = receiver.received;
    expect(got?.headers["webhook-id"]).toBe(delivery.event_id);
    expect(verified(got)).toMatchObject({
      type: "artifact_created",
      data: {
        tenant_id: "t1",
        command_id: encodeId("command", command.commandId),
        task_name: "buy",
      },
    });
    expect(() => verified({ ...(got as Received), body: `${got?.body} ` })).toThrow();
    expect(delivery).toMatchObject({ attempts: 1, response_code: 200, error: null, round: 1 });
    expect(delivery.log[0].signed_with).toEqual([REF]);
  });

  test("what fails is tried again under the same id: 500, a time-out, a cut connection, then 200", async () => {
    const id = await create();
    receiver.answers.push(500, "hang");
    await buy();
    const [delivery] = await settles(id, "delivered");
    expect(delivery.log.map((one: { response_code: number | null }) => one.response_code)).toEqual([
      500,
      null,
      200,
    ]);
    expect(delivery.log[1].error).toContain("no answer within");
    expect(new Set(receiver.received.map((one) => one.headers["webhook-id"])).size).toBe(1);
    receiver.answers.push("drop");
    await buy();
    const [second] = await settles(id, "delivered", "delivered");
    expect(second.log).toHaveLength(2);
  });

  test("who takes a message and then says too much has taken it", async () => {
    const id = await create();
    receiver.answers.push("chatty");
    await buy();
    const [delivery] = await settles(id, "delivered");
    expect(delivery).toMatchObject({ attempts: 1, response_code: 200 });
  });

  test("a redirect is not followed, and what a receiver says in anger is kept without its personal data", async () => {
    const id = await create();
    receiver.answers.push(302, 422);
    await buy();
    const [delivery] = await settles(id, "delivered");
    expect(receiver.received.map((one) => one.path)).toEqual(["/hook", "/hook", "/hook"]);
    expect(delivery.log[0]).toMatchObject({ response_code: 302 });
    expect(delivery.log[0].error).toContain("redirected");
    expect(JSON.stringify(delivery)).not.toContain(SAID);
  });

  test("after two that were given up the endpoint is disabled, owners are told, and nothing is lost until it goes on", async () => {
    const id = await create();
    receiver.usual = 503;
    await buy();
    await settles(id, "failed");
    await buy();
    await settles(id, "failed", "failed");
    const shown = (await ask("GET", `/webhook-endpoints/${id}`)).body;
    expect(shown).toMatchObject({ status: "disabled", failures: 2 });
    expect(shown.disabled_reason).toContain("503");
    const { items } = (await ask("GET", "/notifications")).body;
    expect(items[0].body).toContain(id);
    expect((await ask("GET", "/notifications", undefined, "eve")).body.items).toEqual([]);
    const types = (await ask("GET", "/audit/events?event_type=webhook_disabled")).body.items;
    expect(types[0].payload).toMatchObject({ webhook_id: id, failures: 2 });
    receiver.usual = 200;
    await buy();
    const before = receiver.received.length;
    expect((await ask("POST", `/webhook-endpoints/${id}/enable`, {})).body.status).toBe("enabled");
    await settles(id, "delivered", "failed", "failed");
    expect(receiver.received.length).toBe(before + 1);
  });

  test("410 Gone disables at once; a person sends again what was given up, under the same id", async () => {
    const id = await create();
    receiver.answers.push(410);
    await buy();
    const [gone] = await settles(id, "failed");
    const again = `/webhook-deliveries/${gone.delivery_id}/redeliver`;
    expect((await ask("POST", again)).body.error.code).toBe("endpoint_disabled");
    await ask("POST", `/webhook-endpoints/${id}/enable`, { skip_missed: true });
    expect((await ask("POST", again)).status).toBe(202);
    const [sent] = await settles(id, "delivered");
    expect(sent).toMatchObject({ round: 2, attempts: 1, event_id: gone.event_id });
    expect(receiver.received.map((one) => one.headers["webhook-id"])).toEqual([
      gone.event_id,
      gone.event_id,
    ]);
    expect((await ask("POST", again)).status).toBe(202);
    await expect.poll(() => receiver.received.length, WITHIN).toBe(3);
  });

  test("while a secret is changed both sign; afterwards only the new one", async () => {
    const id = await create();
    const rotate = { secret_ref: "env:CONCORD_WEBHOOK_T1__NEXT", overlap_minutes: 60 };
    await ask("POST", `/webhook-endpoints/${id}/rotate`, rotate);
    await buy();
    await settles(id, "delivered");
    expect(verified(receiver.received[0], SECRET)).toBeDefined();
    expect(verified(receiver.received[0], NEXT)).toBeDefined();
    const over = { secret_ref: "env:CONCORD_WEBHOOK_T1__NEXT", overlap_minutes: 0 };
    await ask("POST", `/webhook-endpoints/${id}/rotate`, over);
    await buy();
    await settles(id, "delivered", "delivered");
    expect(() => verified(receiver.received[1], SECRET)).toThrow();
    expect(verified(receiver.received[1], NEXT)).toBeDefined();
  });

  test("CON-9 SEC-3 a secret is named, never given; it is the tenant's own, and no row or log holds it", async () => {
    const refused = [
      SECRET,
      "env:DATABASE_URL",
      "env:CONCORD_WEBHOOK_T1__UNSET",
      "env:CONCORD_WEBHOOK_T1__SHORT",
      "env:CONCORD_WEBHOOK_TEST",
      "env:CONCORD_WEBHOOK_T2__TEST",
      "env:CONCORD_WEBHOOK_T1__X__TEST",
      "concordance:tenant:t2/hook",
      "file:/run/secrets/t2/hook",
      "file:/run/secrets/t1/../t2/hook",
    ];
    for (const secret_ref of refused) {
      const { status, body } = await ask("POST", "/webhook-endpoints", {
        url: receiver.url,
        secret_ref,
      });
      expect([status, body.error.code], secret_ref).toEqual([400, "validation_error"]);
      expect(JSON.stringify(body)).not.toContain(SECRET);
    }
    await create();
    await buy();
    const tables = await h.rows<{ text: string }>(
      `SELECT row_to_json(t)::text AS text FROM concord.webhook_endpoints t
       UNION ALL SELECT row_to_json(t)::text FROM concord.webhook_deliveries t
       UNION ALL SELECT row_to_json(t)::text FROM concord.domain_events t
       UNION ALL SELECT row_to_json(t)::text FROM concord.commands t`,
    );
    expect(tables.length).toBeGreaterThan(10);
    expect(tables.filter(({ text }) => text.includes(SECRET))).toEqual([]);
  });

  test("SEC-8 an address inside the house is refused when it is named, and when its name leads there later", async () => {
    for (const url of [
      "http://169.254.169.254/latest",
      "https://10.0.0.1/x",
      "ftp://example.com/",
      "http://user:secret@example.com/",
      "not a url",
    ]) {
      const { status, body } = await ask("POST", "/webhook-endpoints", { url, secret_ref: REF });
      expect([status, body.error.code], url).toEqual([400, "validation_error"]);
    }
    const id = await create();
    await h.pool.query(
      "UPDATE concord.webhook_endpoints SET url = 'http://[::1]:9/' WHERE status = 'enabled'",
    );
    await buy();
    const [delivery] = await settles(id, "failed");
    expect(delivery).toMatchObject({ attempts: 1, response_code: null });
    expect(delivery.error).toContain("not allowed");
  });

  test("SEC-7 an endpoint hears of its own tenant only, and only its owners see it", async () => {
    const id = await create({ event_types: [] });
    await buy();
    const eve = await h.submit(
      {},
      { as: { tenant: "t2", user: "eve", roles: ["owner"], permissions: ["buy"] } },
    );
    await h.settled(eve.command);
    await expect.poll(() => receiver.received.length, WITHIN).toBeGreaterThan(5);
    await expect
      .poll(
        async () =>
          (await deliveries(id)).every((d: { status: string }) => d.status === "delivered"),
        WITHIN,
      )
      .toBe(true);
    const tenants = receiver.received.map((one) => verified(one).data["tenant_id"]);
    expect(new Set(tenants)).toEqual(new Set(["t1"]));
    const [delivery] = await deliveries(id);
    for (const [method, path] of [
      ["GET", `/webhook-endpoints/${id}`],
      ["DELETE", `/webhook-endpoints/${id}`],
      ["POST", `/webhook-deliveries/${delivery.delivery_id}/redeliver`],
    ] as const) {
      expect((await ask(method, path, undefined, "eve")).status, path).toBe(404);
      expect((await ask(method, path, undefined, "anna")).status, path).toBe(403);
    }
    expect((await ask("GET", "/webhook-deliveries", undefined, "eve")).body.items).toEqual([]);
  });

  test("a change is a command on record, a refused one too", async () => {
    const body = { url: receiver.url, secret_ref: REF };
    expect((await ask("POST", "/webhook-endpoints", body, "anna")).status).toBe(403);
    const tried = (await ask("GET", "/commands?task_name=create_webhook&requested_by=anna")).body;
    expect(tried.items[0]).toMatchObject({ status: "failed", error_class: "policy_denied" });
    const id = await create();
    await ask("PATCH", `/webhook-endpoints/${id}`, {
      event_types: ["webhook_*"],
      description: "b",
    });
    const done = (await ask("GET", "/commands?task_name=update_webhook")).body.items[0];
    expect(done).toMatchObject({ status: "succeeded", requested_by: "olga" });
    const heard = () => receiver.received.map((one) => verified(one).type);
    await expect.poll(heard, WITHIN).toContain("webhook_updated");
  });

  test("events are told without what looks personal", async () => {
    const id = await create({ event_types: ["command_rejected"] });
    const submit = (task_name: string) =>
      ask("POST", "/commands", { task_name, payload: {} }, "anna");
    await submit("ask anna@example.com");
    await settles(id, "delivered");
    expect(receiver.received[0]?.body).not.toContain("anna@example.com");
  });

  test("a receiver that hangs holds back nobody else, and no command", async () => {
    const slow = await startReceiver();
    slow.usual = "hang";
    const stuck = await create({ url: slow.url });
    const id = await create();
    const { length } = await Promise.all(Array.from({ length: 12 }, () => buy()));
    await settles(id, ...Array<string>(length).fill("delivered"));
    expect(slow.received.length).toBeGreaterThan(0);
    const states = (await deliveries(stuck)).map((one: { status: string }) => one.status);
    expect(states).not.toContain("delivered");
    await slow.stop();
  });

  test("RUN-11 a delivery whose run is gone, as after a restored backup, gets another one", async () => {
    const id = await create();
    await buy();
    const [delivery] = await settles(id, "delivered");
    await h.restart(async () => {
      await h.pool.query(
        `UPDATE concord.webhook_deliveries SET status = 'pending', round = 7, completed_at = NULL,
           updated_at = now() - interval '1 hour' WHERE event_id = $1`,
        [delivery.event_id.replace("evt_", "")],
      );
    });
    serve();
    const [again] = await settles(id, "delivered");
    expect([again.round, again.event_id]).toEqual([8, delivery.event_id]);
    expect(new Set(receiver.received.map((one) => one.headers["webhook-id"])).size).toBe(1);
    expect((await app.request("/metrics")).status).toBe(200);
    const metrics = await (await app.request("/metrics")).text();
    expect(metrics).toMatch(/concord_webhook_deliveries\{status="delivered"\} \d+/);
  });
});
