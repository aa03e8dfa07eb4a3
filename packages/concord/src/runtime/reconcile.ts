/**
 * Owns starting again what nobody runs (CMD-18, STM-12): commands not at rest whose run is missing, ended, or
 * belongs to a version that nobody alive can continue. A commit cannot leave one, but a restored backup, a
 * dead-lettered run or an upgrade can. Runs are driven by rows, so a second run of one command is harmless.
 */
import type { Logger } from "pino";
import { chooseQueue } from "../core/classify.ts";
import type { CommandId } from "../core/ids.ts";
import { isResting } from "../core/vocabulary.ts";
import { nextRun, workflowIdOf } from "../domain/runs.ts";
import type { Store } from "../domain/store.ts";
import type { DurableRuntime } from "./protocol/index.ts";

const BATCH = 200;
const EVERY_MS = 30_000;

type Runs = Pick<DurableRuntime<never>, "stranded" | "cancel" | "inspect">;

export interface Reconciler {
  /** Looks once, then again and again. */
  start(): Promise<void>;
  stop(): void;
  /** When it last looked, whatever it found; undefined before the first time. */
  sweptAtMs(): number | undefined;
  readonly everyMs: number;
}

export function createReconciler(runtime: Runs, store: Store, log: Logger): Reconciler {
  let timer: NodeJS.Timeout | undefined;
  let sweptAtMs: number | undefined;
  const sweep = async () => {
    const count = await reconcile(runtime, store);
    sweptAtMs = Date.now();
    if (count > 0) log.warn({ count }, "commands without a run were started again");
  };
  return {
    start: async () => {
      await sweep();
      timer = setInterval(() => {
        sweep().catch((error) => log.error({ err: error }, "could not look for lost commands"));
      }, EVERY_MS);
    },
    stop: () => clearInterval(timer),
    sweptAtMs: () => sweptAtMs,
    everyMs: EVERY_MS,
  };
}

/** Starts a run for each such command and returns how many there were. */
export async function reconcile(runtime: Runs, store: Store): Promise<number> {
  for (let started = 0; ; ) {
    const stranded = await runtime.stranded(BATCH);
    let count = 0;
    for (const id of stranded) if (await restart(runtime, store, id)) count += 1;
    started += count;
    // A batch in which nothing could be started would come again for ever.
    if (count === 0 || stranded.length < BATCH) return started;
  }
}

/** A fresh id each time: the old one would answer with its old outcome (CMD-17). */
async function restart(runtime: Runs, store: Store, id: CommandId): Promise<boolean> {
  const seen = await store.read((tx) => tx.commands.find(id));
  if (seen === undefined) return false;
  const isStarted = await store.transaction(async (tx) => {
    const command = await tx.commands.lock(id);
    const isStale =
      command === undefined || isResting(command.status) || command.workflowId !== seen.workflowId;
    if (isStale) return false;
    const workflowId = nextRun(command.workflowId ?? workflowIdOf(command));
    await tx.commands.setWorkflow(command.commandId, workflowId);
    const queue = chooseQueue(command.taskName === "agent.turn" ? "agent.run" : "connector.call");
    await tx.outbox.start(workflowId, command.commandId, queue, command.context.actor);
    return true;
  });
  // What nobody could continue must not come back to life beside the new run.
  const old = isStarted ? seen.workflowId : null;
  if (old !== null && (await runtime.inspect(old)).state !== "missing") await runtime.cancel(old);
  return isStarted;
}
