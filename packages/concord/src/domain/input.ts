/**
 * Owns asking a requester for more (POL-10, APR-12): the command waits durably in `waiting_for_input`, with what is
 * asked and until when. An agent's call waits like any other for what only a person knows (`asks` of its task), and for
 * what policy wants to know if its tool says so; else the agent is told, and proposes anew.
 */
import type { Command } from "../core/command.ts";
import { encodeId, type InputId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { answerSchemaOf, type Question } from "./asking.ts";
import { eventOf } from "./audit.ts";
import { isoTime, type Kit } from "./kit.ts";
import { moveCommand } from "./move.ts";
import { wake } from "./runs.ts";
import type { Tx } from "./store.ts";

export interface InputRequest {
  readonly inputRequestId: InputId;
  /** Everything that is asked, in one text. */
  readonly question: string;
  readonly questions: readonly Question[];
  /** JSON Schema of an answer. */
  readonly answerSchema: JsonObject;
  readonly askedBy: string;
  readonly expiresAt: string;
}

const INPUT_WITHIN_MINUTES = 24 * 60;

export interface Asking {
  readonly actor: string;
  readonly questions: readonly Question[];
}

/** An approver wants something else: it goes back to who asked. */
export async function askForChanges(
  tx: Tx,
  kit: Kit,
  command: Command,
  asking: Asking,
): Promise<Command> {
  const { tool } = kit.catalog.task(command.taskName) ?? {};
  const asked =
    command.context.agentCall === undefined || tool?.waitsForPerson === true
      ? await askForInput(tx, kit, command, asking)
      : await refuseForWant(tx, command, asking);
  await wake(tx, kit, asked);
  return asked;
}

/** Moves the command to `waiting_for_input`. */
export async function askForInput(
  tx: Tx,
  kit: Kit,
  command: Command,
  { actor, questions }: Asking,
): Promise<Command> {
  const task = kit.catalog.task(command.taskName);
  const minutes = task?.inputWithinMinutes ?? INPUT_WITHIN_MINUTES;
  const question = textOf(questions);
  const request: InputRequest = {
    inputRequestId: kit.newId() as InputId,
    question,
    questions,
    answerSchema: answerSchemaOf(task ?? { inputSchema: {} }, questions),
    askedBy: actor,
    expiresAt: isoTime(kit.nowMs() + minutes * 60_000),
  };
  await tx.inputs.ask(command, request);
  const moved = await moveCommand(tx, command, "waiting_for_input", {
    actor,
    reason: question,
    facts: { changesRequested: true },
  });
  await tx.events.append([eventOf(moved, "input_requested", requestPayload(request), { actor })]);
  return moved;
}

/** `human_input_missing` frees the key of the task: the next proposal is a command of its own. */
export async function refuseForWant(
  tx: Tx,
  command: Command,
  { actor, questions }: Asking,
): Promise<Command> {
  const message = `${actor} asks for something else: ${textOf(questions)}`;
  const failure = { errorClass: "human_input_missing", message } as const;
  return moveCommand(tx, command, "failed", { actor, failure });
}

/** Nobody answered in time. */
export async function expireInput(tx: Tx, command: Command): Promise<void> {
  await closeInput(tx, command, "expired");
  await moveCommand(tx, command, "expired", { reason: "nobody answered the question in time" });
}

/** Nobody is asked any more, and nobody answered. */
export async function closeInput(
  tx: Tx,
  command: Command,
  outcome: "expired" | "cancelled",
  actor = command.requestedBy,
): Promise<void> {
  const inputRequestId = await tx.inputs.close(command.commandId, outcome, null);
  if (inputRequestId === undefined) return;
  const payload = { input_request_id: encodeId("input", inputRequestId), outcome };
  await tx.events.append([eventOf(command, "input_closed", payload, { actor })]);
}

function requestPayload(request: InputRequest): JsonObject {
  const { inputRequestId, question, questions, answerSchema, askedBy, expiresAt } = request;
  return {
    input_request_id: encodeId("input", inputRequestId),
    question,
    questions: questions.map(({ text, fields }) => ({ text, fields: [...fields] })),
    answer_schema: answerSchema,
    asked_by: askedBy,
    expires_at: expiresAt,
  };
}

function textOf(questions: readonly Question[]): string {
  return questions.map((one) => one.text).join("; ");
}
