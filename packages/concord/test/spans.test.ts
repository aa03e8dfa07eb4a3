/** Spans beside the record: the same story for a collector, and nothing hangs on it. */
import { createServer, type Server } from "node:http";
import { SpanStatusCode, trace } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Command, encodeId, type Thought } from "../src/index.ts";
import { startTracing } from "../src/server/tracing.ts";
import { ANNA, type Harness, startHarness, TRACE } from "./support/harness.ts";

const exporter = new InMemorySpanExporter();
/** Somebody else's processor that fails: nothing may hang on it. */
const broken: SpanProcessor = {
  onStart: () => undefined,
  onEnd: () => undefined,
  forceFlush: () => Promise.reject(new Error("the collector is away")),
  shutdown: () => Promise.resolve(),
};
const use = (...spanProcessors: SpanProcessor[]) => {
  trace.disable();
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }));
};

let h: Harness;
beforeAll(async () => {
  h = await startHarness({
    agent: {
      think: async (): Promise<Thought> => ({
        kind: "moved",
        usage: { inputTokens: 7, outputTokens: 5 },
        move: { kind: "final", messageId: "m", text: "a secret thought" },
      }),
    },
  });
});
afterAll(() => h.stop());

const of = (command: Command) =>
  exporter
    .getFinishedSpans()
    .filter(
      (one) => one.attributes["concord.command_id"] === encodeId("command", command.commandId),
    );
const named = (spans: readonly ReadableSpan[]) => spans.map(({ name }) => name);
const types = (command: Command) => h.eventTypes(command);

test("AUD-14 a submission and each call is a span of the command's own trace, beside the events that say the same", async () => {
  use(new SimpleSpanProcessor(exporter), broken);
  const { command } = await h.submit({ item: "a-lamp" });
  expect((await h.settled(command)).status).toBe("succeeded");
  const spans = of(command);
  expect(named(spans)).toEqual(["command.submit", "shop.buy"]);
  for (const span of spans) expect(span.spanContext().traceId).toBe(TRACE);
  expect(spans[1]?.attributes).toMatchObject({
    "concord.connector": "shop",
    "concord.side_effect": true,
    "concord.ok": true,
    "concord.reconciled": false,
  });
  // Not instead: the record has them as before.
  const found = await types(command);
  expect(found).toEqual(expect.arrayContaining(["command_created", "connector_called"]));
  // And neither payloads nor people stand in them.
  const told = JSON.stringify(
    spans.map(({ attributes, name, status }) => [name, attributes, status]),
  );
  for (const inside of ["a-lamp", "anna", "vendor-dev"]) expect(told).not.toContain(inside);
});

test("AUD-14 the vendor is told the span of the call, so that its own stand under it", async () => {
  const { command } = await h.submit();
  await h.settled(command);
  const span = of(command).find(({ name }) => name === "shop.buy");
  const sent = h.vendor.traceparents.at(-1);
  expect(sent).toBe(`00-${TRACE}-${span?.spanContext().spanId}-01`);
});

test("AUD-14 each attempt is a span with the class of what went wrong, and a thought is one with its tokens", async () => {
  h.vendor.faults.push("error_before", "error_before");
  const { command } = await h.submit();
  expect((await h.settled(command)).status).toBe("succeeded");
  const calls = of(command).filter(({ name }) => name === "shop.buy");
  expect(calls.map(({ status }) => status)).toEqual([
    { code: SpanStatusCode.ERROR, message: "transient_connector_error" },
    { code: SpanStatusCode.ERROR, message: "transient_connector_error" },
    { code: SpanStatusCode.UNSET },
  ]);
  const payload = {
    agent_type: "a",
    instance_id: "i",
    session_id: "s",
    turn_id: "t",
    text: "hello",
    history: [],
  };
  const asked = { payload, principal: ANNA, ingress: "api_request", traceId: TRACE } as const;
  const turn = await h.concord.commands.submit({ taskName: "agent.turn", ...asked });
  await h.settled(turn.command);
  const thought = of(turn.command).find(({ name }) => name === "agent.think");
  expect(thought?.attributes).toMatchObject({
    "concord.outcome": "moved",
    "concord.input_tokens": 7,
    "concord.output_tokens": 5,
  });
});

test("AUD-14 without anybody who collects, the record is the same and no span is kept", async () => {
  trace.disable();
  exporter.reset();
  const before = h.vendor.traceparents.length;
  const { command } = await h.submit();
  const { command: other } = await h.submit();
  expect((await h.settled(command)).status).toBe("succeeded");
  expect((await h.settled(other)).status).toBe("succeeded");
  expect(exporter.getFinishedSpans()).toEqual([]);
  // Each call has a name of its own all the same.
  const sent = h.vendor.traceparents.slice(before);
  expect(new Set(sent).size).toBe(2);
  const ofCommand = command.commandId.replaceAll("-", "").slice(16);
  expect(sent.join()).not.toContain(ofCommand);
  expect(await types(command)).toContain("connector_called");
});

test("AUD-14 the server sends its spans to the collector that is named, under its name, with its headers", async () => {
  trace.disable();
  const received: { path: string; key: unknown; body: string }[] = [];
  const collector: Server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += String(chunk);
    });
    request.on("end", () => {
      received.push({ path: request.url ?? "", key: request.headers["x-key"], body });
      response.end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  const address = collector.address();
  const port = typeof address === "object" ? address?.port : 0;
  const stop = await startTracing({
    endpoint: `http://127.0.0.1:${port}/`,
    headers: { "x-key": "of-the-collector" },
    serviceName: "concord-test",
  });
  await h.submit();
  await stop();
  trace.disable();
  await new Promise((resolve) => collector.close(resolve));
  expect(received[0]).toMatchObject({ path: "/v1/traces", key: "of-the-collector" });
  expect(received[0]?.body).toContain("command.submit");
  expect(received[0]?.body).toContain("concord-test");
});
