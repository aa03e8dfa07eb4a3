import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SessionEvent } from "./protocol.ts";
import { emptySessionView, foldSession, type SessionView } from "./session-view.ts";
import type { ThreadItemOf } from "./thread-items.ts";

type Body = SessionEvent extends infer E
  ? E extends SessionEvent
    ? Omit<E, "sessionId" | "seq" | "ts">
    : never
  : never;

const log = (...bodies: readonly Body[]): SessionEvent[] =>
  bodies.map((body, index) => ({
    turnId: "t1",
    ...body,
    sessionId: "s",
    seq: index + 1,
    ts: 1_000 + index,
  })) as SessionEvent[];

const fold = (events: readonly SessionEvent[], from: SessionView = emptySessionView("s")) =>
  events.reduce(foldSession, from);

const id = fc.constantFrom("a", "b", "c");
const attempt = fc.integer({ min: 1, max: 3 });
const text = fc.string({ maxLength: 5 });
const turnId = fc.constantFrom("t1", "t2");
const call = { toolCallId: id, toolName: fc.constant("hotel_search"), commandId: id };
const bodies = fc.oneof(
  fc.record({ type: fc.constant("user_message"), turnId, messageId: id, text, userId: id }),
  fc.record({ type: fc.constant("turn_started"), turnId, commandId: id }),
  fc.record({ type: fc.constant("message_started"), turnId, messageId: id, attempt }),
  fc.record({ type: fc.constant("message_restarted"), turnId, messageId: id, attempt }),
  fc.record({ type: fc.constant("text_delta"), turnId, messageId: id, attempt, text }),
  fc.record({ type: fc.constant("message_complete"), turnId, messageId: id, text }),
  fc.record({ type: fc.constant("thinking.start"), turnId }),
  fc.record({ type: fc.constant("thinking.progress"), turnId, text }),
  fc.record({ type: fc.constant("thinking.complete"), turnId }),
  fc.record({ type: fc.constant("tool_call"), turnId, ...call, arguments: fc.constant({}) }),
  fc.record({ type: fc.constant("tool_command"), turnId, ...call, taskName: text }),
  fc.record({ type: fc.constant("tool_result"), turnId, ...call, status: text, result: text }),
  fc.record({
    type: fc.constant("permission_requested"),
    turnId,
    requestId: id,
    commandId: id,
    approvalType: text,
    reviewPacket: fc.constant({}),
    expiresAt: fc.constant(null),
  }),
  fc.record({
    type: fc.constant("approval_resolved"),
    turnId,
    requestId: id,
    commandId: id,
    decision: fc.constantFrom("approved", "rejected"),
    decidedBy: id,
  }),
  fc.record({
    type: fc.constant("turn_complete"),
    turnId,
    commandId: id,
    finalText: text,
    status: fc.constantFrom("succeeded", "cancelled"),
  }),
  fc.record({
    type: fc.constant("question_requested"),
    turnId,
    requestId: id,
    commandId: id,
    questions: fc.constant([]),
  }),
  fc.record({
    type: fc.constant("question_resolved"),
    turnId,
    requestId: id,
    outcome: fc.constantFrom("answered", "expired"),
    answeredBy: fc.constant("ana"),
  }),
  fc.record({ type: fc.constant("turn_error"), turnId, code: text, message: text }),
);
const logs = fc.array(bodies, { maxLength: 60 }).map((all) => log(...(all as Body[])));

describe("a session's view", () => {
  test("replaying any prefix and then the rest equals replaying all", () => {
    fc.assert(
      fc.property(logs, fc.nat(60), (events, cut) => {
        const prefix = fold(events.slice(0, cut));
        const kept = JSON.parse(JSON.stringify(prefix)) as SessionView;
        expect(JSON.stringify(fold(events.slice(cut), kept))).toBe(JSON.stringify(fold(events)));
      }),
    );
  });

  test("events that were folded already are ignored, wherever they come again", () => {
    fc.assert(
      fc.property(logs, fc.array(fc.tuple(fc.nat(60), fc.nat(60))), (events, repeats) => {
        const noisy = events.flatMap((event, index) => [
          event,
          ...repeats.flatMap(([at, back]) =>
            at === index ? events.slice(Math.max(0, index - back), index + 1) : [],
          ),
        ]);
        expect(fold(noisy)).toEqual(fold(events));
      }),
    );
  });

  test("an event that changes nothing visible leaves every item the same object", () => {
    fc.assert(
      fc.property(logs, (events) => {
        const view = fold(events);
        const usage = { type: "usage_update", turnId: "t1", inputTokens: 1, outputTokens: 1 };
        const next = foldSession(view, {
          ...usage,
          sessionId: "s",
          seq: view.headSeq + 1,
          ts: 0,
        } as SessionEvent);
        expect(next.items).toBe(view.items);
      }),
    );
  });

  test("an event of another session changes nothing", () => {
    const view = emptySessionView("s");
    const [event] = log({ type: "turn_started", commandId: "c" });
    expect(foldSession(view, { ...event, sessionId: "other" } as SessionEvent)).toBe(view);
  });
});

const message = (view: SessionView) =>
  view.items.find((item) => item.kind === "assistant") as ThreadItemOf<"assistant">;

describe("a turn", () => {
  test("is active from its question on, until it ends", () => {
    const asked = fold(log({ type: "user_message", messageId: "m", text: "Hi", userId: "u" }));
    expect(asked.activeTurnId).toBe("t1");
    const failed = { type: "turn_error", turnId: "t1", code: "X", message: "x" };
    const placed = { ...failed, sessionId: "s", seq: 2, ts: 0 } as SessionEvent;
    expect(foldSession(asked, placed).activeTurnId).toBeNull();
  });
});

