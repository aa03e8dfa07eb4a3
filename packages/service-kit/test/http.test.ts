/** What every service answers alike: error bodies, keys, actors, limits and trace ids. */
import { expect, test } from "bun:test";
import { createRoute, z } from "@hono/zod-openapi";
import { ApiError } from "../src/errors.ts";
import { createApp, requireActor, requireKey } from "../src/http.ts";
import { ACTOR_HEADER, type Actor, sameKey, signActor, verifyActor } from "../src/identity.ts";
import { createLogger } from "../src/log.ts";
import { joinTrace, newTrace, traceparent } from "../src/trace.ts";

const SECRET = "a-secret-of-enough-length";
const ADA: Actor = { tenant: "acme", user: "ada", roles: ["owner"], permissions: ["book_travel"] };

function app() {
  const service = createApp("example", createLogger("example", "silent"), async () => ({
    ready: false,
    missing: ["database"],
  }));
  service.use("/private/*", requireKey(["k1", "k2"]), requireActor("example", SECRET));
  service.get("/private/me", (context) => context.json(context.get("actor")));
  service.post("/private/echo", async (context) => context.json(await context.req.json()));
  service.get("/boom", () => {
    throw new Error("the password is hunter2");
  });
  service.get("/refused", () => {
    throw new ApiError(409, "illegal_transition", "No.", { from: "a" });
  });
  return service;
}

async function codeOf(response: Response): Promise<string> {
  const body: { error: { code: string } } = JSON.parse(await response.text());
  return body.error.code;
}

const authorised = async () => ({
  authorization: "Bearer k2",
  [ACTOR_HEADER]: await signActor(ADA, "example", SECRET),
});

test("a service key and a signed actor open the door; either alone does not", async () => {
  const headers = await authorised();
  expect(await (await app().request("/private/me", { headers })).json()).toEqual(ADA);
  const keyOnly = await app().request("/private/me", { headers: { authorization: "Bearer k2" } });
  expect([keyOnly.status, await codeOf(keyOnly)]).toEqual([401, "invalid_actor"]);
  const actorOnly = await app().request("/private/me", {
    headers: { [ACTOR_HEADER]: headers[ACTOR_HEADER] },
  });
  expect([actorOnly.status, await codeOf(actorOnly)]).toEqual([401, "unauthorized"]);
});

test("an actor token is refused under another secret, for another audience, or altered", async () => {
  const token = await signActor(ADA, "example", SECRET);
  const altered = `${token.slice(0, -3)}${token.endsWith("AAA") ? "BBB" : "AAA"}`;
  const refusal = (attempt: Promise<Actor>) =>
    attempt.then(
      () => "accepted",
      (error) => error.code,
    );
  expect(await refusal(verifyActor(token, "example", "another-secret-of-length"))).toBe(
    "invalid_actor",
  );
  expect(await refusal(verifyActor(token, "concord", SECRET))).toBe("invalid_actor");
  expect(await refusal(verifyActor(altered, "example", SECRET))).toBe("invalid_actor");
});

test("keys of any length compare without throwing", () => {
  expect(sameKey("dev", "dev")).toBe(true);
  expect(sameKey("dev", "developer")).toBe(false);
});

test("an unexpected failure tells the caller its trace id and nothing else", async () => {
  const trace = newTrace();
  const response = await app().request("/boom", { headers: { traceparent: traceparent(trace) } });
  const text = await response.text();
  expect(response.status).toBe(500);
  expect(text).not.toContain("hunter2");
  expect(text).toContain(trace.traceId);
});

test("refusals, unknown routes, bad JSON and oversize bodies have stable codes", async () => {
  const headers = { ...(await authorised()), "content-type": "application/json" };
  const post = (body: string) => app().request("/private/echo", { method: "POST", headers, body });
  expect(await codeOf(await app().request("/refused"))).toBe("illegal_transition");
  expect(await codeOf(await app().request("/nowhere"))).toBe("route_not_found");
  expect(await codeOf(await post("{"))).toBe("invalid_json");
  expect(await codeOf(await post(`"${"x".repeat(1_100_000)}"`))).toBe("request_too_large");
});

test("ready says what is missing", async () => {
  const response = await app().request("/ready");
  expect([response.status, await response.json()]).toEqual([
    503,
    { ok: false, service: "example", missing: ["database"] },
  ]);
});

test("a malformed traceparent starts a new trace", () => {
  expect(joinTrace("00-xyz").traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(joinTrace(`00-${"0".repeat(32)}-${"1".repeat(16)}-01`).traceId).not.toBe("0".repeat(32));
});

test("a body of another media type is refused, not a failure of ours", async () => {
  const service = app();
  const body = { content: { "application/json": { schema: z.object({ city: z.string() }) } } };
  const route = createRoute({
    method: "post",
    path: "/typed",
    request: { body: { ...body, required: true } },
    responses: { 200: { description: "Done." } },
  });
  service.openapi(route, (context) => context.json(context.req.valid("json")));
  const post = (type: string) =>
    service.request("/typed", { method: "POST", body: "<a/>", headers: { "content-type": type } });
  const answer = await post("text/xml");
  expect([answer.status, await codeOf(answer)]).toEqual([415, "unsupported_media_type"]);
  const broken = await post("application/json");
  expect([broken.status, await codeOf(broken)]).toEqual([400, "invalid_json"]);
});

test("a caller that hangs up in the middle of its body is no failure of ours", async () => {
  const service = app();
  service.post("/gone", () => {
    throw new DOMException("The connection was closed.", "AbortError");
  });
  const answer = await service.request("/gone", { method: "POST" });
  expect([answer.status, await codeOf(answer)]).toEqual([400, "incomplete_request"]);
});
