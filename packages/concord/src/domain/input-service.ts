/**
 * Owns answering what a command waits for: the payload is completed, checked, judged and planned anew, so that an
 * approval always is about what will run (APR-12, APR-17). The key and the id of the command stay.
 */
import type { Command, Principal } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import { type CommandId, encodeId } from "../core/ids.ts";
import { isJsonObject } from "../core/json.ts";
import { eventOf } from "./audit.ts";
import { expireInput } from "./input.ts";
import type { Kit } from "./kit.ts";
import { moveCommand, wake } from "./move.ts";
import type { Tx } from "./store.ts";
import { checkRequest, judgeAgain } from "./submission.ts";

/** Merges `input` over the payload. Returns the refusal when its record has to commit; throws it when nothing changed. */
export async function provideInput(
  tx: Tx,
  kit: Kit,
  commandId: CommandId,
  principal: Principal,
  input: unknown,
): Promise<Command | Refusal> {
  const command = await tx.commands.lock(commandId);
  if (command === undefined) throw new Error(`there is no command ${commandId}`);
  const asked = await tx.inputs.open(commandId);
  if (command.status !== "waiting_for_input" || asked === undefined) {
    const id = encodeId("command", commandId);
    throw new Refusal(
      "illegal_transition",
      `The command ${id} is ${command.status} and asks for nothing.`,
    );
  }
  if (Date.parse(asked.expiresAt) <= kit.nowMs()) {
    await expireInput(tx, command);
    await wake(tx, command);
    return new Refusal("illegal_transition", `The question expired at ${asked.expiresAt}.`);
  }
  if (!isJsonObject(input)) throw new Refusal("validation_error", "input must be a JSON object");
  const { taskName, ingress } = command;
  const { task, payload } = checkRequest(kit, {
    taskName,
    ingress,
    payload: { ...command.payload, ...input },
  });
  await tx.inputs.close(commandId, "answered", principal.user);
  await tx.commands.setPayload(commandId, payload);
  const told = { fields: Object.keys(input), provided_by: principal.user };
  const actor = principal.user;
  await tx.events.append([
    eventOf(command, "input_provided", told, { actor }),
    eventOf(command, "input_validated", {}),
  ]);
  const validated = await moveCommand(tx, { ...command, payload }, "validated", { actor });
  const judged = await judgeAgain(tx, kit, { ...validated, payload }, task);
  await wake(tx, judged);
  return judged;
}