describe("a streamed message", () => {
  test("a restart drops the text of earlier attempts, and late text of an old attempt is ignored", () => {
    const view = fold(
      log(
        { type: "message_started", messageId: "m", attempt: 1 },
        { type: "text_delta", messageId: "m", attempt: 1, text: "The hotel is fu" },
        { type: "message_restarted", messageId: "m", attempt: 2 },
        { type: "text_delta", messageId: "m", attempt: 1, text: "LATE" },
        { type: "text_delta", messageId: "m", attempt: 2, text: "The hotel" },
        { type: "text_delta", messageId: "m", attempt: 2, text: " has rooms." },
      ),
    );
    expect(message(view)).toMatchObject({ text: "The hotel has rooms.", state: "streaming" });
  });

  test("the complete message replaces its deltas and stays", () => {
    const view = fold(
      log(
        { type: "text_delta", messageId: "m", attempt: 1, text: "part" },
        { type: "message_complete", messageId: "m", text: "The whole message." },
        { type: "text_delta", messageId: "m", attempt: 9, text: "more" },
        { type: "message_restarted", messageId: "m", attempt: 10 },
      ),
    );
    expect(message(view)).toMatchObject({ text: "The whole message.", state: "complete" });
  });

  test("a stopped turn interrupts what was still being written", () => {
    const view = fold(
      log(
        { type: "turn_started", commandId: "c" },
        { type: "text_delta", messageId: "m", attempt: 1, text: "I was about to" },
        { type: "turn_complete", finalText: "", status: "cancelled", commandId: "c" },
      ),
    );
    expect(message(view).state).toBe("interrupted");
    expect(view.items.at(-1)).toMatchObject({ kind: "turn_end", status: "cancelled" });
    expect(view.activeTurnId).toBeNull();
  });
});

describe("a tool call", () => {
  test("becomes a command, waits for approval, and ends with a result", () => {
    const requested = {
      type: "permission_requested",
      requestId: "appr_1",
      commandId: "cmd_1",
      toolCallId: "call_1",
      approvalType: "spend",
      reviewPacket: { action: "Book" },
      expiresAt: 9_000,
    } as const;
    const events = log(
      { type: "turn_started", commandId: "cmd_0" },
      { type: "tool_call_start", toolCallId: "call_1", toolName: "hotel_confirm" },
      { type: "tool_call", toolCallId: "call_1", toolName: "hotel_confirm", arguments: { a: 1 } },
      { type: "tool_command", toolCallId: "call_1", commandId: "cmd_1", taskName: "t.confirm" },
      {
        type: "command_status",
        commandId: "cmd_1",
        status: "waiting_approval",
        taskName: "t.confirm",
      },
      requested,
      {
        type: "approval_resolved",
        requestId: "appr_1",
        commandId: "cmd_1",
        decision: "approved",
        decidedBy: "ana",
      },
      {
        type: "tool_result",
        toolCallId: "call_1",
        toolName: "hotel_confirm",
        commandId: "cmd_1",
        status: "succeeded",
        result: { ok: true },
      },
    );
    const view = fold(events);
    expect(view.items.map((item) => item.kind)).toEqual(["tool", "approval"]);
    expect(view.items[0]).toMatchObject({
      status: "succeeded",
      taskName: "t.confirm",
      commandId: "cmd_1",
      arguments: { a: 1 },
      outcome: { kind: "result", result: { ok: true } },
    });
    expect(view.items[1]).toMatchObject({ resolution: { decision: "approved", decidedBy: "ana" } });
    expect(view.turns[0]).toMatchObject({ commandId: "cmd_0", recordSeq: 8 });
  });
});

describe("a question", () => {
  test("is asked once, with what an answer has to fit, and tells how it ended", () => {
    const asked = {
      type: "question_requested",
      requestId: "inp_1",
      commandId: "cmd_1",
      questions: [{ text: "Who?", fields: ["name"] }],
      answerSchema: { type: "object", required: ["name"] },
      expiresAt: 9_000,
    } as const;
    const over = { outcome: "answered", answeredBy: "ana" };
    const before = fold(log({ type: "turn_started", commandId: "cmd_0" }, asked, asked));
    expect(before.items).toHaveLength(1);
    expect(before.items[0]).toMatchObject({ kind: "question", resolution: null, expiresAt: 9_000 });
    const resolved = { type: "question_resolved", requestId: "inp_1", ...over } as const;
    const after = fold(log({ type: "turn_started", commandId: "cmd_0" }, asked, resolved));
    expect(after.items[0]).toMatchObject({
      answerSchema: { required: ["name"] },
      resolution: over,
    });
  });
});

describe("words said into a turn", () => {
  const said = { type: "steer_requested", steerId: "s1", text: "cheaper", userId: "ana" } as const;

  test("are pending until the agent has read them, then part of the conversation", () => {
    const before = fold(log(said));
    expect(before.steers).toMatchObject([{ steerId: "s1", text: "cheaper" }]);
    expect(before.items).toEqual([]);
    const after = fold(log(said, { type: "steer_applied", steerId: "s1" }));
    expect(after.steers).toEqual([]);
    expect(after.items).toMatchObject([{ kind: "user", id: "s1", text: "cheaper" }]);
  });

  test("are no more pending when they become a turn of their own, or are dropped", () => {
    const later = { type: "steer_deferred", steerId: "s1", nextTurnId: "t2" } as const;
    expect(fold(log(said, later))).toMatchObject({ steers: [], items: [] });
    expect(fold(log(said, { type: "steer_dropped", steerId: "s1" })).steers).toEqual([]);
  });
});
