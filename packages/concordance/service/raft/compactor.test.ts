import { expect, test } from "bun:test";
import { Compactor, type CompactorParts } from "./compactor.ts";
import { emptyLog, withTerms } from "./log-shape.ts";
import { foundedBy } from "./membership.ts";
import { nodeId, type RaftState } from "./types.ts";

/** Nothing but what a compactor reads: twenty entries, all applied. */
const state = {
  log: withTerms(
    emptyLog(0, 0),
    1,
    Array.from({ length: 20 }, () => 1),
  ),
  memberships: [{ index: 0, membership: foundedBy([nodeId("n1")], "i") }],
} as unknown as RaftState;

function compactor() {
  const sync = Promise.withResolvers<void>();
  const done: string[] = [];
  const failures: unknown[] = [];
  const log = {
    sweep: () => {
      done.push("swept");
      return false;
    },
    compact: ({ index }: { index: number }) => done.push(`log cut at ${index}`),
  };
  const made = new Compactor({
    log: log as unknown as CompactorParts["log"],
    machine: { appliedIndex: 20, timeMs: 1, sync: () => sync.promise },
    outbox: { heldIndex: 20, send: () => undefined, offerSnapshot: () => undefined },
    limits: { entries: 10, tail: 5 },
    state: () => state,
    asEvent: (work) => {
      try {
        work();
      } catch (error) {
        failures.push(error);
      }
    },
    compacted: (through) => done.push(`compacted through ${through}`),
  });
  return { made, sync, done, failures };
}

test("pitfall 25: the log is cut only after the state was synced, and once", async () => {
  const { made, sync, done } = compactor();
  made.whenDue();
  made.whenDue();
  await Promise.resolve();
  expect(done).toEqual([]);
  sync.resolve();
  await sync.promise;
  expect(done).toEqual(["log cut at 15", "compacted through 15"]);
});

test("pitfall 22: a sync that an installed snapshot overtook cuts nothing", async () => {
  const { made, sync, done } = compactor();
  made.whenDue();
  made.stateReplaced();
  sync.resolve();
  await sync.promise;
  expect(done).toEqual([]);
  made.whenDue();
  expect(done).toEqual(["swept"]);
});

test("pitfall 3: a sync that fails is a failed write, and nothing is cut", async () => {
  const { made, sync, done, failures } = compactor();
  made.whenDue();
  sync.reject(new Error("no space left"));
  await sync.promise.catch(() => undefined);
  expect([done, failures]).toEqual([[], [new Error("no space left")]]);
});
