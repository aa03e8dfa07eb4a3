import { expect, test } from "vitest";
import { KeyedSlots, Slots } from "./slots.ts";

/** Work that ends when it is told to, and how much of it was ever under way at once. */
function bench() {
  const order: number[] = [];
  const ends: (() => void)[] = [];
  const state = { now: 0, most: 0 };
  const work = (n: number) => async () => {
    order.push(n);
    state.now += 1;
    state.most = Math.max(state.most, state.now);
    await new Promise<void>((resolve) => ends.push(resolve));
    state.now -= 1;
    if (n < 0) throw new Error("broke");
    return n;
  };
  const endAll = async () => {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const end = ends.shift();
      if (end === undefined) return;
      end();
    }
  };
  return { order, state, work, endAll };
}

test("never more than there are slots, in order, and what breaks gives its slot back", async () => {
  const { order, state, work, endAll } = bench();
  const slots = new Slots(3);
  const all = [1, 2, -3, 4, 5, 6, 7].map((n) => slots.run(work(n)));
  const settled = Promise.allSettled(all);
  await endAll();
  expect((await settled).map((one) => one.status)).toEqual([
    "fulfilled",
    "fulfilled",
    "rejected",
    ...Array(4).fill("fulfilled"),
  ]);
  expect([state.most, order]).toEqual([3, [1, 2, -3, 4, 5, 6, 7]]);
});

test("each key has its own, and none is kept for a key that nobody uses", async () => {
  const { state, work, endAll } = bench();
  const slots = new KeyedSlots(2);
  const all = ["a", "a", "a", "b"].map((key, n) => slots.run(key, work(n)));
  await new Promise((resolve) => setImmediate(resolve));
  expect([state.now, slots.size]).toEqual([3, 2]);
  await endAll();
  await Promise.all(all);
  expect([state.most, slots.size]).toEqual([3, 0]);
});
