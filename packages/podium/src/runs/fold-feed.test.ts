/** What each event of the feed adds to the log, draft by draft. */
import { expect, test } from "bun:test";
import type { FeedEvent } from "./feed-event.ts";
import {
  type FeedFacts,
  foldFeedEvent,
  type KnownCommand,
  type TurnProgress,
} from "./fold-feed.ts";

const USAGE = { input_tokens: 5, output_tokens: 7 };
const facts = (
  more: {
    known?: readonly KnownCommand[];
    stopRequested?: boolean;
    progress?: Partial<TurnProgress>;
  } = {},
): FeedFacts => ({
  turn: { commandId: "cmd_1", stopRequested: more.stopRequested ?? false },
  commandOf: (id) => more.known?.find((command) => command.commandId === id),
  taskOfCall: (callId) => (callId === "call_1" ? "hotel.search" : undefined),
  toolOfCall: (callId) => (callId === "call_1" ? "hotel_search" : undefined),
  progress: () => ({ openMessage: null, lastText: "said", usage: USAGE, ...more.progress }),
});
const event = (type: string, command: string, more: Partial<FeedEvent> = {}): FeedEvent => ({
  event_id: "evt_7",
  event_type: type,
  command_id: command,
  root_command_id: "cmd_1",
  parent_command_id: command === "cmd_1" ? null : "cmd_1",
  tenant_id: "acme",
  task_name: command === "cmd_1" ? "agent.turn" : "hotel.search",
  ...more,
});
const CHILD: KnownCommand = { commandId: "cmd_2", callId: "call_1", taskName: "hotel.search" };

test("a grandchild serves the call its parent serves", () => {
  const created = event("command_created", "cmd_3", {
    parent_command_id: "cmd_2",
    task_name: "vendor.book",
  });
  const { learned } = foldFeedEvent(created, facts({ known: [CHILD] }));
  expect(learned).toEqual({ commandId: "cmd_3", callId: "call_1", taskName: "vendor.book" });
});

test("a proposal names the command of a call under a key that observations share", () => {
  const payload = { call_id: "call_1", tool_name: "hotel_search", command_id: "cmd_2" };
  const { drafts, learned } = foldFeedEvent(
    event("tool_call_proposed", "cmd_1", { payload }),
    facts(),
  );
  expect(drafts).toEqual([
    {
      type: "tool.command",
      content: { call_id: "call_1", command_id: "cmd_2", task_name: "hotel.search" },
      dedupKey: "tool.command:call_1",
    },
  ]);
  expect(learned).toEqual(CHILD);
});

test("a proposal that became no command says nothing: the observation will", () => {
  const payload = { call_id: "call_1", tool_name: "hotel_search", command_id: null };
  expect(foldFeedEvent(event("tool_call_proposed", "cmd_1", { payload }), facts()).drafts).toEqual(
    [],
  );
});

test("P4: a call's own command at rest tells the outcome, under the key that observations share", () => {
  const moved = (payload: Record<string, unknown>, more: Partial<FeedEvent> = {}) =>
    foldFeedEvent(
      event("state_transitioned", "cmd_2", { payload, ...more }),
      facts({ known: [CHILD], stopRequested: true }),
    ).drafts;
  const call = { call_id: "call_1", tool_name: "hotel_search", command_id: "cmd_2" };
  const outcome = (payload: Record<string, unknown>) => moved(payload)[1];
  expect(outcome({ to: "succeeded", result: { offers: [] } })).toEqual({
    type: "tool.result",
    content: { ...call, status: "succeeded", result: { offers: [] } },
    dedupKey: "result:call_1",
  });
  expect(outcome({ to: "failed", error: "no rooms", error_class: "tool_failed" })).toEqual({
    type: "tool.error",
    content: { ...call, status: "failed", error: { class: "tool_failed", message: "no rooms" } },
    dedupKey: "result:call_1",
  });
  expect(outcome({ to: "cancelled", reason: "Stopped." })?.content).toMatchObject({
    error: { class: "cancelled", message: "Stopped." },
  });
  expect(outcome({ to: "expired" })?.content).toMatchObject({
    error: { class: "human_input_missing", message: "The call ended as expired." },
  });
  for (const payload of [{ to: "cancelling" }, { to: "compensating" }, { to: "succeeded" }]) {
    expect(moved(payload).map((draft) => draft.type)).toEqual(["command.status"]);
  }
  const deeper = moved({ to: "cancelled" }, { parent_command_id: "cmd_0" });
  expect(deeper.map((draft) => draft.type)).toEqual(["command.status"]);
});

