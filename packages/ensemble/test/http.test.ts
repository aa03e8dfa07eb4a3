/** Ensemble over real HTTP: keys, bad input, parity of generate and stream, failures, clients that leave. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createLogger } from "@concert/service-kit";
import { createEnsemble } from "../src/api/app.ts";
import { buildCatalog, OFFLINE_MODEL_ID } from "../src/catalog/catalog.ts";
import { Engine } from "../src/inference/engine.ts";
import { Metrics } from "../src/inference/metrics.ts";
import type { Block, InferenceResponse } from "../src/inference/types.ts";
import { createOfflineProvider } from "../src/providers/offline/offline-provider.ts";
import { createOpenAiCompatibleProvider } from "../src/providers/openai-compatible.ts";
import { CHAT_MODELS, startChatServer } from "./chat-server.ts";
import { HOTEL_TOOLS, TODAY } from "./conversation-driver.ts";

const KEY = "ens_test";
const ASK = {
  messages: [{ role: "user", content: "Book a hotel in Lisbon from 3 to 5 March for 2" }],
  tools: HOTEL_TOOLS,
};

let chat: ReturnType<typeof startChatServer>;
let server: ReturnType<typeof Bun.serve>;

beforeEach(() => {
  chat = startChatServer();
  const metrics = new Metrics();
  const log = createLogger("test", "silent");
  const engine = new Engine({
    catalog: buildCatalog(
      CHAT_MODELS,
      new Map([["plain", { inputPerMillion: 2.5, outputPerMillion: 10 }]]),
    ),
    providers: {
      offline: createOfflineProvider({ tokenDelayMs: 0, todayIso: () => TODAY }),
      "openai-compatible": createOpenAiCompatibleProvider({
        baseUrl: chat.baseUrl,
        apiKey: "sk-secret",
      }),
    },
    limits: { totalMs: 20_000, idleMs: 20_000, outputCharsMax: 100_000 },
    concurrentMax: 2,
    metrics,
    log,
    nowMs: Date.now,
  });
  const app = createEnsemble({
    engine,
    metrics,
    apiKeys: ["ens_other", KEY],
    defaultModel: OFFLINE_MODEL_ID,
    log,
  });
  server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: (request) => app.fetch(request) });
});
afterEach(async () => {
  await server.stop(true);
  await chat.stop();
});

function post(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(new URL(path, server.url), {
    method: "POST",
    ...init,
    headers: {
      authorization: `Bearer ${KEY}`,
      "content-type": "application/json",
      ...init.headers,
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

async function errorOf(response: Response) {
  const { error } = (await response.json()) as {
    error: { code: string; message: string; trace_id: string; details: unknown };
  };
  return { status: response.status, ...error };
}

interface Event {
  readonly event: string;
  readonly data: unknown;
}

async function eventsOf(response: Response): Promise<readonly Event[]> {
  return (await response.text())
    .split("\n\n")
    .filter((frame) => frame !== "")
    .map((frame) => ({
      event: /^event: (.*)$/m.exec(frame)?.[1] ?? "",
      data: JSON.parse(/^data: (.*)$/m.exec(frame)?.[1] ?? "null"),
    }));
}

describe("who may ask", () => {
  test("every route under /api wants a key; each of the keys will do", async () => {
    for (const path of ["/api/v1/models", "/api/v1/generate", "/api/v1/stream"]) {
      const refused = await fetch(new URL(path, server.url), {
        headers: { authorization: "Bearer no" },
      });
      expect(await errorOf(refused)).toMatchObject({ status: 401, code: "unauthorized" });
    }
    const other = await post("/api/v1/generate", ASK, {
      headers: { authorization: "Bearer ens_other" },
    });
    expect(other.status).toBe(200);
  });

  test("health, readiness, metrics and the API document are open", async () => {
    for (const path of ["/health", "/ready", "/metrics", "/openapi.json"]) {
      expect((await fetch(new URL(path, server.url))).status).toBe(200);
    }
    const document = (await (await fetch(new URL("/openapi.json", server.url))).json()) as {
      paths: object;
    };
    expect(Object.keys(document.paths)).toEqual([
      "/api/v1/models",
      "/api/v1/generate",
      "/api/v1/stream",
    ]);
  });
});

describe("bad input", () => {
  test.each([
    [{}, "messages"],
    [{ messages: [] }, "messages"],
    [{ messages: [{ role: "wizard", content: "" }] }, "messages.0.role"],
    [{ messages: [{ role: "user" }] }, "messages.0.content"],
    [{ messages: [{ role: "tool", content: "{}" }] }, "tool_call_id"],
    [{ messages: [{ role: "user", content: "", tool_calls: [] }] }, "tool_calls"],
    [{ ...ASK, temperature: 3 }, "temperature"],
    [{ ...ASK, max_tokens: 0 }, "max_tokens"],
    [{ ...ASK, tools: [{ name: "a b", description: "", input_schema: {} }] }, "tools.0.name"],
  ])("%j is refused, naming %s", async (body, field) => {
    for (const path of ["/api/v1/generate", "/api/v1/stream"]) {
      const error = await errorOf(await post(path, body));
      expect(error).toMatchObject({ status: 400, code: "invalid_request" });
      expect(error.message).toContain(field);
      expect(error.trace_id).toMatch(/^[0-9a-f]{32}$/);
    }
  });

  test("broken JSON, a missing body, an odd request id", async () => {
    expect(await errorOf(await post("/api/v1/generate", "{"))).toMatchObject({
      status: 400,
      code: "invalid_json",
    });
    expect((await post("/api/v1/generate", "")).status).toBe(400);
    const odd = await post("/api/v1/generate", ASK, { headers: { "x-request-id": "a b" } });
    expect(await errorOf(odd)).toMatchObject({ status: 400, code: "invalid_request" });
  });

  test("an oversize body is refused with 413, an oversize message with 400", async () => {
    const huge = { messages: [{ role: "user", content: "x".repeat(1_100_000) }] };
    expect(await errorOf(await post("/api/v1/generate", huge))).toMatchObject({
      status: 413,
      code: "request_too_large",
    });
    const long = { messages: [{ role: "user", content: "x".repeat(300_000) }] };
    expect((await errorOf(await post("/api/v1/generate", long))).code).toBe("invalid_request");
  });

  test("an unknown model is named, and so are the known ones", async () => {
    for (const path of ["/api/v1/generate", "/api/v1/stream"]) {
      const error = await errorOf(await post(path, { ...ASK, model: "gpt-99" }));
      expect(error).toMatchObject({ status: 404, code: "unknown_model" });
      expect(error.message).toContain(OFFLINE_MODEL_ID);
    }
  });
});

describe("answers", () => {
  test("models", async () => {
    const response = await fetch(new URL("/api/v1/models", server.url), {
      headers: { authorization: `Bearer ${KEY}` },
    });
    const { items } = (await response.json()) as { items: object[] };
    expect(items[0]).toEqual({
      id: OFFLINE_MODEL_ID,
      provider: "offline",
      title: expect.any(String),
      capabilities: { streaming: true, tools: true },
    });
    expect(items).toHaveLength(CHAT_MODELS.length + 1);
  });

  test("generate and stream give the same, and the pieces of the stream make up the whole", async () => {
    const headers = { "x-request-id": "req-1" };
    const whole = await post("/api/v1/generate", ASK, { headers });
    const generated = (await whole.json()) as InferenceResponse;
    const streamed = await post("/api/v1/stream", ASK, { headers });
    expect(streamed.headers.get("content-type")).toContain("text/event-stream");
    expect(streamed.headers.get("x-request-id")).toBe("req-1");
    const events = await eventsOf(streamed);
    const pieces = events.filter(({ event }) => event === "block").map(({ data }) => data as Block);
    const text = pieces.map((piece) => (piece.type === "text" ? piece.text : "")).join("");
    expect(generated).toMatchObject({
      id: "req-1",
      model: OFFLINE_MODEL_ID,
      stop_reason: "tool_calls",
      cost: "0.000000",
    });
    expect(events.at(-1)).toEqual({ event: "done", data: generated });
    expect(generated.blocks).toEqual([
      { type: "text", text },
      ...pieces.filter((piece) => piece.type === "tool_call"),
    ]);
    expect(pieces.length).toBeGreaterThan(5);
    expect(generated.output_tokens).toBeGreaterThan(0);
  });

  test("cost comes from the price table: 11 in at 2.50, 7 out at 10.00 a million", async () => {
    const response = await post("/api/v1/generate", { ...ASK, model: "plain" });
    expect(await response.json()).toMatchObject({
      input_tokens: 11,
      output_tokens: 7,
      cost: "0.000098",
    });
  });

  test("max_tokens and stop sequences hold for the offline model", async () => {
    const hello = { messages: [{ role: "user", content: "hello" }] };
    const short = (await (
      await post("/api/v1/generate", { ...hello, max_tokens: 3 })
    ).json()) as InferenceResponse;
    expect(short.stop_reason).toBe("max_tokens");
    expect(short.output_tokens).toBeLessThanOrEqual(3);
    const stopped = await (
      await post("/api/v1/generate", { ...hello, stop_sequences: [" I am"] })
    ).json();
    expect(stopped).toMatchObject({
      stop_reason: "end_turn",
      blocks: [{ type: "text", text: "Hello!" }],
    });
  });
});

describe("provider failures", () => {
  test.each([
    ["limited", 429, "rate_limited"],
    ["failing", 502, "provider_failed"],
    ["denied", 502, "provider_failed"],
    ["malformed_first", 502, "provider_failed"],
  ])("%s before the first block is plain HTTP %i %s", async (model, status, code) => {
    for (const path of ["/api/v1/generate", "/api/v1/stream"]) {
      const response = await post(path, { ...ASK, model });
      expect(response.headers.get("retry-after")).toBe(status === 429 ? "7" : null);
      expect(await errorOf(response)).toMatchObject({ status, code });
    }
  });

  test("after the first block it is an error event", async () => {
    const response = await post("/api/v1/stream", { ...ASK, model: "dropped" });
    chat.open();
    const events = await eventsOf(response);
    expect(events[0]).toEqual({ event: "block", data: { type: "text", text: "half" } });
    expect(events.at(-1)).toMatchObject({
      event: "error",
      data: { error: { code: "provider_failed", details: { retryable: true } } },
    });
  });

  test("one generation too many is refused with 429, and room comes back", async () => {
    const busy = [
      post("/api/v1/stream", { ...ASK, model: "gated" }),
      post("/api/v1/stream", { ...ASK, model: "gated" }),
    ];
    await Promise.all(busy);
    const refused = await post("/api/v1/generate", ASK);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(await errorOf(refused)).toMatchObject({ status: 429, code: "rate_limited" });
    chat.open();
    for (const response of busy)
      expect((await eventsOf(await response)).at(-1)?.event).toBe("done");
    expect((await post("/api/v1/generate", ASK)).status).toBe(200);
  });
});

test("a client that leaves in mid-stream: the call runs to its end, is counted, and the server stays well", async () => {
  const leave = new AbortController();
  const response = await post(
    "/api/v1/stream",
    { ...ASK, model: "gated" },
    { signal: leave.signal },
  );
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toContain("first");
  leave.abort();
  await reader?.read().catch(() => {});
  chat.open();
  const counted = 'ensemble_requests_total{model="gated",outcome="ok"} 1';
  let metrics = "";
  while (!metrics.includes(counted))
    metrics = await (await fetch(new URL("/metrics", server.url))).text();
  expect(metrics).toContain("ensemble_generations_in_flight 0");
  expect((await post("/api/v1/generate", ASK)).status).toBe(200);
});

test("metrics count requests, tokens and latency by model", async () => {
  await (await post("/api/v1/generate", { ...ASK, model: "plain" })).json();
  await (await post("/api/v1/generate", { ...ASK, model: "limited" })).json();
  const metrics = await (await fetch(new URL("/metrics", server.url))).text();
  for (const line of [
    'ensemble_requests_total{model="plain",outcome="ok"} 1',
    'ensemble_requests_total{model="limited",outcome="rate_limited"} 1',
    'ensemble_tokens_total{model="plain",direction="input"} 11',
    'ensemble_tokens_total{model="plain",direction="output"} 7',
    'ensemble_generation_duration_seconds_bucket{model="plain",le="+Inf"} 1',
    'ensemble_generation_duration_seconds_count{model="plain"} 1',
  ]) {
    expect(metrics).toContain(line);
  }
});
