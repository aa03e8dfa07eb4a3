/**
 * Owns answering what a command waits for: the payload is completed, checked, judged and planned anew, so that an
 * approval always is about what will run (APR-12, APR-17). The key and the id of the command stay.
 */
import type { Command, Principal } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import { type CommandId, encodeId } from "../core/ids.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { compileSchema, issuesText } from "../core/validation.ts";
import { eventOf } from "./audit.ts";
import { cancelCommand } from "./cancellation.ts";
import { expireInput, type InputRequest } from "./input.ts";
import type { Kit } from "./kit.ts";
import { moveCommand } from "./move.ts";
import { wake } from "./runs.ts";
import type { Tx } from "./store.ts";
import { checkRequest, judgeAgain } from "./submission.ts";

const DISMISSED = "the person did not want to answer";

export interface Answer {
  readonly principal: Principal;
  /** Undefined: the person does not want to answer, and what was asked for is cancelled. */
  readonly input: unknown;
  /** The outside form of the question it answers. Absent: whichever is open. */
  readonly inputRequestId?: string;
}

/** Merges the answer over the payload. Returns the refusal when its record has to commit; throws it when nothing changed. */
export async function provideInput(
  tx: Tx,
  kit: Kit,
  commandId: CommandId,
  { principal, input, inputRequestId }: Answer,
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
  if (inputRequestId !== undefined && inputRequestId !== encodeId("input", asked.inputRequestId)) {
    throw new Refusal("illegal_transition", `The question ${inputRequestId} is open no more.`);
  }
  if (Date.parse(asked.expiresAt) <= kit.nowMs()) {
    await expireInput(tx, command);
    await wake(tx, kit, command);
    return new Refusal("illegal_transition", `The question expired at ${asked.expiresAt}.`);
  }
  const actor = principal.user;
  if (input === undefined) return cancelCommand(tx, kit, commandId, actor, DISMISSED);
  const given = fitting(asked, input);
  const { taskName, ingress } = command;
  const { task, payload } = checkRequest(kit, {
    taskName,
    ingress,
    payload: { ...command.payload, ...given },
  });
  await tx.inputs.close(commandId, "answered", principal.user);
  await tx.commands.setPayload(commandId, payload);
  const told = {
    input_request_id: encodeId("input", asked.inputRequestId),
    fields: Object.keys(given),
    provided_by: principal.user,
  };
  await tx.events.append([
    eventOf(command, "input_provided", told, { actor }),
    eventOf(command, "input_validated", {}),
  ]);
  const validated = await moveCommand(tx, { ...command, payload }, "validated", { actor });
  const judged = await judgeAgain(tx, kit, { ...validated, payload }, task);
  await wake(tx, kit, judged);
  return judged;
}

/** What was asked is what may be answered: an answer changes no other part of the payload. */
function fitting({ answerSchema }: InputRequest, input: unknown): JsonObject {
  if (!isJsonObject(input)) throw new Refusal("validation_error", "input must be a JSON object");
  const issues = compileSchema(answerSchema)(input);
  if (issues.length === 0) return input;
  const message = `The answer does not fit the question: ${issuesText(issues)}`;
  throw new Refusal("validation_error", message, issues);
}
