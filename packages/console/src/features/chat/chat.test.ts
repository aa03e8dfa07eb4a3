import { emptySessionView, foldSession, type SessionEvent, type SessionView } from "@concert/sdk";
import { describe, expect, test } from "vitest";
import { commandState, nextSentences, rowChunks, sameRows, threadRows } from "./chat.ts";

const view = (...bodies: readonly object[]): SessionView =>
  bodies
    .map((body, index) => ({ turnId: "t", sessionId: "s", seq: index + 1, ts: index, ...body }))
    .reduce<SessionView>(
      (now, event) => foldSession(now, event as SessionEvent),
      emptySessionView("s"),
    );

const kinds = (rows: ReturnType<typeof threadRows>) =>
  rows.map((row) => (row.kind === "item" ? row.item.kind : row.kind));

const STARTED = [
  { type: "user_message", messageId: "u", text: "Hi", userId: "u" },
  { type: "turn_started", commandId: "c" },
];

describe("the rows of a conversation", () => {
  test("a running turn without words shows that the agent is at work", () => {
    expect(kinds(threadRows(view(...STARTED), []))).toEqual(["user", "working"]);
  });

  test("streaming text speaks for itself", () => {
    const streaming = { type: "text_delta", messageId: "m", attempt: 1, text: "Hel" };
    expect(kinds(threadRows(view(...STARTED, streaming), []))).toEqual(["user", "assistant"]);
  });

  test("a finished turn ends with a footer, once", () => {
    const rows = threadRows(
      view(
        ...STARTED,
        { type: "message_complete", messageId: "m", text: "Hello." },
        { type: "turn_complete", finalText: "Hello.", status: "succeeded", commandId: "c" },
      ),
      [],
    );
    expect(kinds(rows)).toEqual(["user", "assistant", "turn_footer"]);
  });

  test("a message on its way comes last", () => {
    const message = { idempotencyKey: "k", text: "Next", failure: null };
    expect(kinds(threadRows(view(), [message]))).toEqual(["outbox", "working"]);
  });

  test("while a person must decide, nothing pretends to work", () => {
    const asked = {
      type: "permission_requested",
      requestId: "a",
      commandId: "c2",
      approvalType: "spend",
      reviewPacket: {},
      expiresAt: null,
    };
    expect(kinds(threadRows(view(...STARTED, asked), []))).toEqual(["user", "approval"]);
  });
});

describe("rows in groups", () => {
  const many = (count: number) =>
    view(
      ...Array.from({ length: count }, (_, index) => ({
        type: "user_message",
        messageId: `m${index}`,
        text: "Hi",
        userId: "u",
      })),
    );

  test("keep every row, in order", () => {
    const rows = threadRows(many(95), []);
    expect(rowChunks(rows).flat()).toEqual(rows);
    expect(rowChunks(rows).map((chunk) => chunk.length)).toEqual([40, 40, 16]);
  });

  test("only the last group differs when text streams in", () => {
    const before = many(95);
    const delta = { type: "text_delta", messageId: "a", attempt: 1, text: "Hel", turnId: "t" };
    const placed = { ...delta, sessionId: "s", seq: before.headSeq + 1, ts: 0 } as SessionEvent;
    const [left, right] = [before, foldSession(before, placed)].map((now) =>
      rowChunks(threadRows(now, [])),
    );
    const same = right?.map((chunk, index) => sameRows(left?.[index] ?? [], chunk));
    expect(same).toEqual([true, true, false]);
  });
});

describe("reading aloud", () => {
  test("whole sentences only, none twice, and the end when it is complete", () => {
    const first = nextSentences("It is booked. Your co", 0, false);
    expect(first).toEqual({ say: "It is booked.", spoken: 13 });
    const second = nextSentences("It is booked. Your code is X1", first.spoken, false);
    expect(second).toEqual({ say: "", spoken: 13 });
    expect(nextSentences("It is booked. Your code is X1", second.spoken, true).say).toBe(
      "Your code is X1",
    );
  });

  test("a number with a point is not an end", () => {
    expect(nextSentences("It costs 1204.50 in all", 0, false).say).toBe("");
  });
});

test.each([
  ["succeeded", "Done", "good"],
  ["waiting_for_approval", "Waiting for approval", "waiting"],
  ["blocked", "Blocked", "waiting"],
  ["compensated", "Undone", "quiet"],
  ["failed", "Failed", "bad"],
  ["running", "Running", "busy"],
])("status %s reads %s", (status, label, tone) => {
  expect(commandState(status)).toEqual({ label, tone } as ReturnType<typeof commandState>);
});
