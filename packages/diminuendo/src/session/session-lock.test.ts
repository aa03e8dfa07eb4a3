/** One at a time, in order, whoever comes without a fiber; and nobody waits for ever. */
import { expect, test } from "bun:test";
import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import fc from "fast-check";
import { SessionLock } from "./SessionLock.ts";

test("a fiber waits for who took it plainly, and nobody takes it plainly while a fiber waits", async () => {
  const lock = new SessionLock();
  const done: string[] = [];
  expect(lock.tryTake()).toBe(true);
  expect(lock.tryTake()).toBe(false);
  const fibers = ["a", "b"].map((name) =>
    Effect.runFork(lock.alone(Effect.sync(() => done.push(name)))),
  );
  await Bun.sleep(1);
  expect(done).toEqual([]);
  lock.release();
  await Effect.runPromise(Effect.forEach(fibers, Fiber.await));
  expect(done).toEqual(["a", "b"]);
  expect(lock.tryTake()).toBe(true);
});

test("a fiber that is interrupted while it waits, or at work, leaves the lock free", async () => {
  const lock = new SessionLock();
  expect(lock.tryTake()).toBe(true);
  const waiting = Effect.runFork(lock.alone(Effect.void));
  await Effect.runPromise(Fiber.interrupt(waiting));
  lock.release();
  const working = Effect.runFork(lock.alone(Effect.never));
  expect(lock.tryTake()).toBe(false);
  await Effect.runPromise(Fiber.interrupt(working));
  expect(lock.tryTake()).toBe(true);
});

test("in any order of takers nobody is at it with another, and all come to their turn", async () => {
  const takers = fc.array(
    fc.record({ isPlain: fc.boolean(), forMs: fc.nat(2), laterMs: fc.nat(3) }),
    {
      maxLength: 20,
    },
  );
  const property = fc.asyncProperty(takers, async (those) => {
    const lock = new SessionLock();
    let [at, turns, refused] = [0, 0, 0];
    const enter = () => {
      at += 1;
      turns += 1;
      expect(at).toBe(1);
    };
    const leave = () => {
      at -= 1;
    };
    const take = async ({ isPlain, forMs, laterMs }: (typeof those)[number]) => {
      await Bun.sleep(laterMs);
      if (isPlain) {
        if (!lock.tryTake()) {
          refused += 1;
          return;
        }
        enter();
        await Bun.sleep(forMs);
        leave();
        lock.release();
        return;
      }
      const work = Effect.sync(enter).pipe(
        Effect.andThen(Effect.sleep(forMs)),
        Effect.andThen(Effect.sync(leave)),
      );
      await Effect.runPromise(lock.alone(work));
    };
    await Promise.all(those.map(take));
    expect(turns + refused).toBe(those.length);
    expect(lock.tryTake()).toBe(true);
  });
  await fc.assert(property, { numRuns: 30 });
});
