/** One turn as a collector sees it: spans of every process, in one trace, down to the call of the hotel, and nothing that was said. */
import { afterAll, expect, test } from "bun:test";
import { startCollector } from "./support/collector.ts";
import { GatewayWitness } from "./support/GatewayWitness.ts";
import { approve, askForBooking, completionOf } from "./support/journey.ts";
import {
  eventually,
  START_TIMEOUT_MS,
  startTestStack,
  TEST_TIMEOUT_MS,
  type TestStack,
} from "./support/stack.ts";

const collector = startCollector();
let stack: TestStack | undefined;
afterAll(async () => {
  await stack?.dispose();
  await collector.stop();
}, START_TIMEOUT_MS);

test(
  "a booking is one trace through the gateway, Podium, Concord, Ensemble and the hotel's connector",
  async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: "100" };
    stack = await startTestStack({ env });
    const witness = new GatewayWitness(stack.urls.diminuendo);
    await witness.connect();
    const sessionId = await askForBooking(witness);
    await approve(witness, sessionId);
    await completionOf(witness);
    witness.close();
    const { spans } = collector;
    const turn = await eventually("the turn's span", () =>
      spans.find(({ name, service }) => name === "run_turn" && service === "diminuendo-gateway"),
    );
    const has = (service: string, name: RegExp) =>
      spans.some(
        (one) => one.traceId === turn.traceId && one.service === service && name.test(one.name),
      );
    await eventually("all of the trace", () => {
      const all =
        has("podium", /^POST \/internal\/v1\/agent-steps$/) &&
        has("concord", /^command\.submit$/) &&
        has("ensemble", /^POST \/api\//) &&
        has("concord", /\.confirm$|\.book/);
      return all ? true : undefined;
    }).catch((error: unknown) => {
      const seen = spans.map(({ service, name, traceId }) => `${traceId} ${service} ${name}`);
      throw new Error(`${String(error)}\nof ${turn.traceId}:\n${[...new Set(seen)].join("\n")}`);
    });
    expect(JSON.stringify(spans)).not.toContain("Miramar");
    const watched = spans.filter(({ name }) => /\/(health|ready|metrics)$/.test(name));
    expect(watched.filter(({ service }) => service !== "diminuendo-gateway")).toEqual([]);
  },
  START_TIMEOUT_MS + TEST_TIMEOUT_MS,
);
