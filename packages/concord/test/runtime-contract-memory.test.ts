/** The runtime contract on the in-memory adapter: no database, no engine (RUN-6). */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { manualClock } from "../src/runtime/memory/index.ts";
import { runtimeContract } from "../src/testing/index.ts";
import { memorySubject } from "./support/runtime-subjects.ts";

let subject: Awaited<ReturnType<typeof memorySubject>>;
beforeAll(async () => {
  subject = await memorySubject();
});
afterAll(() => subject.stop());

describe("in memory", () => {
  for (const one of runtimeContract) test(one.name, () => one.run(subject));
});

describe("a clock that a test moves, a crash where a test wants it", () => {
  const HOUR_MS = 3_600_000;

  test("RUN-6 time stands until it is moved: a wait ends at its deadline and not a millisecond before", async () => {
    const clock = manualClock();
    const { runtime, stop } = await memorySubject({ clock });
    runtime.defineWorkflow("test.patient", async (context) => {
      const heard = await context.wait("word", 2 * HOUR_MS);
      await context.sleep(HOUR_MS);
      return heard ?? "nothing";
    });
    const spec = { workflow: "test.patient", workflowId: "w", input: null, queue: "", tenant: "t" };
    await runtime.submitWorkflow(spec);
    const outcome = async () => {
      // Everything that can go on without time has gone on.
      for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
      return runtime.waitForResult("w", 0);
    };
    for (const ms of [2 * HOUR_MS - 1, 1, HOUR_MS - 1]) {
      expect(await outcome()).toEqual({ state: "running" });
      clock.advance(ms);
    }
    expect(await outcome()).toEqual({ state: "running" });
    clock.advance(1);
    expect(await outcome()).toEqual({ state: "succeeded", value: "nothing" });
    await stop();
  });

  test("RUN-6 RUN-8 a body whose calls come otherwise the second time is stopped, not continued wrongly", async () => {
    let begun = 0;
    const { runtime, stop } = await memorySubject({
      cutBefore: (_id, call) => begun === 1 && call === 1,
    });
    runtime.defineWorkflow("test.fickle", async (context) => {
      begun += 1;
      await context.step(begun === 1 ? "heads" : "tails", async () => null);
      await context.step("after", async () => null);
      return null;
    });
    const spec = { workflow: "test.fickle", workflowId: "f", input: null, queue: "", tenant: "t" };
    await runtime.submitWorkflow(spec);
    await expect.poll(() => begun).toBe(1);
    await new Promise(setImmediate);
    runtime.recover();
    const outcome = await runtime.waitForResult("f", 10_000);
    expect(outcome).toMatchObject({
      state: "failed",
      message: expect.stringMatching(/"heads" and is now "tails".*not deterministic/),
    });
    await stop();
  });
});