test("an approval of a command without a call carries no call_id", () => {
  const payload = { approval_id: "appr_1", approval_type: "spend", review_packet: { a: 1 } };
  const [draft] = foldFeedEvent(event("approval_requested", "cmd_1", { payload }), facts()).drafts;
  expect(draft).toEqual({
    type: "tool.permission_requested",
    content: {
      request_id: "appr_1",
      command_id: "cmd_1",
      approval_type: "spend",
      review_packet: { a: 1 },
      expires_at: null,
    },
    dedupKey: "feed:evt_7:0",
  });
});

test("what a command asks of a person is a question, and is over once, however it ends", () => {
  const questions = [{ text: "Who?", fields: ["guest_name"] }];
  const asking = {
    input_request_id: "inp_1",
    question: "Who?",
    questions,
    answer_schema: { type: "object" },
    asked_by: "hotel.confirm",
    expires_at: "2030-01-01T00:00:00Z",
  };
  const told = (type: string, payload: Record<string, unknown>) =>
    foldFeedEvent(event(type, "cmd_2", { payload }), facts({ known: [CHILD] })).drafts;
  expect(told("input_requested", asking)).toEqual([
    {
      type: "tool.question_requested",
      content: {
        request_id: "inp_1",
        command_id: "cmd_2",
        call_id: "call_1",
        questions,
        answer_schema: { type: "object" },
        asked_by: "hotel.confirm",
        expires_at: "2030-01-01T00:00:00Z",
      },
      dedupKey: "feed:evt_7:0",
    },
  ]);
  const over = { request_id: "inp_1", command_id: "cmd_2" };
  const answered = { input_request_id: "inp_1", fields: ["guest_name"], provided_by: "ann" };
  expect(told("input_provided", answered)[0]?.content).toEqual({
    ...over,
    outcome: "answered",
    answered_by: "ann",
  });
  const closed = { input_request_id: "inp_1", outcome: "expired" };
  expect(told("input_closed", closed)[0]?.content).toEqual({
    ...over,
    outcome: "expired",
    answered_by: null,
  });
  expect(told("input_requested", { question: "from before", asked_by: "policy" })).toEqual([]);
});

test("moves of the turn's own command that do not end it say nothing", () => {
  for (const to of ["validated", "queued", "running", "cancelling", "compensating"]) {
    const outcome = foldFeedEvent(
      event("state_transitioned", "cmd_1", { payload: { to } }),
      facts(),
    );
    expect(outcome).toEqual({ drafts: [] });
  }
});

test("P6: an open message is ended before usage and complete, and gives the final text of a stopped turn", () => {
  const open = { openMessage: { messageId: "msg_1", text: "Half" } };
  const cancelled = event("state_transitioned", "cmd_1", { payload: { to: "cancelled" } });
  const outcome = foldFeedEvent(cancelled, facts({ stopRequested: true, progress: open }));
  expect(outcome.drafts.map((draft) => draft.type)).toEqual(["stream_end", "usage", "complete"]);
  expect(outcome.end).toEqual({ status: "cancelled", finalText: "Half" });
});

test("the result's text is the final text; without one it is the last thing the agent said", () => {
  const end = (payload: Record<string, unknown>) =>
    foldFeedEvent(event("state_transitioned", "cmd_1", { payload }), facts()).end;
  expect(end({ to: "succeeded", result: { text: "All." } })?.finalText).toBe("All.");
  expect(end({ to: "succeeded" })?.finalText).toBe("said");
});

test("a failed or expired turn is an error with Concord's class; a stopped one that failed was cancelled", () => {
  const failed = event("state_transitioned", "cmd_1", {
    payload: { to: "failed", error: { class: "agent_failed", message: "12 thoughts" } },
  });
  expect(foldFeedEvent(failed, facts()).drafts.at(-1)?.content).toEqual({
    code: "agent_failed",
    message: "12 thoughts",
    command_id: "cmd_1",
  });
  const flat = { to: "failed", error: "12 thoughts", error_class: "agent_failed" };
  const told = event("state_transitioned", "cmd_1", { payload: flat });
  expect(foldFeedEvent(told, facts()).drafts.at(-1)).toEqual(
    foldFeedEvent(failed, facts()).drafts.at(-1),
  );
  expect(foldFeedEvent(failed, facts({ stopRequested: true })).end?.status).toBe("cancelled");
  const expired = event("state_transitioned", "cmd_1", {
    payload: { to: "expired", reason: "late" },
  });
  expect(foldFeedEvent(expired, facts()).drafts.at(-1)?.content).toMatchObject({
    code: "turn_expired",
    message: "late",
  });
});
