/**
 * Owns waking DBOS when this process has put something into a queue, so that its polls can be far apart: each is a
 * transaction, and what was just submitted would wait for the next (docs/adr/0023). Refuses to own: claiming runs, which is
 * DBOS' own poll, only earlier. What another process left behind is found by the ordinary polls.
 *
 * DBOS has no public call for it. What is used of its inside: the queue runner hands each poll the state of its queue
 * and the function that wakes its loop. Where a later DBOS does not, `attach` says so, and polls are as often as before.
 */
import { wfQueueRunner } from "@dbos-inc/dbos-sdk/internal/wfqueue";

interface QueueState {
  readonly queue: { readonly name: string };
  nextPollAt: number;
}
type RunPoll = (
  exec: unknown,
  state: QueueState,
  lanes: unknown,
  wake: () => void,
) => Promise<void>;
interface Runner {
  runQueuePoll?: RunPoll;
}

/** Between two polls of a queue that is rung for again and again, so that each finds more than one run. */
const APART_MS = 5;

interface Known {
  readonly state: QueueState;
  readonly wake: () => void;
  polledAtMs: number;
  isPolling: boolean;
  isRung: boolean;
}

const queues = new Map<string, Known>();

/** Makes `ring` work for the queue runner of this process; false when it is not as expected. */
export function attach(): boolean {
  queues.clear();
  const runner = wfQueueRunner as unknown as Runner;
  // An own property is what was put there by an earlier start.
  if (Object.hasOwn(runner, "runQueuePoll")) return true;
  const original = runner.runQueuePoll;
  if (original?.length !== 4) return false;
  runner.runQueuePoll = async (exec, state, lanes, wake) => {
    const known = { state, wake, polledAtMs: performance.now(), isPolling: true, isRung: false };
    queues.set(state.queue.name, known);
    await original.call(runner, exec, state, lanes, wake);
    known.isPolling = false;
    if (known.isRung) pollSoon(known);
  };
  return true;
}

/** Something that is committed waits in `queue`. Nothing happens before DBOS has looked into it for the first time. */
export function ring(queue: string): void {
  const known = queues.get(queue);
  if (known === undefined || known.isRung) return;
  known.isRung = true;
  // A poll that has begun may have looked already: another follows it.
  if (!known.isPolling) pollSoon(known);
}

function pollSoon({ state, wake, polledAtMs }: Known): void {
  const poll = () => {
    state.nextPollAt = 0;
    wake();
  };
  const waitMs = polledAtMs + APART_MS - performance.now();
  if (waitMs <= 0) poll();
  else setTimeout(poll, waitMs);
}
