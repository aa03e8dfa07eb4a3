/**
 * One follower against a log that grows: hints are lost, come twice, late, in pieces or not at all, and the log is read
 * whenever it asks for that. What it tells is the log, each number once and in order, but for those that were replaced.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Follower } from "../src/fleet/Follower.ts";
import type { Published } from "../src/transport/Broadcaster.ts";

const META = {
  sessionId: "s1",
  name: "",
  agentType: "echo",
  status: "ready",
  createdAt: 1,
  updatedAt: 1,
  archived: false,
  lastSeq: 0,
  waitingFor: null,
} as const;

const event = (seq: number): Published => ({ seq, frame: String(seq) });
const viewAt = (lastSeq: number) => ({
  epoch: "e1",
  firstSeq: 1,
  lastSeq,
  meta: META,
  activeTurnId: null,
});

type Happening =
  /** So many events are committed together; their hint arrives so many happenings later, or never. */
  | { readonly kind: "commit"; readonly count: number; readonly delay: number | null }
  | { readonly kind: "twice" }
  /** Numbers of a finished message leave the log. */
  | { readonly kind: "compact"; readonly back: number }
  | { readonly kind: "compare" };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({
    kind: fc.constant("commit" as const),
    count: fc.integer({ min: 1, max: 4 }),
    delay: fc.option(fc.integer({ min: 0, max: 3 }), { nil: null, freq: 4 }),
  }),
  fc.constant({ kind: "twice" as const }),
  fc.record({ kind: fc.constant("compact" as const), back: fc.integer({ min: 1, max: 5 }) }),
  fc.constant({ kind: "compare" as const }),
);

test("D2 whatever becomes of the hints, a follower tells the log: once, in order, and to its end", () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 60 }), fc.nat({ max: 5 }), (all, known) => {
      const log = new Map<number, Published>();
      for (let seq = 1; seq <= known; seq += 1) log.set(seq, event(seq));
      let head = known;
      const replaced = new Set<number>();
      const told: number[] = [];
      const follower = new Follower("acme", "s1", 0, {
        deliver: (_, events) => void told.push(...events.map(({ seq }) => seq)),
        ownSeq: () => undefined,
      });
      const read = () => {
        follower.beginReading();
        do {
          for (;;) {
            const rest = [...log.values()].filter(({ seq }) => seq > follower.toldSeq).slice(0, 3);
            if (rest.length === 0) break;
            follower.read(rest);
          }
        } while (follower.endReading());
      };
      follower.described(viewAt(head));
      const late: { at: number; events: readonly Published[] }[] = [];
      for (const [index, one] of all.entries()) {
        if (one.kind === "commit") {
          const events = Array.from({ length: one.count }, (_, offset) => event(head + offset + 1));
          for (const each of events) log.set(each.seq, each);
          head += one.count;
          if (one.delay !== null) late.push({ at: index + one.delay, events });
        } else if (one.kind === "compact") {
          const seq = head - one.back;
          if (seq > 1 && log.delete(seq)) replaced.add(seq);
        } else if (one.kind === "compare" && follower.isBehind(head)) read();
        for (const { events } of late.filter(({ at }) => at === index)) {
          if (follower.hear(events)) read();
          if (one.kind === "twice" && follower.hear(events)) read();
        }
      }
      if (follower.isBehind(head)) read();
      expect(told).toEqual([...new Set(told)].toSorted((a, b) => a - b));
      const whole = Array.from({ length: head - known }, (_, offset) => known + offset + 1);
      expect(whole.filter((seq) => !told.includes(seq) && !replaced.has(seq))).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test("what is published while the log is read is not told twice, and makes it read on", () => {
  const told: number[] = [];
  const follower = new Follower("acme", "s1", 0, {
    deliver: (_, events) => void told.push(...events.map(({ seq }) => seq)),
    ownSeq: () => undefined,
  });
  // Before the owner has described the session.
  expect(follower.hear([event(3)])).toBe(false);
  expect(follower.described(viewAt(2))).toBe(true);
  follower.beginReading();
  follower.read([event(3)]);
  expect(follower.hear([event(4)])).toBe(false);
  expect(follower.endReading()).toBe(true);
  follower.read([event(4)]);
  expect(follower.endReading()).toBe(false);
  expect(follower.hear([event(5), event(6)])).toBe(false);
  expect(told).toEqual([3, 4, 5, 6]);
});
