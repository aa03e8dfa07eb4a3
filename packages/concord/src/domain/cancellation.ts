/**
 * Owns stopping a command (spec §30): waiting ones at once, with their questions; running ones through
 * `cancelling`, between steps; an agent's turn with its children. Never the runtime's hard cancel (CAN-2).
 */
import type { Command } from "../core/command.ts";
import { type CommandId, encodeId } from "../core/ids.ts";
import { isResting } from "../core/vocabulary.ts";
import { eventOf } from "./audit.ts";
import { BEFORE_WORK } from "./dependencies.ts";
import { closeInput } from "./input.ts";
import type { Kit } from "./kit.ts";
import { moveCommand } from "./move.ts";
import { closeOpenQuestions } from "./open-questions.ts";
import { wake } from "./runs.ts";
import type { Tx } from "./store.ts";

/** The command as it is afterwards. A command at rest stays as it is, and the request is audited (CAN-6). */
export async function cancelCommand(
  tx: Tx,
  kit: Kit,
  commandId: CommandId,
  actor: string,
  reason: string | null,
): Promise<Command> {
  const command = await tx.commands.lock(commandId);
  if (command === undefined) throw new Error(`there is no command ${commandId}`);
  const isNoOp =
    isResting(command.status) ||
    command.status === "compensating" ||
    command.cancellationRequestedAt !== null;
  await tx.events.append([
    eventOf(
      command,
      "command_cancelled",
      {
        cancellation_mode: command.cancellationMode,
        cancel_reason: reason,
        cancelled_by: actor,
        accepted: !isNoOp,
      },
      { actor },
    ),
  ]);
  if (isNoOp) return command;
  const requested = await tx.commands.requestCancellation(commandId, actor, reason);
  // APR-15: a cancelled command asks nobody anything any more.
  await closeOpenQuestions(tx, requested, "cancelled", "the command was cancelled", actor);
  await closeInput(tx, requested, "cancelled", actor);
  const someEffectSucceeded = (await tx.effects.standing([commandId])).length > 0;
  const inSteps =
    requested.status === "running" || (requested.status === "blocked" && someEffectSucceeded);
  const moved = await moveCommand(tx, requested, inSteps ? "cancelling" : "cancelled", {
    actor,
    facts: { someEffectSucceeded },
    ...(reason === null ? {} : { reason }),
  });
  await cancelChildren(tx, kit, moved, actor, reason);
  await cancelDependents(tx, kit, moved, actor);
  await wake(tx, kit, moved);
  return moved;
}

/** Stops every child that still works, with the same reason (CAN-8). */
async function cancelChildren(
  tx: Tx,
  kit: Kit,
  turn: Command,
  actor: string,
  reason: string | null,
): Promise<void> {
  for (const child of await tx.commands.children(turn.commandId)) {
    if (!isResting(child.status)) await cancelCommand(tx, kit, child.commandId, actor, reason);
  }
}

/** CAN-8: what waits for the success of something that was stopped is stopped too, unless it says otherwise. */
async function cancelDependents(tx: Tx, kit: Kit, parent: Command, actor: string): Promise<void> {
  for (const { command, dependency } of await tx.dependencies.dependents(parent.commandId)) {
    const isLost = dependency.requiredStatus !== "cancelled" && dependency.propagateCancellation;
    if (!isLost || !BEFORE_WORK.includes(command.status)) continue;
    const why = `it waits for ${encodeId("command", parent.commandId)}, which was cancelled`;
    await cancelCommand(tx, kit, command.commandId, actor, why);
  }
}
