import { expect, test } from "bun:test";
import * as Schema from "effect/Schema";
import fc from "fast-check";
import { SessionEvent } from "../protocol/index.ts";
import { coalesceDeltas } from "./coalesce.ts";
import type { EventDraft } from "./podium-event.ts";
import { KNOWN_EVENT_TYPES, mapPodiumEvent } from "./podium-event-mapper.ts";

const child = {
  call_id: "call_1",
  tool_name: "hotel_confirm",
  command_id: "cmd_2",
  status: "succeeded",
};
const camel = {
  toolCallId: "call_1",
  toolName: "hotel_confirm",
  commandId: "cmd_2",
  status: "succeeded",
};

/** Each event type of docs/wire.md §4 with the client event of docs/protocol.md that it becomes. */
const TABLE: readonly (readonly [string, unknown, object])[] = [
  ["created", { turn_id: "t", command_id: "cmd_1" }, { type: "turn_started", commandId: "cmd_1" }],
  [
    "stream_start",
    { message_id: "m", attempt: 1 },
    { type: "message_started", messageId: "m", attempt: 1 },
  ],
  [
    "message_restarted",
    { message_id: "m", attempt: 2 },
    { type: "message_restarted", messageId: "m", attempt: 2 },
  ],
  [
    "stream_update",
    { message_id: "m", attempt: 1, text: "x" },
    { type: "text_delta", messageId: "m", attempt: 1, text: "x" },
  ],
  [
    "stream_end",
    { message_id: "m", text: "x" },
    { type: "message_complete", messageId: "m", text: "x" },
  ],
  ["thinking.start", {}, { type: "thinking.start" }],
  ["thinking.progress", { text: "hm" }, { type: "thinking.progress", text: "hm" }],
  ["thinking.complete", { text: null }, { type: "thinking.complete" }],
  [
    "tool.call_start",
    { call_id: "c", tool_name: "n" },
    { type: "tool_call_start", toolCallId: "c", toolName: "n" },
  ],
  [
    "tool.call",
    { call_id: "c", tool_name: "n", arguments: { a: 1 }, command_id: "x" },
    { type: "tool_call", toolCallId: "c", toolName: "n", arguments: { a: 1 } },
  ],
  [
    "tool.command",
    { call_id: "c", command_id: "cmd", task_name: "t" },
    { type: "tool_command", toolCallId: "c", commandId: "cmd", taskName: "t" },
  ],
  [
    "tool.permission_requested",
    {
      request_id: "a",
      command_id: "cmd",
      call_id: "c",
      approval_type: "spend",
      review_packet: { why: "w" },
      expires_at: "2030-01-01T00:00:00.000Z",
    },
    {
      type: "permission_requested",
      requestId: "a",
      commandId: "cmd",
      toolCallId: "c",
      approvalType: "spend",
      reviewPacket: { why: "w" },
      expiresAt: 1893456000000,
    },
  ],
  [
    "tool.approval_resolved",
    { request_id: "a", command_id: "cmd", decision: "approved", decided_by: "ann", reason: "ok" },
    {
      type: "approval_resolved",
      requestId: "a",
      commandId: "cmd",
      decision: "approved",
      decidedBy: "ann",
      reason: "ok",
    },
  ],
  [
    "command.status",
    { command_id: "cmd", call_id: "c", status: "running", task_name: "t" },
    { type: "command_status", commandId: "cmd", toolCallId: "c", status: "running", taskName: "t" },
  ],
  ["tool.result", { ...child, result: [1] }, { type: "tool_result", ...camel, result: [1] }],
  [
    "tool.error",
    { ...child, error: { class: "E", message: "m" } },
    { type: "tool_error", ...camel, error: { class: "E", message: "m" } },
  ],
  [
    "tool.call_delta",
    { call_id: "c", arguments_delta: '{"a"' },
    { type: "tool_call_delta", toolCallId: "c", argumentsDelta: '{"a"' },
  ],
  [
    "tool.question_requested",
    { request_id: "q", questions: [{ text: "Which?" }] },
    { type: "question_requested", requestId: "q", questions: [{ text: "Which?" }] },
  ],
  [
    "tool.question_requested",
    {
      request_id: "inp_1",
      command_id: "cmd_1",
      call_id: "c",
      questions: [{ text: "Who?", fields: ["guest_name"] }],
      answer_schema: { type: "object", required: ["guest_name"] },
      asked_by: "hotel.confirm",
      expires_at: "2030-01-01T00:00:00Z",
    },
    {
      type: "question_requested",
      requestId: "inp_1",
      commandId: "cmd_1",
      toolCallId: "c",
      questions: [{ text: "Who?", fields: ["guest_name"] }],
      answerSchema: { type: "object", required: ["guest_name"] },
      askedBy: "hotel.confirm",
      expiresAt: Date.parse("2030-01-01"),
    },
  ],
  [
    "tool.question_resolved",
    { request_id: "inp_1", command_id: "cmd_1", outcome: "answered", answered_by: "ann" },
    {
      type: "question_resolved",
      requestId: "inp_1",
      commandId: "cmd_1",
      outcome: "answered",
      answeredBy: "ann",
    },
  ],
  [
    "tool.question_resolved",
    { request_id: "inp_1", outcome: "expired" },
    { type: "question_resolved", requestId: "inp_1", outcome: "expired", answeredBy: null },
  ],
  [
    "terminal.stream",
    { terminal_id: "t", stream: "stderr", text: "oh" },
    { type: "terminal.stream", terminalId: "t", stream: "stderr", text: "oh" },
  ],
  [
    "terminal.complete",
    { terminal_id: "t", exit_code: 2 },
    { type: "terminal.complete", terminalId: "t", exitCode: 2 },
  ],
  ["sandbox.provisioning", { detail: "vm" }, { type: "sandbox.provisioning", detail: "vm" }],
  ["sandbox.init", { sandbox_id: "s" }, { type: "sandbox.init", sandboxId: "s" }],
  ["sandbox.removed", {}, { type: "sandbox.removed" }],
  [
    "file_change",
    { path: "a.md", change: "created", iteration: 3 },
    { type: "file.changed", path: "a.md", change: "created", iteration: 3 },
  ],
  ["code_block", { language: "ts", text: "x" }, { type: "code_block", language: "ts", text: "x" }],
  ["plan.created", { plan_id: "p", steps: [1] }, { type: "plan.created", planId: "p", steps: [1] }],
  ["plan.revised", { plan_id: "p" }, { type: "plan.revised", planId: "p", steps: [] }],
  [
    "plan.step_started",
    { plan_id: "p", step_id: "1", title: "t" },
    { type: "plan.step_started", planId: "p", stepId: "1", title: "t" },
  ],
  [
    "plan.step_completed",
    { plan_id: "p", step_id: "1" },
    { type: "plan.step_completed", planId: "p", stepId: "1" },
  ],
  ["memory.extracted", { memories: ["m"] }, { type: "memory.extracted", memories: ["m"] }],
  ["memory.recalled", {}, { type: "memory.recalled", memories: [] }],
  ["context.compacted", { summary: "s" }, { type: "context.compacted", summary: "s" }],
  [
    "subagent.started",
    { subagent_id: "a", title: "t" },
    { type: "subagent.started", subagentId: "a", title: "t" },
  ],
  [
    "subagent.update",
    { subagent_id: "a", text: "x" },
    { type: "subagent.update", subagentId: "a", text: "x" },
  ],
  [
    "subagent.finished",
    { subagent_id: "a", status: "ok" },
    { type: "subagent.finished", subagentId: "a", status: "ok" },
  ],
  ["steered", { steer_id: "st" }, { type: "steer_applied", steerId: "st" }],
  [
    "usage",
    { input_tokens: 1, output_tokens: 2 },
    { type: "usage_update", inputTokens: 1, outputTokens: 2 },
  ],
  [
    "complete",
    { final_text: "x", status: "succeeded", usage: {}, command_id: "cmd" },
    { type: "turn_complete", finalText: "x", status: "succeeded", commandId: "cmd" },
  ],
  [
    "error",
    { code: "c", message: "m", command_id: "cmd" },
    { type: "turn_error", code: "c", message: "m" },
  ],
];

