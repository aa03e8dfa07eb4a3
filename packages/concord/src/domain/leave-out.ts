/**
 * Owns steps that end without anything happening: their condition does not hold (EX-19), or a person said no and the
 * command goes on without them (APR-13).
 */
import type { Command, PlanStep } from "../core/command.ts";
import type { Failure } from "../core/errors.ts";
import { eventOf } from "./audit.ts";
import { guarded, viewOf } from "./contract-code.ts";
import type { Tx } from "./store.ts";
import type { Task } from "./tasks.ts";

type LeftOut = { readonly command: Command } | { readonly failure: Failure };

/** Undefined when the step has to be done. */
export async function leaveOut(
  tx: Tx,
  command: Command,
  task: Task,
  { stepId }: PlanStep,
): Promise<LeftOut | undefined> {
  const when = task.steps.find((one) => one.id === stepId)?.when;
  if (when === undefined) return undefined;
  const held = guarded(() => ({ holds: when(viewOf(command)) === true }), "the step's condition");
  if ("failure" in held) return held;
  if (held.value["holds"] === true) return undefined;
  await tx.events.append([eventOf(command, "step_skipped", { step_id: stepId })]);
  return { command: await tx.commands.setStepResult(command.commandId, stepId, { skipped: true }) };
}

/** What leaves the command (writes outside, publishes, takes back) is marked as left out; the rest is still to be done. */
export async function leaveOutWhatLeaves(tx: Tx, command: Command, task: Task): Promise<Command> {
  const leaving = task.steps.filter(
    (one) =>
      one.kind === "publish" ||
      one.kind === "take_back" ||
      (one.kind === "connector" && one.effectType !== undefined),
  );
  let left = command;
  for (const { id } of leaving) {
    const payload = { step_id: id, because: "rejected" };
    await tx.events.append([eventOf(command, "step_skipped", payload)]);
    left = await tx.commands.setStepResult(command.commandId, id, { skipped: true });
  }
  return left;
}
