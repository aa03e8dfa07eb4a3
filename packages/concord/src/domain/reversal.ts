/**
 * Owns taking a success back (CAN-12): a governed command of its own, refused once the window is closed. What
 * happened is undone by the chain of compensations. Refuses to own: stopping work under way (cancellation.ts).
 */
import type { Command, Principal } from "../core/command.ts";
import { isWindowOpen } from "../core/compensation.ts";
import { Refusal } from "../core/errors.ts";
import { type CommandId, encodeId } from "../core/ids.ts";
import { type Act, allowAct, beginAct, finishAct, refuseAct } from "./acts.ts";
import { eventOf } from "./audit.ts";
import { cancelCommand } from "./cancellation.ts";
import { compensatable, startChain, undoesItself } from "./compensation.ts";
import type { Kit } from "./kit.ts";
import { isoTime } from "./kit.ts";
import { moveCommand } from "./move.ts";
import type { Tx } from "./store.ts";

/** Whether asking to cancel `command` means taking a success back, rather than stopping work. */
export function isReversal(kit: Kit, command: Command): boolean {
  const window = kit.catalog.task(command.taskName)?.cancelWithinMinutes;
  return command.status === "succeeded" && undoesItself(command) && window !== undefined;
}

/** Which of the two it is, is decided under the command's lock. */
export async function stopOrReverse(
  tx: Tx,
  kit: Kit,
  commandId: CommandId,
  principal: Principal,
  reason: string | null,
): Promise<Command | Refusal> {
  const command = await tx.commands.lock(commandId);
  if (command === undefined) throw new Error(`there is no command ${commandId}`);
  return isReversal(kit, command)
    ? reverseCommand(tx, kit, command, principal, reason)
    : cancelCommand(tx, kit, commandId, principal.user, reason);
}

/** The command on its way back, or the refusal `cancellation_closed`; either is on record. Call under its lock. */
export async function reverseCommand(
  tx: Tx,
  kit: Kit,
  command: Command,
  principal: Principal,
  reason: string | null,
): Promise<Command | Refusal> {
  const payload = { command_id: encodeId("command", command.commandId), reason };
  const act: Act = {
    commandType: "cancel_command",
    principal,
    traceId: command.traceId,
    payload,
    target: command,
    policy: "cancellation_window",
  };
  const begun = await beginAct(tx, kit, act);
  const window = kit.catalog.task(command.taskName)?.cancelWithinMinutes;
  const completedMs = Date.parse(command.completedAt ?? command.updatedAt);
  const closesAt = isoTime(completedMs + (window ?? 0) * 60_000);
  const undoable = (await compensatable(tx, command)).length > 0;
  const windowOpen = isWindowOpen(completedMs, window, kit.nowMs());
  const actor = principal.user;
  const asked = {
    cancellation_mode: command.cancellationMode,
    cancel_reason: reason,
    cancelled_by: actor,
    accepted: undoable && windowOpen,
  };
  await tx.events.append([eventOf(command, "command_cancelled", asked, { actor })]);
  if (!undoable || !windowOpen) {
    const message = windowOpen
      ? "Nothing of it stands that could be undone."
      : `It could be cancelled until ${closesAt}; that is over.`;
    return refuseAct(tx, act, begun, new Refusal("cancellation_closed", message));
  }
  await allowAct(tx, act, begun, `it may be cancelled until ${closesAt}`);
  const requested = await tx.commands.requestCancellation(command.commandId, actor, reason);
  const cancelling = await moveCommand(tx, requested, "cancelling", {
    actor,
    facts: { compensatable: true, windowOpen },
    ...(reason === null ? {} : { reason }),
  });
  const moved = await startChain(tx, kit, cancelling, { actor, reason: reason ?? "taken back" });
  await finishAct(tx, begun, payload);
  return moved;
}
