/** The conversation a model is shown. */
import { expect, test } from "bun:test";
import { conversationOf } from "./conversation.ts";

const step = {
  step_key: "k",
  command_id: "cmd_1",
  instance_id: "i1",
  agent_type: "concierge",
  turn_id: "t1",
  step_index: 1,
  text: "Book it",
  history: [{ role: "user" as const, content: "hello" }],
  tools: [],
  transcript: [],
};
const observation = {
  kind: "observation" as const,
  call_id: "call_1",
  tool_name: "hotel_search",
  command_id: "cmd_2",
};

test("a transcript becomes alternating calls and answers, tied by call_id", () => {
  const calls = [{ call_id: "call_1", tool_name: "hotel_search", arguments: { city: "Rome" } }];
  const messages = conversationOf(
    {
      ...step,
      transcript: [
        { kind: "move", move: { kind: "tool_calls", message_id: "m", calls } },
        { ...observation, status: "succeeded", result: { offers: [1] } },
      ],
    },
    "Be kind.",
  );
  expect(messages).toEqual([
    { role: "system", content: "Be kind." },
    { role: "user", content: "hello" },
    { role: "user", content: "Book it" },
    {
      role: "assistant",
      content: "",
      tool_calls: [{ id: "call_1", name: "hotel_search", arguments: { city: "Rome" } }],
    },
    {
      role: "tool",
      tool_call_id: "call_1",
      name: "hotel_search",
      content: '{"status":"succeeded","result":{"offers":[1]}}',
    },
  ]);
});

test("a call that did not succeed tells the model how it ended and why", () => {
  const error = { class: "approval_rejected", message: "too dear" };
  const rejected = { ...observation, status: "failed", error };
  const last = conversationOf({ ...step, transcript: [rejected] }, "").at(-1);
  expect(JSON.parse(last?.content ?? "")).toEqual({ status: "failed", error });
});

test("a huge result is cut and says so", () => {
  const huge = { ...observation, status: "succeeded", result: "x".repeat(100_000) };
  const content = conversationOf({ ...step, transcript: [huge] }, "").at(-1)?.content ?? "";
  expect(content.length).toBeLessThan(33_000);
  expect(JSON.parse(content).result).toEndWith("[68002 more characters left out]");
});

test("words said into a turn stand where they were first read", () => {
  const calls = [{ call_id: "call_1", tool_name: "hotel_search", arguments: {} }];
  const transcript = [
    { kind: "move" as const, move: { kind: "tool_calls" as const, message_id: "m", calls } },
    { ...observation, status: "succeeded", result: 1 },
  ];
  const steers = [
    { steerId: "s0", text: "in Porto", stepIndex: 0 },
    { steerId: "s1", text: "and cheap", stepIndex: 1 },
  ];
  const messages = conversationOf({ ...step, transcript }, "", steers);
  expect(messages.slice(2).map(({ role, content }) => [role, content])).toEqual([
    ["user", "Book it"],
    ["user", "in Porto"],
    ["assistant", ""],
    ["tool", '{"status":"succeeded","result":1}'],
    ["user", "and cheap"],
  ]);
});

test("work on files stands before the move it belongs to; what an earlier thought said stands with its move", () => {
  const round = (stepIndex: number, text: string) => ({
    stepIndex,
    text,
    usage: { input_tokens: 0, output_tokens: 0 },
    calls: [
      {
        call_id: `c${stepIndex}`,
        tool_name: "write_file",
        arguments: { path: "a" },
        outcome: { status: "succeeded" as const, result: stepIndex },
      },
    ],
  });
  const calls = [{ call_id: "call_1", tool_name: "hotel_search", arguments: {} }];
  const transcript = [
    {
      kind: "move" as const,
      move: { kind: "tool_calls" as const, message_id: "m", text: "Noted. Searching.", calls },
    },
    { ...observation, status: "succeeded", result: 1 },
  ];
  const messages = conversationOf(
    { ...step, transcript },
    "",
    [],
    [round(0, "Noted."), round(1, "And this.")],
  );
  expect(messages.slice(3).map(({ role, content }) => [role, content])).toEqual([
    ["assistant", ""],
    ["tool", '{"status":"succeeded","result":0}'],
    ["assistant", "Noted. Searching."],
    ["tool", '{"status":"succeeded","result":1}'],
    ["assistant", "And this."],
    ["tool", '{"status":"succeeded","result":1}'],
  ]);
});

test("however much is done with files, the conversation stays within what Ensemble takes; the newest is shown", () => {
  const rounds = Array.from({ length: 16 * 12 }, (_, index) => ({
    stepIndex: 1,
    text: "",
    usage: { input_tokens: 0, output_tokens: 0 },
    calls: Array.from({ length: 32 }, (__, position) => ({
      call_id: `c${index}_${position}`,
      tool_name: "read_file",
      arguments: { path: "a" },
      outcome: { status: "succeeded" as const, result: { content: "x".repeat(16_000) } },
    })),
  }));
  const messages = conversationOf(step, "", [], rounds);
  expect(messages.length).toBeLessThanOrEqual(500);
  expect(JSON.stringify(messages).length).toBeLessThan(400_000);
  expect(messages.at(-1)?.content).toContain("xxxx");
  const called = new Set(messages.flatMap((one) => one.tool_calls ?? []).map(({ id }) => id));
  const answered = messages.flatMap((one) => (one.tool_call_id ? [one.tool_call_id] : []));
  expect(answered.every((id) => called.has(id))).toBe(true);
});
