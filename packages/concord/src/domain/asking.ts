/**
 * Owns what a command still lacks that only a person can say: which questions of its task apply now, and the JSON
 * Schema that an answer has to fit. Pure. Refuses to own: waiting for the answer (input.ts) and taking it (input-service.ts).
 */
import type { Command } from "../core/command.ts";
import type { Failure } from "../core/errors.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { guarded, viewOf } from "./contract-code.ts";
import type { PersonQuestion, TaskDefinition } from "./tasks.ts";

export interface Question {
  readonly text: string;
  /** Fields of the payload that an answer gives; none when the sentence says what is wanted. */
  readonly fields: readonly string[];
}

const TEXT_CHARACTERS_MAX = 2_000;

/** Fields that only a person gives: an agent neither sees nor fills them. */
export function personFields(task: Pick<TaskDefinition, "asks">): readonly string[] {
  return [...new Set((task.asks ?? []).flatMap((one) => one.fields))];
}

/** The questions of `task` that nothing in the command's payload answers yet. */
export function openQuestionsOf(
  task: Pick<TaskDefinition, "asks">,
  command: Command,
): { readonly questions: readonly Question[] } | { readonly failure: Failure } {
  if (task.asks === undefined) return { questions: [] };
  const questions: Question[] = [];
  for (const one of task.asks) {
    const fields = one.fields.filter((name) => command.payload[name] === undefined);
    if (fields.length === 0) continue;
    const asked = guarded(() => applied(one, command), "the question");
    if ("failure" in asked) return asked;
    const { text } = asked.value;
    if (typeof text === "string")
      questions.push({ text: text.slice(0, TEXT_CHARACTERS_MAX), fields });
  }
  return { questions };
}

/** `{}` when the question does not apply. */
function applied({ text, when }: PersonQuestion, command: Command): JsonObject {
  const view = viewOf(command);
  if (when !== undefined && !when(view)) return {};
  return { text: typeof text === "string" ? text : text(view) };
}

/**
 * What an answer to `questions` fits: their fields, all of them and nothing else. A question without fields leaves
 * open what is wanted, so that the answer may change any part of the payload.
 */
export function answerSchemaOf(
  { inputSchema }: Pick<TaskDefinition, "inputSchema">,
  questions: readonly Question[],
): JsonObject {
  const { properties, $defs } = inputSchema;
  const known = isJsonObject(properties) ? properties : {};
  const required = [...new Set(questions.flatMap((one) => one.fields))];
  const isOpen = questions.some((one) => one.fields.length === 0);
  const shown = isOpen ? Object.keys(known) : required;
  return {
    type: "object",
    properties: Object.fromEntries(shown.map((name) => [name, known[name] ?? {}])),
    required,
    ...(isOpen ? {} : { additionalProperties: false }),
    ...($defs === undefined ? {} : { $defs }),
  };
}
