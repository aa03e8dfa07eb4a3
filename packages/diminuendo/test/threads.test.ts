/** `/api/threads`: sessions over HTTP, with server-sent events that miss nothing across a reconnect. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createParser } from "eventsource-parser";
import type { SessionEvent } from "../src/protocol/index.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { compact, expectWholeLog } from "./support/log-view.ts";
import { TestClient } from "./support/test-client.ts";

// Other work may share the machine.
setDefaultTimeout(60_000);

let world: World;
let gateway: GatewayProcess;
beforeAll(async () => {
  world = new World();
  gateway = await world.start();
});
afterAll(() => world.stop());

async function call(
  method: string,
  path: string,
  body?: object,
  token: string = TOKENS.ann,
  headers: Record<string, string> = {},
) {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
  return { status: response.status, json };
}

async function newThread(): Promise<string> {
  const { status, json } = await call("POST", "/api/threads", { agentType: "echo", name: "T" });
  expect(status).toBe(201);
  return String(json["id"]);
}

interface Told {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: string;
}

/** Reads server-sent events until `enough`, then hangs up. */
async function listen(path: string, enough: (told: readonly Told[]) => boolean, lastId?: string) {
  const controller = new AbortController();
  const told: Told[] = [];
  const response = await fetch(`${gateway.url}${path}`, {
    headers: {
      authorization: `Bearer ${TOKENS.ann}`,
      ...(lastId === undefined ? {} : { "last-event-id": lastId }),
    },
    signal: controller.signal,
  });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const parser = createParser({
    onEvent: ({ id, event, data }) => void told.push({ id, event, data }),
  });
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    if (enough(told)) break;
  }
  controller.abort();
  return told;
}
const events = (told: readonly Told[]) => told.map(({ data }) => JSON.parse(data) as SessionEvent);

