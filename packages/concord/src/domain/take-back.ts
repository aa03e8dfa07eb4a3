/**
 * Owns the step that stops another command or takes its success back (spec §65; CMP-17): for whoever asked for this one,
 * under this one's policies, by the same door as a person's cancellation. So what undoes is what was declared when it was
 * planned, and drift is noticed. The step ends when that command rests; its end wakes this one.
 */
import type { Command } from "../core/command.ts";
import { type Failure, Refusal } from "../core/errors.ts";
import { type CommandId, decodeId, encodeId } from "../core/ids.ts";
import { isResting } from "../core/vocabulary.ts";
import { compensatable } from "./compensation.ts";
import { guarded, viewOf } from "./contract-code.ts";
import type { Kit } from "./kit.ts";
import { isReversal, stopOrReverse } from "./reversal.ts";
import type { Tx } from "./store.ts";
import type { TakeBackStep } from "./tasks.ts";
import type { Written } from "./write-artifact.ts";

/** Done, failed, or to be asked again when the other command ended. */
export type TakenBack = Written | "waits";

export async function takeBack(
  tx: Tx,
  kit: Kit,
  command: Command,
  { id: stepId, command: idOf }: TakeBackStep,
): Promise<TakenBack> {
  const named = guarded(() => ({ id: idOf(viewOf(command)) }), "the command to take back");
  if ("failure" in named) return named;
  const targetId = decodeId("command", String(named.value["id"]));
  const target = targetId === undefined ? undefined : await tx.commands.find(targetId);
  if (target === undefined || !isTheirs(command, target)) {
    return invalid("there is no command of that id to take back");
  }
  const known = await tx.dependencies.of(command.commandId);
  const wasAsked = known.some((one) => one.parentId === target.commandId);
  const asked = wasAsked ? target : await ask(tx, kit, command, target.commandId);
  if ("failure" in asked) return asked;
  const { status } = asked;
  if (!isResting(status)) return "waits";
  const id = encodeId("command", target.commandId);
  if (!isTakenBack(asked)) {
    return failed("permanent_connector_error", `${id} could not be taken back: it is ${status}`);
  }
  const result = { command_id: id, status };
  return { command: await tx.commands.setStepResult(command.commandId, stepId, result) };
}

/** Its own, or anybody's for an owner; never itself or what it is a part of. */
function isTheirs(command: Command, target: Command): boolean {
  const { user, roles } = command.context.actor;
  const isAbove = [command.commandId, command.parentCommandId, command.rootCommandId].includes(
    target.commandId,
  );
  const isOwn = target.requestedBy === user || roles.includes("owner");
  return target.tenantId === command.tenantId && isOwn && !isAbove;
}

const isTakenBack = ({ status }: Command) => status === "cancelled" || status === "compensated";

/** The command as it is after it was asked to go back. */
async function ask(
  tx: Tx,
  kit: Kit,
  command: Command,
  commandId: CommandId,
): Promise<Command | { readonly failure: Failure }> {
  const target = await tx.commands.lock(commandId);
  if (target === undefined) throw new Error(`there is no command ${commandId}`);
  if (isTakenBack(target)) return target;
  const canUndo = isReversal(kit, target) && (await compensatable(tx, target)).length > 0;
  if (isResting(target.status) && !canUndo) {
    return invalid(`it is ${target.status}, and nothing that undoes it is declared`);
  }
  const reason = `asked for by ${encodeId("command", command.commandId)}`;
  const moved = await stopOrReverse(tx, kit, commandId, command.context.actor, reason);
  if (moved instanceof Refusal) return failed("policy_denied", moved.message);
  // Its end wakes this command; the lock keeps it from coming before that.
  await tx.dependencies.add(command, {
    parentId: commandId,
    requiredStatus: "cancelled",
    propagateCancellation: false,
  });
  return moved;
}

const failed = (errorClass: Failure["errorClass"], message: string) => ({
  failure: { errorClass, message },
});
const invalid = (message: string) => failed("validation_error", message);
