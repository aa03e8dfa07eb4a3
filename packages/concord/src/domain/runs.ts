/**
 * Owns which run drives a command, and that a command which waits for a person has none (docs/adr/0029): it is started with
 * the commit that ends the wait. Refuses to own: what a run does (engine.ts), and waits that end by themselves, which keep it.
 */
import { chooseQueue } from "../core/classify.ts";
import type { Command } from "../core/command.ts";
import { encodeId } from "../core/ids.ts";
import { isResting, type QueueName } from "../core/vocabulary.ts";
import { eventOf } from "./audit.ts";
import type { Kit } from "./kit.ts";
import type { Tx } from "./store.ts";
import type { Task } from "./tasks.ts";

/** The workflow that runs a command; re-runs get a suffix (CMD-17). */
export function workflowIdOf(command: Pick<Command, "commandId">): string {
  return `command:${encodeId("command", command.commandId)}`;
}

/** The id of the run after `workflowId`: an earlier one would answer with its old outcome (CMD-17). */
export function nextRun(workflowId: string): string {
  const [base = workflowId, resumed = "0"] = workflowId.split(":resume:");
  return `${base}:resume:${Number(resumed) + 1}`;
}

/** Whether nothing happens to it before a person answers or its time is up. One with dependencies hears of their end, too. */
export function waitsForPerson({
  status,
  hasDependencies,
}: Pick<Command, "status" | "hasDependencies">): boolean {
  const isAsking = status === "waiting_for_approval" || status === "waiting_for_input";
  return isAsking && !hasDependencies;
}

/** Where runs of `task` are queued. */
export function queueOf(task: Task): QueueName {
  if (task.runsAs === "agent_turn") return chooseQueue("agent.run", task.queue);
  const callsOut = task.steps.some((step) => step.kind === "connector");
  return chooseQueue(callsOut ? "connector.call" : task.name, task.queue);
}

/** Starts the run of a command that never had one, or parks it; as it then is. Either exists once this commits. */
export async function startOrPark(tx: Tx, command: Command, task: Task): Promise<Command> {
  const workflowId = command.workflowId ?? workflowIdOf(command);
  if (waitsForPerson(command)) return tx.commands.park(command.commandId, workflowId);
  await start(tx, { ...command, workflowId }, queueOf(task));
  return { ...command, workflowId };
}

/** Parks a command that had a run, which ends: another one is started when the wait is over. */
export async function parkAgain(tx: Tx, command: Command): Promise<void> {
  if (command.isParked) return;
  await tx.commands.park(command.commandId, nextRun(command.workflowId ?? workflowIdOf(command)));
}

/** The hint that makes a waiting run read its rows again; a parked command whose wait is over gets its run. */
export async function wake(tx: Tx, kit: Kit, command: Command): Promise<void> {
  if (command.workflowId === null) return;
  if (!command.isParked) return tx.outbox.wake(command.workflowId);
  if (isResting(command.status) || waitsForPerson(command)) return;
  const task = kit.catalog.task(command.taskName);
  await start(tx, command, task === undefined ? chooseQueue(command.taskName) : queueOf(task));
}

/** It stays parked in its row until the run has taken it up: a second start of one id is none. */
async function start(tx: Tx, command: Command, queue: QueueName): Promise<void> {
  const { workflowId, commandId, context } = command;
  await tx.events.append([eventOf(command, "task_enqueued", { queue })]);
  await tx.outbox.start(workflowId ?? workflowIdOf(command), commandId, queue, context.actor);
}