describe("threads", () => {
  test("are made, listed, renamed, asked, read, put away and deleted", async () => {
    const id = await newThread();
    const thread = `/api/threads/${id}`;
    expect((await call("GET", thread)).json).toMatchObject({ id, name: "T", status: "inactive" });
    expect((await call("PATCH", thread, { name: "Lisbon" })).json).toMatchObject({
      name: "Lisbon",
    });
    const items = (await call("GET", "/api/threads")).json["items"] as { id: string }[];
    expect(items.find((one) => one.id === id)).toMatchObject({ createdAt: expect.any(String) });
    const ask = { text: "hi", clientTurnId: "c1" };
    const first = await call("POST", `${thread}/messages`, ask);
    expect(first).toMatchObject({ status: 202, json: { turnId: expect.any(String) } });
    expect((await call("POST", `${thread}/messages`, ask)).json).toEqual(first.json);
    await listen(
      `${thread}/events`,
      (told) =>
        told.at(-1)?.data.includes('"ready"') === true &&
        told.some(({ event }) => event === "turn_complete"),
    );
    const { messages } = (await call("GET", `${thread}/read`)).json as { messages: object[] };
    expect(messages).toMatchObject([
      { role: "user", text: "hi" },
      { role: "assistant", text: "Hello there." },
    ]);
    expect((await call("POST", `${thread}/archive`, {})).json).toMatchObject({ archived: true });
    expect(await call("POST", `${thread}/messages`, { text: "hi" })).toMatchObject({
      status: 409,
      json: { error: { code: "SessionArchived" } },
    });
    await call("POST", `${thread}/unarchive`, {});
    expect(await call("DELETE", thread)).toMatchObject({ status: 200, json: { sessionId: id } });
    expect(await call("GET", thread)).toMatchObject({
      status: 404,
      json: { error: { code: "SessionNotFound" } },
    });
  });

  test("stop, steer and approve do what the socket's messages do", async () => {
    const id = await newThread();
    const thread = `/api/threads/${id}`;
    await call("POST", `${thread}/messages`, { text: "approve a booking" });
    const told = await listen(`${thread}/events`, (all) =>
      all.some(({ event }) => event === "permission_requested"),
    );
    const asked = events(told).find((e) => e.type === "permission_requested");
    const requestId = asked?.type === "permission_requested" ? asked.requestId : "";
    expect(await call("POST", `${thread}/approve`, { requestId })).toMatchObject({ status: 400 });
    const approve = { requestId, approved: true };
    expect(await call("POST", `${thread}/approve`, approve, TOKENS.bob)).toMatchObject({
      status: 403,
      json: { error: { code: "NotApprover" } },
    });
    expect((await call("POST", `${thread}/approve`, approve)).json).toMatchObject({
      decision: "approved",
    });
    await call("POST", `${thread}/messages`, { text: "hold on", whenBusy: "enqueue" });
    await listen(`${thread}/events`, (all) =>
      events(all).some((e) => e.type === "message_started" && e.seq > (asked?.seq ?? 0) + 8),
    );
    expect(await call("POST", `${thread}/steer`, { content: "wait" })).toMatchObject({
      status: 200,
    });
    expect(await call("POST", `${thread}/stop`, {})).toMatchObject({ status: 200 });
  });

  test("D2 an event stream that is cut anywhere goes on where it was, whoever writes meanwhile", async () => {
    const id = await newThread();
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    await ann.ask({ type: "join_session", sessionId: id });
    await call("POST", `/api/threads/${id}/messages`, { text: "stream 900" });
    const seen: Told[] = [];
    const isOver = () => events(seen).some((e) => e.type === "turn_complete");
    for (let cuts = 0; !isOver() && cuts < 50; cuts += 1) {
      const lastId = seen.at(-1)?.id;
      const more = await listen(
        `/api/threads/${id}/events`,
        (told) => told.length >= 3 || told.some(({ event }) => event === "turn_complete"),
        lastId,
      );
      // What arrived beside the third is a client's to keep as well.
      seen.push(...more);
    }
    const view = events(seen);
    expectWholeLog(view);
    await ann.until(
      () => ann.log(id).findLast((e) => e.type === "session_state")?.status === "ready",
    );
    const stored = await ann.storedLog(id);
    expect(compact(view)).toEqual(stored.filter(({ seq }) => seq <= (view.at(-1)?.seq ?? 0)));
    const download = await fetch(`${gateway.url}/api/threads/${id}/download`, {
      headers: { authorization: `Bearer ${TOKENS.ann}` },
    });
    const lines = (await download.text()).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual(stored);
    ann.close();
  });

  test("a stream that comes back to a log that is no more is told to forget what it has", async () => {
    const id = await newThread();
    await call("POST", `/api/threads/${id}/messages`, { text: "hi" });
    const told = await listen(
      `/api/threads/${id}/events`,
      (all) => all.some(({ event }) => event === "turn_complete"),
      "epoch_lost:7",
    );
    expect(told[0]?.event).toBe("reset");
  });

  test("D3 and permissions hold; what is not a request is refused with a reason", async () => {
    const id = await newThread();
    const thread = `/api/threads/${id}`;
    for (const [method, path, body] of [
      ["GET", thread],
      ["GET", `${thread}/read`],
      ["GET", `${thread}/events`],
      ["GET", `${thread}/download`],
      ["PATCH", thread, { name: "mine" }],
      ["POST", `${thread}/messages`, { text: "hi" }],
      ["DELETE", thread],
    ] as const) {
      expect(await call(method, path, body, TOKENS.eve)).toMatchObject({ status: 404 });
    }
    expect(await call("POST", "/api/threads", { agentType: "echo" }, TOKENS.viewer)).toMatchObject({
      status: 403,
    });
    expect(await call("POST", "/api/threads", { agentType: 7 })).toMatchObject({
      status: 400,
      json: { error: { code: "INVALID_MESSAGE" } },
    });
    expect((await call("POST", "/api/threads", { agentType: "echo" }, "wrong")).status).toBe(401);
    const form = await fetch(`${gateway.url}/api/threads`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKENS.ann}`, "content-type": "text/plain" },
      body: '{"agentType":"echo"}',
    });
    expect(form.status).toBe(415);
    const evil = { origin: "https://evil.test" };
    expect(
      await call("POST", "/api/threads", { agentType: "echo" }, TOKENS.ann, evil),
    ).toMatchObject({ status: 403 });
  });

  test("the OpenAPI document has every route", async () => {
    const { json } = await call("GET", "/api/openapi.json");
    const paths = json["paths"] as Record<string, Record<string, object>>;
    expect(Object.keys(paths)).toContain("/api/threads/{id}/events");
    expect(paths["/api/billing/top-ups"]?.["post"]).toMatchObject({
      "x-permission": "billing:write",
      requestBody: expect.anything(),
    });
  });
});

test("the files of a thread's agent are listed, read as they are and as they were, and nobody else's", async () => {
  const id = await newThread();
  const files = `/api/threads/${id}/files`;
  world.podium.files = new Map([["notes/history", "# Notes"]]);
  const path = encodeURIComponent("notes/history");
  expect(await call("GET", `${files}?path=notes&depth=2`)).toMatchObject({
    status: 200,
    json: { path: "notes", entries: [{ path: "notes/history", kind: "file", size: 7 }] },
  });
  expect((await call("GET", `${files}/content?path=${path}`)).json).toMatchObject({
    file: { content: "# Notes" },
  });
  expect((await call("GET", `${files}/content?path=${path}&iteration=1`)).json).toMatchObject({
    file: { content: "# Notes", iteration: 1 },
  });
  expect((await call("GET", `${files}/history?path=${path}`)).json).toMatchObject({
    iterations: [{ iteration: 1, size: 7 }],
  });
  for (const wrong of ["..%2F..%2Fevents", "%2Fetc%2Fpasswd", "a%5Cb", "", "a%00b"]) {
    expect(await call("GET", `${files}/content?path=${wrong}`)).toMatchObject({ status: 400 });
  }
  expect(await call("GET", `${files}?depth=no`)).toMatchObject({ status: 400 });
  for (const rest of ["", `/content?path=${path}`, `/history?path=${path}`]) {
    expect(await call("GET", `${files}${rest}`, undefined, TOKENS.eve)).toMatchObject({
      status: 404,
      json: { error: { code: "SessionNotFound" } },
    });
  }
  expect(world.podium.strangers).toEqual([]);
});
