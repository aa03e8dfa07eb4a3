import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arrive, arriveFromLog, type EventOrder, hasGap, orderFrom } from "./event-order.ts";
import type { SessionEvent } from "./protocol.ts";

const event = (seq: number): SessionEvent => ({
  type: "usage_update",
  sessionId: "s",
  seq,
  ts: 0,
  inputTokens: seq,
  outputTokens: 0,
});
const seqs = (events: readonly SessionEvent[]) => events.map((one) => one.seq);

function arriveAll(order: EventOrder, arrivals: readonly number[]) {
  const delivered: number[] = [];
  let now = order;
  for (const seq of arrivals) {
    const { order: next, deliver } = arrive(now, event(seq));
    now = next;
    delivered.push(...seqs(deliver));
  }
  return { order: now, delivered };
}

describe("event order", () => {
  test("whatever order and however often events arrive, each is delivered once, in order", () => {
    const arrivals = fc
      .integer({ min: 1, max: 40 })
      .chain((count) =>
        fc
          .tuple(
            fc.shuffledSubarray(range(count), { minLength: count }),
            fc.array(fc.integer({ min: 1, max: count })),
          )
          .map(([all, again]) => ({ count, arrivals: [...again, ...all] })),
      );
    fc.assert(
      fc.property(arrivals, ({ count, arrivals: sequence }) => {
        const { delivered, order } = arriveAll(orderFrom(0), sequence);
        expect(delivered).toEqual(range(count));
        expect(hasGap(order)).toBe(false);
      }),
    );
  });

  test("what is lost on the way comes from the log, and nothing comes twice", () => {
    const cases = fc.tuple(
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.integer({ min: 1, max: 40 })),
    );
    fc.assert(
      fc.property(cases, ([count, lost]) => {
        const arriving = range(count).filter((seq) => !lost.includes(seq));
        const live = arriveAll(orderFrom(0), arriving);
        const page = range(count).filter((seq) => seq > live.order.appliedSeq);
        const healed = arriveFromLog(live.order, page.map(event));
        expect([...live.delivered, ...seqs(healed.deliver)]).toEqual(range(count));
      }),
    );
  });

  test("a number that the log does not have is passed over", () => {
    const { order } = arriveAll(orderFrom(0), [1, 4]);
    const { order: healed, deliver } = arriveFromLog(order, [event(3), event(4)]);
    expect(seqs(deliver)).toEqual([3, 4]);
    expect(healed).toEqual({ appliedSeq: 4, held: [] });
  });

  test("a page that repeats an event delivers it once", () => {
    expect(seqs(arriveFromLog(orderFrom(0), [event(1), event(1), event(2)]).deliver)).toEqual([
      1, 2,
    ]);
  });

  test("what is held beyond a hole is bounded", () => {
    const beyond = range(5_000).map((seq) => seq + 1);
    expect(arriveAll(orderFrom(0), beyond).order.held.length).toBe(2_000);
  });
});

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