test("the table covers every kind the mapper knows", () => {
  const covered = new Set(TABLE.map(([kind]) => kind));
  expect([...covered].sort()).toEqual([...KNOWN_EVENT_TYPES].sort());
});

for (const [eventType, content, expected] of TABLE) {
  test(`${eventType} → ${(expected as { type: string }).type}`, () => {
    const event = { eventId: 1, eventType, turnId: "turn_1", content };
    expect(mapPodiumEvent(event)).toEqual([{ ...expected, turnId: "turn_1" } as EventDraft]);
  });
}

test("a known kind that lacks what it promises is carried on as unknown", () => {
  const event = { eventId: 1, eventType: "stream_update", turnId: "t", content: { text: 5 } };
  expect(mapPodiumEvent(event)).toEqual([
    { type: "unknown_event", turnId: "t", eventType: "stream_update", content: { text: 5 } },
  ]);
});

const isSessionEvent = Schema.is(SessionEvent);
const anyContent = fc.oneof(
  fc.jsonValue(),
  fc.dictionary(
    fc.constantFrom(
      "message_id",
      "attempt",
      "text",
      "call_id",
      "tool_name",
      "command_id",
      "status",
      "code",
    ),
    fc.jsonValue(),
  ),
);

test("any event whatever becomes exactly one valid client event", () => {
  const anyEvent = fc.record({
    eventId: fc.nat(),
    eventType: fc.oneof(
      fc.string(),
      fc.constantFrom(...KNOWN_EVENT_TYPES, "__proto__", "constructor"),
    ),
    turnId: fc.oneof(fc.constant(null), fc.string()),
    content: anyContent,
  });
  fc.assert(
    fc.property(anyEvent, (event) => {
      const drafts: readonly EventDraft[] = mapPodiumEvent(event);
      expect(drafts).toHaveLength(1);
      for (const draft of drafts) {
        const wire = JSON.parse(JSON.stringify({ ...draft, sessionId: "s", seq: 1, ts: 0 }));
        expect(isSessionEvent(wire)).toBe(true);
        if (draft.type === "unknown_event") expect(draft.eventType).toBe(event.eventType);
      }
    }),
    { numRuns: 500 },
  );
});

test("joining deltas never changes what a client would read", () => {
  const delta = fc.record({
    type: fc.constant("text_delta" as const),
    messageId: fc.constantFrom("m1", "m2"),
    attempt: fc.constantFrom(1, 2),
    text: fc.string({ maxLength: 3_000 }),
  });
  const other = fc.record({ type: fc.constant("thinking.start" as const), text: fc.string() });
  fc.assert(
    fc.property(fc.array(fc.oneof(delta, other), { maxLength: 30 }), (drafts) => {
      const read = (list: readonly EventDraft[]) => {
        const texts = new Map<string, string>();
        for (const d of list) {
          if (d.type !== "text_delta") continue;
          const place = `${d.messageId}/${d.attempt}`;
          texts.set(place, (texts.get(place) ?? "") + d.text);
        }
        return [...texts];
      };
      const merged = coalesceDeltas(drafts);
      expect(read(merged)).toEqual(read(drafts));
      expect(merged.filter((d) => d.type !== "text_delta")).toEqual(
        drafts.filter((d) => d.type !== "text_delta"),
      );
    }),
  );
});
