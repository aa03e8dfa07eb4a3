/**
 * The same journey through other doors, over every process: an editor that speaks the Agent Client Protocol, a web client
 * that speaks AG-UI, and a collector that sees the trace under which Concord keeps its record.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { HttpAgent } from "@ag-ui/client";
import { type Span, startCollector } from "./support/collector.ts";
import { concordOf, itemsOf, person } from "./support/concord.ts";
import { withEditor } from "./support/editor.ts";
import { GatewayWitness } from "./support/GatewayWitness.ts";
import { REQUEST, recordOf } from "./support/journey.ts";
import {
  eventually,
  START_TIMEOUT_MS,
  startTestStack,
  TEST_TIMEOUT_MS,
  type TestStack,
} from "./support/stack.ts";
import { vendorOf } from "./support/vendor.ts";

const collector = startCollector();
let stack: TestStack;
let witness: GatewayWitness;

beforeAll(async () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: "100" };
  stack = await startTestStack({ env });
  witness = new GatewayWitness(stack.urls.diminuendo);
  await witness.connect();
}, START_TIMEOUT_MS);

afterAll(async () => {
  witness?.close();
  await stack?.dispose();
  await collector.stop();
}, START_TIMEOUT_MS);

const confirmed = async () =>
  (await vendorOf(stack).bookings()).filter(({ status }) => status === "confirmed");

test(
  "an editor asks, its person approves, one booking is made, and Concord's record is of that person and trace",
  async () => {
    const shown: string[] = [];
    await withEditor(
      stack,
      async ({ toolCall }) => {
        shown.push(JSON.stringify(toolCall.content));
        expect(await confirmed()).toEqual([]);
        return "approved";
      },
      async ({ agent, updates }) => {
        const { sessionId } = await agent.request("session/new", { cwd: "/tmp", mcpServers: [] });
        const prompt = [{ type: "text" as const, text: REQUEST }];
        expect(await agent.request("session/prompt", { sessionId, prompt })).toEqual({
          stopReason: "end_turn",
        });
        expect(shown).toHaveLength(1);
        expect(shown[0]).toContain("Grand Hotel Miramar");
        const [booking] = await confirmed();
        const said = updates
          .flatMap((one) => (one.sessionUpdate === "agent_message_chunk" ? [one.content] : []))
          .map((content) => (content.type === "text" ? content.text : ""))
          .join("");
        expect(said).toContain(booking?.confirmation_code ?? "a code");
        await expectTraced(sessionId);
      },
    );
    expect(await confirmed()).toHaveLength(1);
  },
  TEST_TIMEOUT_MS,
);

/**
 * Every row of the record is of a trace that the collector saw begin: the turn with all that the agent called, or the
 * person's decision.
 */
async function expectTraced(sessionId: string): Promise<void> {
  const log = await witness.readLog(sessionId);
  const commandId = String(log.find(({ type }) => type === "turn_started")?.["commandId"]);
  const resolved = log.find(({ type }) => type === "approval_resolved");
  expect(resolved).toMatchObject({ decision: "approved", decidedBy: witness.identity.userId });
  const owner = person(witness.identity.tenantId, witness.identity.userId);
  // The turn is all that has happened here: its command, the agent's calls, the approval.
  const audit = await concordOf(stack, owner)("/audit/events?limit=100");
  expect(audit.status).toBe(200);
  const rows = itemsOf(audit);
  expect(rows.length).toBeGreaterThan(3);
  const traceOf = (name: string) =>
    eventually(`the span of ${name}`, () => collector.spans.find((one) => one.name === name));
  const [turn, decision] = [await traceOf("run_turn"), await traceOf("answer_question")];
  expect(turn.parentSpanId).toBeUndefined();
  const isOf = (span: Span) => rows.filter((row) => row["trace_id"] === span.traceId);
  expect(isOf(turn).map((row) => row["event_type"])).toContain("effect_planned");
  expect(isOf(turn).map((row) => row["command_id"])).toContain(commandId);
  expect(isOf(turn).length + isOf(decision).length).toBe(rows.length);
  const entries = await recordOf(stack, commandId);
  expect(entries.some(({ kind }) => kind === "approval")).toBe(true);
}

test(
  "a web client's run ends with the approval, the next run resumes it, and one more booking is made",
  async () => {
    const before = await confirmed();
    const agent = new HttpAgent({
      url: `${stack.urls.diminuendo}/api/ag-ui/concierge`,
      threadId: `web-${crypto.randomUUID()}`,
    });
    agent.addMessage({ id: "1", role: "user", content: REQUEST.replace("March", "May") });
    await agent.runAgent();
    const [interrupt] = agent.pendingInterrupts;
    expect(interrupt).toMatchObject({ reason: "approval", message: expect.any(String) });
    expect(await confirmed()).toEqual(before);
    const { result } = await agent.runAgent({
      resume: [
        {
          interruptId: interrupt?.id ?? "",
          status: "resolved",
          payload: { decision: "approved" },
        },
      ],
    });
    const after = await confirmed();
    expect(after).toHaveLength(before.length + 1);
    const codes = after.map(({ confirmation_code }) => String(confirmation_code));
    expect(codes.some((code) => String(result.finalText).includes(code))).toBe(true);
  },
  TEST_TIMEOUT_MS,
);
