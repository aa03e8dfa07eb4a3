/** The short way to a piece of text says what the long way says, or nothing. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { mapPodiumEvent } from "./podium-event-mapper.ts";
import { textDeltaOf } from "./text-delta.ts";

const id = fc.oneof(
  fc.string({ maxLength: 3 }),
  fc.constantFrom("", "x".repeat(200), "x".repeat(201), null, 7),
);
const count = fc.oneof(fc.nat(), fc.constantFrom(-1, 0.5, -0, 2 ** 53, "1", null));
const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(null, 7));
const known = fc.record({ message_id: id, attempt: count, text }, { requiredKeys: [] });
const content = fc.oneof({ weight: 9, arbitrary: known }, fc.jsonValue());
const event = fc.record({
  eventId: fc.integer({ min: 1 }),
  eventType: fc.oneof({ weight: 9, arbitrary: fc.constant("stream_update") }, fc.string()),
  turnId: fc.option(fc.constantFrom("", "turn_1", "x".repeat(200), "x".repeat(201))),
  content,
});

test("any event: what it answers is what its schema answers", () => {
  let short = 0;
  const same = fc.property(event, (one) => {
    const delta = textDeltaOf(one);
    if (delta === undefined) return;
    short += 1;
    expect<unknown>([delta]).toEqual([...mapPodiumEvent(one)]);
    expect(JSON.stringify(delta)).toBe(JSON.stringify(mapPodiumEvent(one)[0]));
  });
  fc.assert(same, { numRuns: 3_000 });
  // A hundred or so; that some are is what keeps the property from being about nothing.
  expect(short).toBeGreaterThan(10);
});

test("an ordinary piece of text goes the short way", () => {
  const content = { message_id: "m1", attempt: 1, text: "word" };
  const delta = { type: "text_delta", turnId: "t1", messageId: "m1", attempt: 1, text: "word" };
  expect(textDeltaOf({ eventId: 1, eventType: "stream_update", turnId: "t1", content })).toEqual(
    delta as ReturnType<typeof textDeltaOf>,
  );
});
