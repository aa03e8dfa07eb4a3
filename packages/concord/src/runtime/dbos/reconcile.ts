/**
 * Owns finding commands that nobody runs (CMD-18, STM-12): not at rest, and their run is missing or ended. A
 * commit cannot leave one, but a restored backup or a dead-lettered run can. Runs are driven by rows, so a
 * second run of one command is harmless.
 */
import type { Pool } from "pg";
import { chooseQueue } from "../../core/classify.ts";
import type { Command } from "../../core/command.ts";
import { isResting } from "../../core/vocabulary.ts";
import { workflowIdOf } from "../../domain/plan-command.ts";
import { commandsWithoutRun } from "../../postgres/projections/counts.ts";
import type { PgStore } from "../../postgres/store.ts";

const BATCH = 200;

/** Starts a run for each such command and returns how many there were. */
export async function reconcile(pool: Pool, store: PgStore): Promise<number> {
  for (let started = 0; ; ) {
    const stranded = await commandsWithoutRun(pool, BATCH);
    const outcomes: boolean[] = [];
    for (const command of stranded) outcomes.push(await restart(store, command));
    const count = outcomes.filter(Boolean).length;
    started += count;
    // A batch in which nothing could be started would come again for ever.
    if (count === 0 || stranded.length < BATCH) return started;
  }
}

/** A fresh id each time: the old one would answer with its old outcome (CMD-17). */
async function restart(store: PgStore, seen: Command): Promise<boolean> {
  return store.transaction(async (tx) => {
    const command = await tx.commands.lock(seen.commandId);
    const isStale =
      command === undefined ||
      isResting(command.status) ||
      command.plan === null ||
      command.workflowId !== seen.workflowId;
    if (isStale || command.plan === null) return false;
    const base = workflowIdOf(command);
    const resumed = /:resume:(\d+)$/.exec(command.workflowId ?? "")?.[1];
    const workflowId = `${base}:resume:${Number(resumed ?? "0") + 1}`;
    await tx.commands.setPlan(command.commandId, command.plan, workflowId);
    const queue = chooseQueue(command.taskName === "agent.turn" ? "agent.run" : "connector.call");
    await tx.outbox.start(workflowId, command.commandId, queue, command.context.actor);
    return true;
  });
}
