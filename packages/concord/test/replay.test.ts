/**
 * The workflow of a command, begun again at each of its durable calls: what was recorded is not done again, and the
 * journal finds the same calls in the same order, or the run fails as not deterministic.
 */
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Command, encodeId } from "../src/index.ts";
import { postgresGround } from "../src/runtime/memory/ground.ts";
import { createMemoryRuntime, type MemoryRuntime } from "../src/runtime/memory/index.ts";
import { FRED, type Harness, startHarness, TRACE } from "./support/harness.ts";
import { expectWhole } from "./support/whole.ts";

let h: Harness;
let runtime: MemoryRuntime<pg.ClientBase>;
/** The calls of the run under test, in order; it is cut before the call of this number, once. */
const calls: string[] = [];
const cut = { at: -1, done: false };

beforeAll(async () => {
  h = await startHarness({
    runtime: ({ pool }) => {
      runtime = createMemoryRuntime({
        ground: postgresGround(pool),
        cutBefore: (_workflowId, number, name) => {
          calls[number] = name;
          if (cut.done || number !== cut.at) return false;
          cut.done = true;
          return true;
        },
      });
      return runtime;
    },
  });
});
afterAll(() => h.stop());

/** The vendor fails once before and once after it acted, and somebody has to approve: every kind of call and wait. */
async function journey(at: number): Promise<Command> {
  calls.splice(0);
  cut.at = at;
  cut.done = false;
  h.vendor.faults.push("error_before", "drop_after");
  const { command } = await h.submit({ amount: 900 });
  const again = setInterval(() => {
    if (cut.done) runtime.recover();
  }, 10);
  try {
    await h.concord.approvals.resolve({
      approvalId: encodeId("approval", (await h.approvalOf(command)).approvalId),
      decision: "approved",
      principal: FRED,
      traceId: TRACE,
    });
    return await h.settled(command);
  } finally {
    clearInterval(again);
  }
}

test("RUN-6 RUN-8 cut before any of its durable calls, a command's run goes on from there and does nothing twice", async () => {
  expect((await journey(-1)).status).toBe("succeeded");
  const whole = calls.length;
  expect(whole).toBeGreaterThanOrEqual(5);
  // Nothing but steps and waits: whatever reads, writes, calls or looks at the time is inside one.
  expect(calls.filter((name) => !/^(proceed|wait wake)$/.test(name))).toEqual([]);
  let cuts = 0;
  for (let at = 0; at < whole; at += 1) {
    const before = h.vendor.purchases.size;
    const command = await journey(at);
    expect([at, command.status]).toEqual([at, "succeeded"]);
    if (cut.done) cuts += 1;
    expect(h.vendor.purchases.size).toBe(before + 1);
    await expectWhole(h.pool, encodeId("command", command.commandId));
  }
  // A decision that comes early spares a run one wait and one step, so its last two calls may not come.
  expect(cuts).toBeGreaterThanOrEqual(whole - 2);
});
