/** Traces as a collector receives them: a real HTTP server that reads OTLP, and one that is not there. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { TOKENS, World } from "./support/gateway-process.ts";
import { TestClient } from "./support/test-client.ts";

setDefaultTimeout(60_000);

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: readonly { key: string; value: { stringValue?: string } }[];
}
interface Batch {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Span["attributes"] };
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

/** An OTLP receiver over HTTP. */
class Collector {
  readonly spans: Span[] = [];
  readonly services = new Set<string>();
  readonly refused: string[] = [];
  status = 200;
  readonly #server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const body = await request.text();
      const known =
        new URL(request.url).pathname === "/v1/traces" &&
        request.headers.get("x-collector-key") === "k=1" &&
        request.headers.get("content-type") === "application/json";
      if (!known) this.refused.push(request.url);
      if (!known || this.status !== 200)
        return new Response("no", { status: known ? this.status : 400 });
      for (const { resource, scopeSpans } of (JSON.parse(body) as Batch).resourceSpans) {
        const name = resource.attributes.find(({ key }) => key === "service.name");
        this.services.add(name?.value.stringValue ?? "");
        for (const { spans } of scopeSpans) this.spans.push(...spans);
      }
      return Response.json({});
    },
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  stop(): Promise<void> {
    return this.#server.stop(true);
  }
}

const world = new World();
const collector = new Collector();
afterAll(() => Promise.all([world.stop(), collector.stop()]));

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_500 && !(await condition()); tries += 1) await Bun.sleep(20);
  expect(await condition()).toBe(true);
}

const exporting = (url: string) => [
  `--otlp-endpoint=${url}`,
  "--otlp-headers=x-collector-key=k%3D1",
  "--otlp-interval-ms=50",
];

test("a turn is one trace, from the client's message to Podium; nothing that was said is in it", async () => {
  const gateway = await world.start(...exporting(collector.url));
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const sessionId = await ann.newSession();
  const { turnId } = await ann.ask({ type: "run_turn", sessionId, text: "hi my-secret-words" });
  await ann.untilType("turn_complete");
  const caller = "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01";
  const response = await fetch(`${gateway.url}/api/threads/${sessionId}`, {
    headers: { authorization: `Bearer ${TOKENS.ann}`, traceparent: caller },
  });
  expect(response.headers.get("x-trace-id")).toBe("0123456789abcdef0123456789abcdef");
  await until(
    () =>
      collector.spans.some(({ name }) => name === "run_turn") &&
      collector.spans.some(({ name }) => name === "GET /api/threads/{id}"),
  );
  const spans = collector.spans;
  const root = spans.find(({ name }) => name === "run_turn");
  expect(root?.parentSpanId).toBeUndefined();
  expect(root?.attributes).toContainEqual({
    key: "concert.tenant",
    value: { stringValue: "acme" },
  });
  const inner = spans.filter(({ traceId }) => traceId === root?.traceId);
  expect(inner.map(({ name }) => name)).toContain("Billing.reserve");
  expect(inner.find(({ name }) => name === "runTurn")).toMatchObject({
    parentSpanId: root?.spanId,
  });
  expect(world.podium.traces.get(String(turnId))?.split("-")[1]).toBe(root?.traceId ?? "");
  expect(spans.find(({ name }) => name === "GET /api/threads/{id}")).toMatchObject({
    traceId: "0123456789abcdef0123456789abcdef",
    parentSpanId: "00f067aa0ba902b7",
  });
  expect([...collector.services]).toEqual(["diminuendo-gateway"]);
  expect(JSON.stringify(spans)).not.toContain("my-secret-words");
  expect(JSON.stringify(spans)).not.toContain(TOKENS.ann);
  const health = await fetch(`${gateway.url}/api/health`);
  expect(await health.json()).toMatchObject({ tracing: { state: "exporting" } });
  expect(collector.refused).toEqual([]);
  ann.close();
  await gateway.kill();
});

test("spans that wait are sent before the gateway ends", async () => {
  const gateway = await world.start(...exporting(collector.url), "--otlp-interval-ms=60000");
  const before = collector.spans.length;
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  await ann.ask({ type: "list_sessions" });
  ann.close();
  expect(await gateway.terminate()).toBe(0);
  expect(collector.spans.slice(before).map(({ name }) => name)).toContain("list_sessions");
});

test("a collector that fails or is not there harms nobody; the health report says so", async () => {
  const gone = new Collector();
  await gone.stop();
  collector.status = 500;
  for (const url of [gone.url, collector.url]) {
    const gateway = await world.start(...exporting(url));
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await ann.newSession();
    await ann.ask({ type: "run_turn", sessionId, text: "hi" });
    await ann.untilType("turn_complete");
    await until(async () => {
      const health = await fetch(`${gateway.url}/api/health`);
      const { tracing, dependencies } = (await health.json()) as {
        tracing: { state: string };
        dependencies: { podium: { ok: boolean } };
      };
      return tracing.state === "failing" && dependencies.podium.ok;
    });
    expect(await (await fetch(`${gateway.url}/ready`)).json()).toMatchObject({ ok: true });
    ann.close();
    await gateway.kill();
  }
  collector.status = 200;
});

test("without a collector nothing leaves the process", async () => {
  const gateway = await world.start();
  const health = await fetch(`${gateway.url}/api/health`);
  expect(await health.json()).toMatchObject({ tracing: { state: "off" } });
});
