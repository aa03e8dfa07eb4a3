import { createLogger, signActor } from "@concert/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConcordApp, createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import type { Principal } from "../src/index.ts";
import { ANNA, EVE, FRED, type Harness, startHarness } from "./support/harness.ts";

const SECRET = "a-secret-for-tests-only";
let h: Harness;
let app: ConcordApp;
beforeAll(async () => {
  h = await startHarness();
  const operatorKeys = [parseOperatorKey("op=t1:anna::buy")];
  app = createConcordApp(
    h.concord,
    { serviceKey: "service", internalSecret: SECRET, operatorKeys },
    createLogger("test", "silent"),
  );
});
afterAll(() => h.stop());

interface Asked {
  readonly method?: string;
  readonly body?: unknown;
  readonly as?: Principal;
  readonly headers?: Record<string, string>;
}
const ask = async (path: string, { method, body, as, headers = {} }: Asked = {}) => {
  const auth: Record<string, string> =
    as === undefined
      ? { authorization: "Bearer op" }
      : {
          authorization: "Bearer service",
          "concert-actor": await signActor(as, "concord", SECRET),
        };
  const response = await app.request(path, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: { ...auth, "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json");
  return { status: response.status, body: isJson ? JSON.parse(text) : text };
};
let orders = 0;
const order = (amount: number, more: object = {}) => {
  orders += 1;
  return { task_name: "buy", payload: { order_id: `api-${orders}`, item: "cup", amount }, ...more };
};
const code = (answer: { status: number; body: { error?: { code: string } } }) => [
  answer.status,
  answer.body.error?.code,
];

describe("HTTP API", () => {
  test("API-1 API-2 API-3 APR-8 submit, list, decide, read: the whole way over HTTP", async () => {
    const made = await ask("/commands", { body: order(900) });
    expect([made.status, made.body.status, made.body.state]).toEqual([
      202,
      "waiting_for_approval",
      "waiting_for_approval",
    ]);
    const list = await ask(`/approvals?status=pending&command_id=${made.body.command_id}`, {
      as: FRED,
    });
    const id = list.body.items[0].approval_id;
    expect(list.body.items[0].approver).toBe("finance");
    expect(code(await ask(`/approvals/${id}/resolve`, { body: { decision: "approved" } }))).toEqual(
      [403, "not_approver"],
    );
    const decided = await ask(`/approvals/${id}/resolve`, {
      body: { decision: "approved" },
      as: FRED,
    });
    expect([decided.status, decided.body.decided_by]).toEqual([200, "fred"]);
    expect(
      code(await ask(`/approvals/${id}/resolve`, { body: { decision: "rejected" }, as: FRED })),
    ).toEqual([409, "approval_already_decided"]);
    await expect
      .poll(async () => (await ask(`/commands/${made.body.command_id}`)).body.status, {
        timeout: 20_000,
      })
      .toBe("succeeded");
    const command = (await ask(`/commands/${made.body.command_id}`)).body;
    const artifact = await ask(`/artifacts/${command.result.receipt.artifact_id}`);
    expect(artifact.body.content.bought.item).toBe("cup");
    const timeline = await ask(`/commands/${made.body.command_id}/timeline`);
    expect(timeline.body.entries.every((one: { title: string }) => one.title.length > 0)).toBe(
      true,
    );
  });

  test("API-1 X-52 a task is asked for by its name or by the type of its commands, and by one of them", async () => {
    const { task_name: _name, ...rest } = order(3);
    const byType = await ask("/commands", { body: { ...rest, command_type: "buy" } });
    expect([byType.status, byType.body.task_name, byType.body.command_type]).toEqual([
      202,
      "buy",
      "buy",
    ]);
    const unknown = await ask("/commands", { body: { ...rest, command_type: "sell" } });
    expect(code(unknown)).toEqual([404, "unknown_task"]);
    for (const body of [rest, { ...rest, task_name: "buy", command_type: "buy" }]) {
      expect(code(await ask("/commands", { body }))).toEqual([400, "invalid_request"]);
    }
  });

  test("a synchronous task answers 200 with its result; a replay says so", async () => {
    const body = { ...order(5), task_name: "price", idempotency_key: "price-1" };
    const first = await ask("/commands", { body });
    expect([first.status, first.body.result.price.amount]).toEqual([200, 5]);
    const again = await ask("/commands", { body });
    expect([again.status, again.body.replayed, again.body.command_id]).toEqual([
      200,
      true,
      first.body.command_id,
    ]);
    const other = { ...body, payload: { ...body.payload, amount: 6 } };
    expect(code(await ask("/commands", { body: other }))).toEqual([409, "idempotency_conflict"]);
  });

  test("what a clock asks for is told apart, and only a service may say that it is", async () => {
    const automation = { automation_id: "auto_1", run_id: "run_1" };
    const context = { ingress: "scheduled_trigger", metadata: { automation } };
    const made = await ask("/commands", { body: order(5, { context }), as: ANNA });
    expect([made.status, made.body.ingress]).toEqual([202, "scheduled_trigger"]);
    const list = await ask("/commands?ingress=scheduled_trigger");
    expect(list.body.items).toMatchObject([{ command_id: made.body.command_id }]);
    expect(code(await ask("/commands", { body: order(5, { context }) }))).toEqual([
      403,
      "forbidden",
    ]);
  });

  test("a denied command is 403 and names the command on record", async () => {
    const denied = await ask("/commands", { body: order(1), as: { ...ANNA, permissions: [] } });
    expect(code(denied)).toEqual([403, "policy_denied"]);
    const kept = await ask(`/commands/${denied.body.error.details.command_id}`);
    expect(kept.body.error_class).toBe("policy_denied");
  });

  test.each([
    ["broken JSON", "/commands", { body: "{" }, 400, "invalid_json"],
    ["no task name", "/commands", { body: { payload: {} } }, 400, "invalid_request"],
    [
      "an unknown field",
      "/commands",
      { body: { task_name: "buy", payload: {}, status: "approved" } },
      400,
      "invalid_request",
    ],
    [
      "a payload that is no object",
      "/commands",
      { body: { task_name: "buy", payload: 7 } },
      400,
      "validation_error",
    ],
    [
      "an unknown task",
      "/commands",
      { body: { task_name: "sell", payload: {} } },
      404,
      "unknown_task",
    ],
    [
      "a body over 1 MiB",
      "/commands",
      { body: { task_name: "buy", payload: { item: "x".repeat(1_100_000) } } },
      413,
      "request_too_large",
    ],
    ["a malformed id", "/commands/cmd_1", {}, 404, "not_found"],
    ["an unknown id", `/commands/cmd_${"0".repeat(32)}`, {}, 404, "not_found"],
    ["an unknown artifact", `/artifacts/art_${"0".repeat(32)}`, {}, 404, "not_found"],
    ["a limit out of range", "/commands?limit=100000", {}, 400, "invalid_request"],
    ["a made-up list cursor", "/approvals?cursor=abc", {}, 400, "invalid_cursor"],
    ["a made-up feed cursor", "/events?after=abc", {}, 400, "invalid_cursor"],
    [
      "a decision that is none",
      `/approvals/appr_${"0".repeat(32)}/resolve`,
      { body: { decision: "maybe" } },
      400,
      "invalid_request",
    ],
    ["an unknown route", "/nowhere", {}, 404, "route_not_found"],
  ])("%s is refused", async (_name, path, asked, status, expected) => {
    expect(code(await ask(path, asked))).toEqual([status, expected]);
  });

  test("identity: no key, a wrong key, no person, a forged person, another tenant", async () => {
    const bare = { headers: { authorization: "" } };
    expect(code(await ask("/commands", bare))).toEqual([401, "unauthorized"]);
    expect(code(await ask("/events", bare))).toEqual([401, "unauthorized"]);
    expect(code(await ask("/commands", { headers: { authorization: "Bearer guess" } }))).toEqual([
      401,
      "unauthorized",
    ]);
    const service = { authorization: "Bearer service" };
    expect(code(await ask("/commands", { headers: service }))).toEqual([401, "invalid_actor"]);
    const forged = await signActor(FRED, "concord", "another-secret-entirely");
    expect(
      code(await ask("/commands", { headers: { ...service, "concert-actor": forged } })),
    ).toEqual([401, "invalid_actor"]);
    const elsewhere = await signActor(FRED, "podium", SECRET);
    expect(
      code(await ask("/commands", { headers: { ...service, "concert-actor": elsewhere } })),
    ).toEqual([401, "invalid_actor"]);
    const mine = await ask("/commands", { body: order(900) });
    const id = mine.body.command_id;
    for (const path of [`/commands/${id}`, `/commands/${id}/timeline`]) {
      expect(code(await ask(path, { as: EVE }))).toEqual([404, "not_found"]);
    }
    expect(code(await ask(`/commands/${id}/cancel`, { body: {}, as: EVE }))).toEqual([
      404,
      "not_found",
    ]);
    const [approval] = (await ask(`/approvals?command_id=${id}`, { as: FRED })).body.items;
    expect(code(await ask(`/approvals/${approval.approval_id}`, { as: EVE }))).toEqual([
      404,
      "not_found",
    ]);
    expect(
      code(
        await ask(`/approvals/${approval.approval_id}/resolve`, {
          body: { decision: "approved" },
          as: EVE,
        }),
      ),
    ).toEqual([404, "not_found"]);
    expect((await ask("/approvals", { as: EVE })).body.items).toEqual([]);
  });

  test("the feed resumes after Last-Event-ID, for the caller's tenant only", async () => {
    await h.submit({}, { as: EVE });
    const read = async (headers: Record<string, string>, until: number) => {
      const response = await app.request("/events?after=0", {
        headers: { authorization: "Bearer op", ...headers },
      });
      let text = "";
      for await (const chunk of response.body ?? []) {
        text += new TextDecoder().decode(chunk as Uint8Array);
        if ((text.match(/\nid: /g)?.length ?? 0) >= until) break;
      }
      return [...text.matchAll(/data: (.*)\n/g)].map((match) => JSON.parse(match[1] ?? "null"));
    };
    const first = await read({}, 5);
    expect(first.length).toBeGreaterThanOrEqual(5);
    expect(first.every((event) => event.tenant_id === "t1")).toBe(true);
    const types = await app.request(`/events?after=${first[1].cursor}&types=policy_evaluated`, {
      headers: { authorization: "Bearer op" },
    });
    for await (const chunk of types.body ?? []) {
      const text = new TextDecoder().decode(chunk as Uint8Array);
      if (text.includes("event: ")) {
        expect(text).toContain("event: policy_evaluated");
        break;
      }
    }
  });

  test("the service alone sees tools; metrics, readiness and the API document need no key", async () => {
    const tools = await ask("/tools", { headers: { authorization: "Bearer service" } });
    expect(tools.body.items.map((tool: { name: string }) => tool.name)).toEqual([
      "price",
      "buy",
      "order",
      "ask_person",
    ]);
    expect(tools.body.items[1]).toMatchObject({ task_name: "buy", side_effect: true });
    expect((await ask("/ready")).body).toMatchObject({ ok: true, missing: [] });
    expect((await ask("/metrics")).body).toContain('concord_commands{status="succeeded"}');
    const document = (await ask("/openapi.json")).body;
    expect(Object.keys(document.paths)).toContain("/approvals/{id}/resolve");
  });

  test("operator keys are parsed strictly", () => {
    expect(parseOperatorKey("k=t:u:a|b:c").principal).toEqual({
      tenant: "t",
      user: "u",
      roles: ["a", "b"],
      permissions: ["c"],
    });
    for (const bad of ["", "k", "k=t", "=t:u::", "k=t:u:a:b:c", "k=t: :a:b"]) {
      expect(() => parseOperatorKey(bad)).toThrow("key=tenant");
    }
  });

  test.each([
    "/commands?status=%00",
    "/commands?task_name=%00",
    "/approvals?status=%00",
    "/events?types=%00",
  ])("API-10 text that the database cannot hold is the caller's mistake: %s", async (path) => {
    expect((await ask(path)).status).toBe(400);
  });
});
