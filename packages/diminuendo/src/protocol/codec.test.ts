import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  CLIENT_MESSAGE_TYPES,
  decodeClientFrame,
  decodeServerFrame,
  ERROR_CODES,
  encodeClientFrame,
  encodeServerFrame,
  markOf,
  TURN_TEXT_CHARS_MAX,
} from "./index.ts";

test("the protocol knows the 21 messages of its specification, one about deleted sessions, and 18 about automations", () => {
  expect(new Set(CLIENT_MESSAGE_TYPES).size).toBe(21 + 1 + 18);
});

test("a message survives encode and decode; unknown keys are dropped", () => {
  const message = { type: "run_turn", requestId: "r", sessionId: "s", text: "hi" } as const;
  expect(decodeClientFrame(encodeClientFrame(message))).toEqual({ kind: "message", message });
  const extra = JSON.stringify({ ...message, colour: "red" });
  expect(decodeClientFrame(extra)).toEqual({ kind: "message", message });
});

test("texts and pages are bounded", () => {
  const turn = (text: string) =>
    decodeClientFrame(JSON.stringify({ type: "run_turn", sessionId: "s", text })).kind;
  expect(turn("")).toBe("bad_message");
  expect(turn("x".repeat(TURN_TEXT_CHARS_MAX))).toBe("message");
  expect(turn("x".repeat(TURN_TEXT_CHARS_MAX + 1))).toBe("bad_message");
  const page = (limit: unknown) =>
    decodeClientFrame(JSON.stringify({ type: "get_events", sessionId: "s", limit })).kind;
  expect([page(0), page(1), page(1000), page(1001), page(1.5)]).toEqual([
    "bad_message",
    "message",
    "message",
    "bad_message",
    "bad_message",
  ]);
});

test("a bad frame says what is wrong and keeps the client's mark", () => {
  expect(decodeClientFrame('{"type":"conquer","requestId":"r"}')).toMatchObject({
    kind: "bad_message",
    code: "INVALID_MESSAGE",
    requestId: "r",
    reason: expect.stringContaining('Unknown "type"'),
  });
  expect(decodeClientFrame("{")).toMatchObject({ code: "INVALID_JSON" });
});

test("a frame refused unread keeps its mark, if it is small and says one", () => {
  const long = JSON.stringify({ requestId: "r", pad: "x".repeat(70_000) });
  expect(markOf('{"type":"ping","requestId":"r"}')).toEqual({ kind: "message", requestId: "r" });
  expect(markOf('{"jsonrpc":"2.0","id":7}')).toEqual({ kind: "config", id: 7 });
  for (const text of [null, "{", "[]", '{"requestId":5}', long]) {
    expect(markOf(text)).toEqual({ kind: "message", requestId: undefined });
  }
});

test("NUL and half characters are refused where text is a person's, and half ones in configuration", () => {
  const kindOf = (frame: unknown) => decodeClientFrame(JSON.stringify(frame)).kind;
  const create = { type: "create_session", agentType: "echo" };
  const answers = { decision: "rejected", reason: "no" };
  const answer = { type: "answer_question", sessionId: "s", requestId: "a", answers };
  for (const bad of ["a\0b", "half \ud83d", "\udc4b half"]) {
    expect(kindOf({ type: "run_turn", sessionId: "s", text: bad })).toBe("bad_message");
    expect(kindOf({ ...create, name: bad })).toBe("bad_message");
    expect(kindOf({ ...create, agentType: bad })).toBe("bad_message");
    expect(kindOf({ ...answer, answers: { ...answers, reason: bad } })).toBe("bad_message");
  }
  expect(kindOf({ type: "run_turn", sessionId: "s", text: "whole 👋" })).toBe("message");
  expect(kindOf({ ...create, name: "👋" })).toBe("message");
  expect(kindOf(answer)).toBe("message");
  const set = (key: string, value: unknown) =>
    kindOf({ jsonrpc: "2.0", id: 1, method: "config/set", params: { scope: "user", key, value } });
  expect(set("k👋", { deep: ["👋", 1, null] })).toBe("config");
  expect(set("k\ud83d", 1)).toBe("bad_config");
  expect(set("k", { deep: ["\ud83d"] })).toBe("bad_config");
  expect(set("k", { "\ud83d": 1 })).toBe("bad_config");
});

test("D3 no separator hides in a scope's id", () => {
  for (const sessionId of ["a/b", "..", "a:b", "", "ä"]) {
    const params = { scope: "session", sessionId, key: "k" };
    const frame = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "config/get", params });
    expect(decodeClientFrame(frame)).toMatchObject({
      kind: "bad_config",
      id: 1,
      unknownMethod: false,
    });
  }
});

test("no text whatever makes the decoders throw", () => {
  const anything = fc.oneof(
    fc.string(),
    fc.json(),
    fc.jsonValue().map((v) => JSON.stringify({ type: v, jsonrpc: v })),
  );
  fc.assert(
    fc.property(anything, (text) => {
      decodeClientFrame(text);
      decodeServerFrame(text);
    }),
    { numRuns: 500 },
  );
});

test("a server's frame survives encode and decode", () => {
  const event = { type: "pong", ts: 1 } as const;
  expect(decodeServerFrame(encodeServerFrame(event))).toEqual({ kind: "event", event });
  expect(decodeServerFrame('{"type":"from_the_future"}').kind).toBe("unknown");
});

/** Frames near the real ones: known types with fields of any kind, so that the schemas are reached. */
const field = fc.oneof(fc.jsonValue(), fc.string(), fc.integer(), fc.constant("s"));
const nearFrame = fc
  .tuple(
    fc.constantFrom(...CLIENT_MESSAGE_TYPES),
    fc.dictionary(
      fc.constantFrom(
        "sessionId",
        "text",
        "cursor",
        "change",
        "answers",
        "path",
        "limit",
        "__proto__",
      ),
      field,
    ),
  )
  .map(([type, fields]) => JSON.stringify({ ...fields, type }));

test("whatever text comes, decoding answers a message or a refusal with a known code", () => {
  const anyText = fc.oneof(fc.string(), fc.json(), nearFrame, fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(anyText, (text) => {
      const frame = decodeClientFrame(text);
      if (frame.kind === "bad_message") expect(ERROR_CODES).toContain(frame.code);
      if (frame.kind === "message") {
        expect(decodeClientFrame(encodeClientFrame(frame.message))).toEqual(frame);
      }
      markOf(text);
    }),
    { numRuns: 5_000 },
  );
}, 60_000);
