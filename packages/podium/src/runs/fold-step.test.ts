/** What a step adds to the log, draft by draft. */
import { expect, test } from "bun:test";
import type { StepRequest } from "./agent-step.ts";
import { callIdOf, messageIdOf } from "./derived-ids.ts";
import { foldMove, foldStepStart, moveOf } from "./fold-step.ts";

const KEY = "cmd_1:think:2";
const step = (transcript: StepRequest["transcript"]): StepRequest => ({
  step_key: KEY,
  command_id: "cmd_1",
  instance_id: "i1",
  agent_type: "concierge",
  turn_id: "t1",
  step_index: 2,
  text: "hi",
  history: [],
  tools: [{ name: "hotel_search", description: "", input_schema: {}, task_name: "hotel.search" }],
  transcript,
});
const observation = (status: string, more: { result?: unknown; error?: unknown } = {}) => ({
  kind: "observation" as const,
  call_id: "call_1",
  tool_name: "hotel_search",
  command_id: "cmd_2",
  status,
  ...more,
});

test("P5: ids depend on the step key and the position alone, and differ between steps and positions", () => {
  expect(messageIdOf(KEY)).toBe(messageIdOf(KEY));
  const ids = [callIdOf(KEY, 0), callIdOf(KEY, 1), callIdOf("cmd_1:think:3", 0), messageIdOf(KEY)];
  expect(new Set(ids).size).toBe(4);
  for (const id of ids) expect(id).toMatch(/^[a-z]+_[0-9a-f]{32}$/);
});

test("P5: the first attempt starts the message, later ones restart it first", () => {
  const message = { message_id: messageIdOf(KEY), attempt: 1 };
  expect(foldStepStart(step([]), 1)).toEqual([{ type: "stream_start", content: message }]);
  expect(foldStepStart(step([]), 3).map((draft) => [draft.type, draft.content])).toEqual([
    ["message_restarted", { ...message, attempt: 3 }],
    ["stream_start", { ...message, attempt: 3 }],
  ]);
});

test("P4: an outcome comes before the message, after its command, and carries a key of its call", () => {
  const drafts = foldStepStart(step([observation("succeeded", { result: { offers: [] } })]), 1);
  expect(drafts.slice(0, 2)).toEqual([
    {
      type: "tool.command",
      content: { call_id: "call_1", command_id: "cmd_2", task_name: "hotel.search" },
      dedupKey: "tool.command:call_1",
    },
    {
      type: "tool.result",
      content: {
        call_id: "call_1",
        tool_name: "hotel_search",
        command_id: "cmd_2",
        status: "succeeded",
        result: { offers: [] },
      },
      dedupKey: "result:call_1",
    },
  ]);
  expect(drafts.at(-1)?.type).toBe("stream_start");
});

test("a call refused before it became a command points to the turn's command and names no other", () => {
  const refused = {
    ...observation("failed", { error: { class: "validation_error", message: "no such tool" } }),
    command_id: null,
  };
  const [first, ...rest] = foldStepStart(step([refused]), 1);
  expect(first).toMatchObject({ type: "tool.error", content: { command_id: "cmd_1" } });
  expect(rest.map((draft) => draft.type)).toEqual(["stream_start"]);
});

test("every outcome but success is a tool.error with a class and a sentence, whatever Concord's error looks like", () => {
  const errorOf = (status: string, error?: unknown) => {
    const [, draft] = foldStepStart(step([observation(status, { error })]), 1);
    return draft?.type === "tool.error" ? draft.content.error : draft;
  };
  expect(errorOf("failed", { class: "approval_rejected", message: "no" })).toEqual({
    class: "approval_rejected",
    message: "no",
  });
  expect(errorOf("failed", { error_class: "timeout", message: "late" })).toEqual({
    class: "timeout",
    message: "late",
  });
  expect(errorOf("failed", "broken")).toEqual({ class: "failed", message: "broken" });
  expect(errorOf("expired")).toEqual({ class: "expired", message: "The call ended as expired." });
  expect(errorOf("cancelled", { code: 7 })).toMatchObject({ class: "cancelled" });
});

test("a thought without calls is final; with calls each gets its id in order", () => {
  expect(moveOf(KEY, "Done.", [])).toEqual({
    kind: "final",
    message_id: messageIdOf(KEY),
    text: "Done.",
  });
  const calls = [
    { toolName: "a", arguments: { x: 1 } },
    { toolName: "a", arguments: { x: 1 } },
  ];
  const move = moveOf(KEY, "", calls);
  expect(move).toEqual({
    kind: "tool_calls",
    message_id: messageIdOf(KEY),
    calls: [
      { call_id: callIdOf(KEY, 0), tool_name: "a", arguments: { x: 1 } },
      { call_id: callIdOf(KEY, 1), tool_name: "a", arguments: { x: 1 } },
    ],
  });
  expect(foldMove(move).map((draft) => draft.type)).toEqual([
    "stream_end",
    "tool.call_start",
    "tool.call",
    "tool.call_start",
    "tool.call",
  ]);
});
