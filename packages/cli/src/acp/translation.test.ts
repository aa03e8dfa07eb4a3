import { expect, test } from "bun:test";
import type { SessionEvent } from "@concert/sdk";
import { Translation } from "./Translation.ts";

const at = { sessionId: "s", turnId: "t", ts: 1 };
let seq = 0;
const event = (fields: object) => {
  seq += 1;
  return { ...at, seq, ...fields } as SessionEvent;
};
const chunk = (sessionUpdate: string, text: string, messageId?: string) =>
  expect.objectContaining({
    sessionUpdate,
    content: { type: "text", text },
    ...(messageId === undefined ? {} : { messageId }),
  });

function told(events: readonly object[], isOwn = false) {
  const translation = new Translation();
  return events.flatMap((one) => translation.updatesOf(event(one), { isOwn }));
}

test("a message is told once: its deltas, then what they have not told; in a replay all at once", () => {
  const delta = { type: "text_delta", messageId: "m", attempt: 1 };
  const whole = { type: "message_complete", messageId: "m", text: "one two three" };
  expect(told([{ ...delta, text: "one " }, { ...delta, text: "two" }, whole])).toEqual([
    chunk("agent_message_chunk", "one ", "m"),
    chunk("agent_message_chunk", "two", "m"),
    chunk("agent_message_chunk", " three", "m"),
  ]);
  expect(told([whole])).toEqual([chunk("agent_message_chunk", "one two three", "m")]);
});

test("a message that is begun again is another message", () => {
  const delta = { type: "text_delta", messageId: "m" };
  const texts = [
    { ...delta, attempt: 1, text: "half a" },
    { type: "message_restarted", messageId: "m", attempt: 2 },
    { ...delta, attempt: 2, text: "whole" },
    { type: "message_complete", messageId: "m", text: "whole thing" },
  ];
  expect(told(texts)).toEqual([
    chunk("agent_message_chunk", "half a", "m"),
    chunk("agent_message_chunk", "whole", "m#2"),
    chunk("agent_message_chunk", " thing", "m#2"),
  ]);
});

test("a thought, a call and what became of it", () => {
  const call = { toolCallId: "c", toolName: "book", commandId: "cmd" };
  expect(
    told([
      { type: "thinking.start" },
      { type: "thinking.progress", text: "hm" },
      { type: "tool_call_start", ...call },
      { type: "tool_call", ...call, arguments: { city: "Lisbon" } },
      { type: "tool_error", ...call, status: "failed", error: { class: "timeout", message: "no" } },
    ]),
  ).toMatchObject([
    { sessionUpdate: "agent_thought_chunk", content: { text: "hm" } },
    { sessionUpdate: "tool_call", toolCallId: "c", title: "book", status: "pending" },
    { sessionUpdate: "tool_call_update", status: "in_progress", rawInput: { city: "Lisbon" } },
    { sessionUpdate: "tool_call_update", status: "failed", rawOutput: { class: "timeout" } },
  ]);
});

test("a plan is told whole at each of its steps, however its agent writes them", () => {
  const steps = ["look", { step_id: "b", title: "book" }, { id: 7, description: "tell" }];
  const updates = told([
    { type: "plan.created", planId: "p", steps },
    { type: "plan.step_started", planId: "p", stepId: "b" },
    { type: "plan.step_completed", planId: "p", stepId: "b" },
    { type: "plan.step_started", planId: "p", stepId: "late", title: "one more" },
    { type: "plan.revised", planId: "p", steps: "nonsense" },
  ]);
  expect(updates.map((one) => one.sessionUpdate)).toEqual(Array(5).fill("plan"));
  expect(updates.at(-2)).toMatchObject({
    entries: [
      { content: "look", status: "pending" },
      { content: "book", status: "completed" },
      { content: "tell", status: "pending" },
      { content: "one more", status: "in_progress" },
    ],
  });
  expect(updates.at(-1)).toMatchObject({ entries: [] });
});

test("who asked for a turn is not told their own words, nor its failure twice", () => {
  const turn = [
    { type: "user_message", messageId: "u", text: "hi", userId: "ann" },
    { type: "turn_error", code: "timeout", message: "Too late." },
  ];
  expect(told(turn, true)).toEqual([]);
  expect(told(turn)).toEqual([
    chunk("user_message_chunk", "hi", "u"),
    chunk("agent_message_chunk", "This turn failed: Too late. (timeout)"),
  ]);
});

test("a question is told with where to answer it, since this protocol has no form", () => {
  const asked = {
    type: "question_requested",
    requestId: "inp_1",
    questions: [{ text: "Who will stay there?", fields: ["guest_name"] }],
  };
  const [said] = told([{ ...asked, commandId: "cmd_1" }]);
  expect(JSON.stringify(said)).toContain("Who will stay there?");
  expect(JSON.stringify(said)).toContain("concert question answer cmd_1");
  expect(JSON.stringify(told([asked]))).not.toContain("concert question");
});
