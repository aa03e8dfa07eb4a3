/** Whatever an agent's events are and in whatever order they come, AG-UI's own client takes the run. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { type BaseEvent, HttpAgent } from "@ag-ui/client";
import fc from "fast-check";
import type { SessionEvent } from "../../protocol/index.ts";
import type { AgUiEvent } from "./events.ts";
import { Run } from "./Run.ts";

setDefaultTimeout(120_000);

const THREAD = { threadId: "thread", runId: "run", turnId: "turn" };
const id = fc.constantFrom("a", "b");
const text = fc.constantFrom("", "x", "yes ");
const call = { toolCallId: id, toolName: fc.constant("book"), commandId: fc.constant("cmd") };
const of = <T extends SessionEvent["type"]>(
  type: T,
  fields: Record<string, fc.Arbitrary<unknown>>,
) =>
  fc.record({
    type: fc.constant(type),
    turnId: fc.constantFrom("turn", "turn", "turn", "other"),
    ...fields,
  });

const anyEvent = fc.oneof(
  of("text_delta", {
    messageId: id,
    attempt: fc.constantFrom(1, 2),
    text: fc.constantFrom("x", "y "),
  }),
  of("message_started", { messageId: id, attempt: fc.constant(1) }),
  of("message_restarted", { messageId: id, attempt: fc.constant(2) }),
  of("message_complete", { messageId: id, text }),
  of("thinking.start", { text }),
  of("thinking.progress", { text }),
  of("thinking.complete", { text }),
  of("tool_call_start", call),
  of("tool_call", { ...call, arguments: fc.constant({ city: "Lisbon" }) }),
  of("tool_result", { ...call, status: fc.constant("succeeded"), result: fc.constant(1) }),
  of("tool_error", { ...call, status: fc.constant("failed"), error: fc.constant({}) }),
  of("command_status", { ...call, status: fc.constant("running") }),
  of("usage_update", { inputTokens: fc.constant(1), outputTokens: fc.constant(2) }),
  of("session_state", { status: fc.constant("running"), previous: fc.constant("ready") }),
  of("permission_requested", {
    requestId: id,
    commandId: fc.constant("cmd"),
    approvalType: fc.constant("spend"),
    reviewPacket: fc.constant({ action: "Book" }),
    expiresAt: fc.constant(null),
  }),
  of("approval_resolved", {
    requestId: id,
    commandId: fc.constant("cmd"),
    decision: fc.constant("approved"),
  }),
);
const end = fc.constantFrom(
  { type: "turn_complete", turnId: "turn", finalText: "", status: "succeeded", commandId: "cmd" },
  { type: "turn_error", turnId: "turn", code: "agent_failed", message: "It broke." },
);

/** The run as the client's whole machinery hears it; rejects where the client would. */
async function heard(told: readonly AgUiEvent[]): Promise<BaseEvent[]> {
  const lines = told.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
  const answer = () =>
    Promise.resolve(new Response(lines, { headers: { "content-type": "text/event-stream" } }));
  const agent = new HttpAgent({ url: "http://localhost", threadId: "thread", fetch: answer });
  const events: BaseEvent[] = [];
  let refused: unknown;
  await agent
    .runAgent(
      { runId: "run" },
      {
        onEvent: ({ event }) => void events.push(event),
        onRunFailed: ({ error }) => {
          refused = error;
        },
      },
    )
    .catch((error: unknown) => {
      refused = error;
    });
  const failedByUs = told.at(-1)?.type === "RUN_ERROR";
  if (refused !== undefined && !failedByUs) throw refused;
  return events;
}

test("a run of any events is one that AG-UI's client accepts, to its one end", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyEvent, { maxLength: 30 }),
      end,
      fc.nat(30),
      async (some, last, liveAt) => {
        const run = new Run({ ...THREAD, answered: new Set() });
        const told: AgUiEvent[] = [
          { type: "RUN_STARTED", threadId: "thread", runId: "run" },
          { type: "STATE_SNAPSHOT", snapshot: { concert: { status: "ready", waitingFor: null } } },
        ];
        for (const [seq, event] of [...some, last].entries()) {
          if (seq === liveAt) told.push(...run.caughtUp());
          told.push(...run.eventsOf({ ...event, sessionId: "s", seq, ts: 1 } as SessionEvent));
        }
        expect(run.isOver).toBe(true);
        const ends = told.filter(({ type }) => type === "RUN_FINISHED" || type === "RUN_ERROR");
        expect(ends).toHaveLength(1);
        expect(told.at(-1)).toBe(ends[0]);
        expect((await heard(told)).map(({ type }) => String(type))).toEqual(
          told.map(({ type }) => type),
        );
      },
    ),
    { numRuns: 300 },
  );
});
