import { wfQueueRunner } from "@dbos-inc/dbos-sdk/internal/wfqueue";
import { expect, test, vi } from "vitest";
import { attach, ring } from "./queue-bell.ts";

interface State {
  readonly queue: { readonly name: string; readonly minPollingIntervalMs: number };
  currentPollingMs: number;
  nextPollAt: number;
}
type RunPoll = (exec: unknown, state: State, lanes: unknown, wake: () => void) => Promise<void>;

const INTERVAL_MS = 60_000;

/** A poll as the loop of DBOS makes it, of a queue in which `look` finds nothing. */
function poller(name: string, look: () => void = () => undefined) {
  const queue = { name, minPollingIntervalMs: INTERVAL_MS };
  const state: State = { queue, currentPollingMs: INTERVAL_MS, nextPollAt: 0 };
  const systemDatabase = {
    countRunningWorkflowsForQueue: () => 0,
    findAndMarkStartableWorkflows: async () => {
      look();
      return [];
    },
  };
  const exec = { systemDatabase, dispatchDequeuedWorkflows: async () => undefined };
  const woken: string[] = [];
  const { runQueuePoll } = wfQueueRunner as unknown as { runQueuePoll: RunPoll };
  const poll = () =>
    runQueuePoll.call(wfQueueRunner, exec, state, new Map(), () => woken.push("woken"));
  return { state, woken, poll };
}

test("the installed DBOS can be woken: a queue that is rung for is due at once, another is not", async () => {
  expect(attach()).toBe(true);
  const [rung, quiet] = [poller("rung"), poller("quiet")];
  await rung.poll();
  await quiet.poll();
  const own = rung.woken.length;
  expect(rung.state.nextPollAt).toBeGreaterThan(Date.now());
  ring("rung");
  await vi.waitUntil(() => rung.woken.length > own);
  expect(rung.state.nextPollAt).toBe(0);
  expect(quiet.state.nextPollAt).toBeGreaterThan(Date.now());
});

test("rung for while it is looked into, a queue is looked into once more", async () => {
  expect(attach()).toBe(true);
  const { state, poll } = poller("busy", () => ring("busy"));
  await poll();
  await vi.waitUntil(() => state.nextPollAt === 0);
});

test("ringing for a queue that nobody has looked into yet does nothing", () => {
  expect(attach()).toBe(true);
  ring("unknown");
});
