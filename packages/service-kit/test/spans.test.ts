/** Spans of a process written with promises, as a real OTLP receiver gets them; and a process that sends none. */
import { afterAll, expect, test } from "bun:test";
import { ApiError, createApp, createLogger, NO_SPANS, startSpans } from "../src/index.ts";

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly status: { readonly code?: number };
}

const received: Span[] = [];
const bodies: string[] = [];
const receiver = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: async (request) => {
    const body = await request.text();
    bodies.push(body);
    for (const { scopeSpans } of JSON.parse(body).resourceSpans) {
      for (const { spans } of scopeSpans) received.push(...spans);
    }
    return Response.json({});
  },
});
afterAll(() => receiver.stop(true));

const log = createLogger("test", "silent");
const otlp = (endpoint: string) => ({
  endpoint,
  headers: {},
  serviceName: "a-service",
  exportIntervalMs: 60_000,
});
const CALLER = "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01";
const ready = async () => ({ ready: true, missing: [] });

test("a request is a span of its caller's trace, named by its route; what machines ask is none", async () => {
  const spans = await startSpans(otlp(`http://127.0.0.1:${receiver.port}`), log);
  const app = createApp("a-service", log, ready, spans);
  let inner = "";
  app.get("/things/:id", (context) => {
    inner = context.get("trace").spanId;
    return context.json({});
  });
  app.get("/broken", () => {
    throw new ApiError(409, "no_such_luck", "It cannot be done now.");
  });
  const headers = { traceparent: CALLER };
  const answer = await app.request("/things/my-secret?key=my-secret", { headers });
  expect(answer.headers.get("x-trace-id")).toBe("0123456789abcdef0123456789abcdef");
  expect((await app.request("/broken")).status).toBe(409);
  expect((await app.request("/nowhere")).status).toBe(404);
  await app.request("/health");
  const within = { name: "a call", caller: null, kind: "client" } as const;
  const error = new Error("as it was thrown");
  expect(await spans.within(within, async () => 7)).toBe(7);
  expect(await spans.within(within, () => Promise.reject(error)).catch((one) => one)).toBe(error);
  await spans.stop();
  expect(received.map(({ name }) => name).toSorted()).toEqual([
    "GET (no route)",
    "GET /broken",
    "GET /things/:id",
    "a call",
    "a call",
  ]);
  expect(received.find(({ name }) => name === "GET /things/:id")).toMatchObject({
    traceId: "0123456789abcdef0123456789abcdef",
    parentSpanId: "00f067aa0ba902b7",
    spanId: inner,
  });
  expect(bodies.join("")).toContain("a-service");
  expect(bodies.join("")).not.toContain("my-secret");
});

test("a collector that is not there harms nobody", async () => {
  const spans = await startSpans(otlp("http://127.0.0.1:9"), log);
  const app = createApp("a-service", log, ready, spans);
  app.get("/things", (context) => context.json({ ok: true }));
  expect(await (await app.request("/things")).json()).toEqual({ ok: true });
  await spans.stop();
});

test("without a collector none are made, and calls carry the trace all the same", async () => {
  expect(await startSpans(null, log)).toBe(NO_SPANS);
  const app = createApp("a-service", log, ready);
  const answer = await app.request("/health", { headers: { traceparent: CALLER } });
  expect(answer.headers.get("x-trace-id")).toBe("0123456789abcdef0123456789abcdef");
});
