/** Owns the list of what people are asked, as Concord tells it (docs/wire.md §2), and who may answer. Pure. */
import type { Asked } from "./question-form.ts";

export interface OpenQuestion extends Asked {
  readonly id: string;
  readonly commandId: string;
  readonly taskName: string;
  readonly requestedBy: string;
  readonly expiresAtMs: number;
  readonly createdAtMs: number;
}

/** Its answer is the result of the agent's own call (docs/wire.md §2); what other tasks ask, the model does not read. */
export const isOfAgent = (taskName: string | null): boolean => taskName === "agent.ask_person";

/** Throws when it is something else. */
export function readOpenQuestions(body: unknown): readonly OpenQuestion[] {
  const { items } = body as { readonly items?: unknown };
  if (!Array.isArray(items)) throw new Error("The gateway's answer holds no questions.");
  return items.map((one: Readonly<Record<string, unknown>>) => ({
    id: String(one["input_request_id"]),
    commandId: String(one["command_id"]),
    taskName: String(one["task_name"]),
    requestedBy: String(one["requested_by"]),
    questions: one["questions"],
    answerSchema: schemaOf(one["answer_schema"]),
    expiresAtMs: Date.parse(String(one["expires_at"])),
    createdAtMs: Date.parse(String(one["created_at"])),
  }));
}

export interface Asker {
  readonly userId: string;
  readonly roles: readonly string[];
}

/** Concord takes the answer of whom it is for, and an owner's. */
export function mayAnswer({ requestedBy }: Pick<OpenQuestion, "requestedBy">, me: Asker): boolean {
  return requestedBy === me.userId || me.roles.includes("owner");
}

function schemaOf(value: unknown): Asked["answerSchema"] {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Asked["answerSchema"])
    : {};
}
