/** Owns steps with a condition: one that does not hold ends the step without anything happening (EX-19). */
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
