/**
 * Owns asking a requester for more (POL-10, APR-12): the command waits durably in `waiting_for_input`, with what is
 * asked and until when. An agent's call never waits for a person to type: the agent is told, and proposes anew.
 */
import type { Command } from "../core/command.ts";
import { eventOf } from "./audit.ts";
import { isoTime, type Kit } from "./kit.ts";
import { moveCommand, wake } from "./move.ts";
import type { Tx } from "./store.ts";

export interface InputRequest {
  readonly inputRequestId: string;
  readonly question: string;
  readonly askedBy: string;
  readonly expiresAt: string;
}

const INPUT_WITHIN_MINUTES = 24 * 60;

export interface Question {
  readonly actor: string;
  readonly question: string;
}

/** An approver wants something else: it goes back to who asked. */
export async function askForChanges(
  tx: Tx,
  kit: Kit,
  command: Command,
  { actor, question }: Question,
): Promise<Command> {
  const asked =
    command.context.agentCall === undefined
      ? await askForInput(tx, kit, command, { actor, question })
      : await refuseForWant(tx, command, { actor, question });
  await wake(tx, asked);
  return asked;
}

/** Moves the command to `waiting_for_input`. */
export async function askForInput(
  tx: Tx,
  kit: Kit,
  command: Command,
  { actor, question }: Question,
): Promise<Command> {
  const minutes = kit.catalog.task(command.taskName)?.inputWithinMinutes ?? INPUT_WITHIN_MINUTES;
  const expiresAt = isoTime(kit.nowMs() + minutes * 60_000);
  await tx.inputs.ask(command, {
    inputRequestId: kit.newId(),
    question,
    askedBy: actor,
    expiresAt,
  });
  const moved = await moveCommand(tx, command, "waiting_for_input", {
    actor,
    reason: question,
    facts: { changesRequested: true },
  });
  const payload = { question, asked_by: actor, expires_at: expiresAt };
  await tx.events.append([eventOf(moved, "input_requested", payload, { actor })]);
  return moved;
}

/** `human_input_missing` frees the key of the task: the next proposal is a command of its own. */
export async function refuseForWant(
  tx: Tx,
  command: Command,
  { actor, question }: Question,
): Promise<Command> {
  const message = `${actor} asks for something else: ${question}`;
  const failure = { errorClass: "human_input_missing", message } as const;
  return moveCommand(tx, command, "failed", { actor, failure });
}

/** Nobody answered in time. */
export async function expireInput(tx: Tx, command: Command): Promise<void> {
  await tx.inputs.close(command.commandId, "expired", null);
  await moveCommand(tx, command, "expired", { reason: "nobody answered the question in time" });
}
