/** Spans beside the record: the same story for a collector, and nothing hangs on it. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  type Command,
  encodeId,
  type SpanAttributes,
  type SpanMaker,
  type Thought,
} from "../src/index.ts";
import { ANNA, type Harness, startHarness, TRACE } from "./support/harness.ts";

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: Record<string, string | number | boolean>;
}

const spans: Span[] = [];
const recorder: SpanMaker = {
  within: async ({ name, caller, attributes = {} }, work) => {
    const place = {
      traceId: caller?.traceId ?? "none",
      spanId: (spans.length + 1).toString(16).padStart(16, "a"),
    };
    const span: Span = { name, ...place, attributes: { ...attributes } };
    spans.push(span);
    return work(place, (found: SpanAttributes) => void Object.assign(span.attributes, found));
  },
};
const agentRuntime = {
  think: async (): Promise<Thought> => ({
    kind: "moved",
    usage: { inputTokens: 7, outputTokens: 5 },
    move: { kind: "final", messageId: "m", text: "a secret thought" },
  }),
};

let h: Harness;
beforeAll(async () => {
  h = await startHarness({ agent: agentRuntime, spans: recorder });
});
afterAll(() => h.stop());
beforeEach(() => {
  spans.length = 0;
});

const of = (command: Command) =>
  spans.filter(
    (one) => one.attributes["concord.command_id"] === encodeId("command", command.commandId),
  );

test("AUD-14 a submission and each call is a span of the command's own trace, beside the events that say the same", async () => {
  const { command } = await h.submit({ item: "a-lamp" });
  expect((await h.settled(command)).status).toBe("succeeded");
  const found = of(command);
  expect(found.map(({ name }) => name)).toEqual(["command.submit", "shop.buy"]);
  for (const span of found) expect(span.traceId).toBe(TRACE);
  expect(found[1]?.attributes).toMatchObject({
    "concord.connector": "shop",
    "concord.side_effect": true,
    "concord.ok": true,
    "concord.reconciled": false,
  });
  // Not instead: the record has them as before.
  const events = await h.eventTypes(command);
  expect(events).toEqual(expect.arrayContaining(["command_created", "connector_called"]));
  // And neither payloads nor people stand in them.
  const told = JSON.stringify(found);
  for (const inside of ["a-lamp", "anna", "vendor-dev"]) expect(told).not.toContain(inside);
});

test("AUD-14 the vendor is told the span of the call, so that its own stand under it", async () => {
  const { command } = await h.submit();
  await h.settled(command);
  const span = of(command).find(({ name }) => name === "shop.buy");
  expect(h.vendor.traceparents.at(-1)).toBe(`00-${TRACE}-${span?.spanId}-01`);
});

test("AUD-14 each attempt is a span with the class of what went wrong, and a thought is one with its tokens", async () => {
  h.vendor.faults.push("error_before", "error_before");
  const { command } = await h.submit();
  expect((await h.settled(command)).status).toBe("succeeded");
  const calls = of(command).filter(({ name }) => name === "shop.buy");
  expect(calls.map(({ attributes }) => attributes["error.type"])).toEqual([
    "transient_connector_error",
    "transient_connector_error",
    undefined,
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
  expect(JSON.stringify(spans)).not.toContain("a secret thought");
});

test("AUD-14 without anybody who collects, the record is the same, and each call has a name of its own all the same", async () => {
  await h.stop();
  h = await startHarness({ agent: agentRuntime });
  const submitted = [await h.submit(), await h.submit()];
  for (const { command } of submitted) {
    expect((await h.settled(command)).status).toBe("succeeded");
    expect(await h.eventTypes(command)).toContain("connector_called");
  }
  expect(new Set(h.vendor.traceparents).size).toBe(2);
  expect(spans).toEqual([]);
});
