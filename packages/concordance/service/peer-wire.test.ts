import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { MessageWriter, messageOf } from "./peer-wire.ts";
import { type AppendRequest, type LogEntry, nodeId } from "./raft/types.ts";

const [n1, n2] = [nodeId("n1"), nodeId("n2")];

const payloads = fc.array(
  fc.oneof(fc.string(), fc.constantFrom("", "\n", '["a"]\n"b\\"c"\n{}', "äß\u{1f600}\ud800")),
  { maxLength: 5 },
);

function append(prevIndex: number, texts: readonly string[]): AppendRequest {
  const entries = texts.map(
    (payload, offset): LogEntry => ({
      index: prevIndex + 1 + offset,
      term: 3,
      kind: payload === "" ? "noop" : "command",
      timeMs: 1_000 + offset,
      payload,
    }),
  );
  const place = { prevIndex, prevTerm: 2, throughIndex: prevIndex + texts.length };
  const facts = { round: 7, ...place, commitIndex: prevIndex };
  return { type: "append_request", from: n1, to: n2, term: 3, ...facts, entries };
}

describe("a message between members", () => {
  test("arrives as it was sent, whatever its entries hold", () => {
    const writer = new MessageWriter();
    fc.assert(
      fc.property(fc.nat(1e6), payloads, (prevIndex, texts) => {
        const message = append(prevIndex, texts);
        expect(messageOf(writer.textOf(message), n1, n2)).toEqual(message);
        // The same entries to another follower that stands elsewhere are written once.
        const other = { ...message, to: n1, round: 8 };
        expect(messageOf(writer.textOf(other), n1, n1)).toEqual(other);
      }),
    );
  });

  test("is refused when lengths and payloads do not agree, or anything follows it", () => {
    const frame = new MessageWriter().textOf(append(4, ["abc", "de"]));
    expect(() => messageOf(frame.slice(0, -1), n1, n2)).toThrow("bad entry");
    expect(() => messageOf(`${frame}x`, n1, n2)).toThrow("more payload than entries");
    expect(() => messageOf(frame.replace(",3]", ",-3]"), n1, n2)).toThrow("bad entry");
    expect(() => messageOf(frame.replace('"command"', '"order"'), n1, n2)).toThrow("bad entry");
    const heartbeat = new MessageWriter().textOf(append(4, []));
    expect(() => messageOf(`${heartbeat}\nabc`, n1, n2)).toThrow("more payload than entries");
    const vote = { type: "vote_reply", from: n1, to: n2, term: 3, preVote: true, granted: true };
    expect(messageOf(JSON.stringify(vote), n1, n2)).toMatchObject(vote);
    expect(() => messageOf(`${JSON.stringify(vote)}\nabc`, n1, n2)).toThrow("more than a message");
    expect(() => messageOf(frame, n2, n1)).toThrow("wrong sender or receiver");
  });
});
