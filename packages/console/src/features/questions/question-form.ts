/**
 * Owns how a question to a person becomes a form, and what was typed becomes an answer. Pure, and careful: the schema
 * comes from another system, and what it does not know is asked for as JSON. Whether an answer fits, Concord decides.
 */
import { humanize } from "../../lib/format.ts";

export type FieldKind = "text" | "email" | "date" | "number" | "yes_no" | "choice" | "json";

export interface FormField {
  readonly name: string;
  readonly label: string;
  readonly hint: string | null;
  readonly kind: FieldKind;
  readonly required: boolean;
  /** Of `choice`: as they are shown, and as they are sent. */
  readonly choices: readonly { readonly label: string; readonly value: unknown }[];
  readonly charactersMax: number | null;
}

export interface FormQuestion {
  readonly text: string;
  readonly fields: readonly FormField[];
}

/** What was typed, by field; a choice is its place in `choices`. */
export type Typed = Readonly<Record<string, string>>;

export interface Asked {
  readonly questions: unknown;
  readonly answerSchema: Readonly<Record<string, unknown>>;
}

type Shape = Readonly<Record<string, unknown>>;

/** The questions in their order. Fields that none names belong to the last one. */
export function readForm({ questions, answerSchema }: Asked): readonly FormQuestion[] {
  const properties = shapeOf(answerSchema["properties"]);
  const required = namesOf(answerSchema["required"]);
  const fieldsOf = (names: readonly string[]) =>
    names.map((name) => readField(name, shapeOf(properties[name]), required.includes(name)));
  const asked = (Array.isArray(questions) ? questions : []).map((one: unknown) => {
    const { text, fields } = shapeOf(one);
    return { text: typeof text === "string" ? text : "", names: namesOf(fields) };
  });
  const named = asked.flatMap((one) => one.names);
  const others = Object.keys(properties).filter((name) => !named.includes(name));
  const groups = asked.length > 0 ? asked : [{ text: "Something is missing.", names: [] }];
  return groups.map(({ text, names }, index) => {
    const own = index === groups.length - 1 ? [...names, ...others] : names;
    return { text, fields: fieldsOf(own.filter((name) => Object.hasOwn(properties, name))) };
  });
}

export type Answer =
  | { readonly input: Readonly<Record<string, unknown>> }
  | { readonly problems: Readonly<Record<string, string>> };

/** What to send, or what is wrong with which field. What was left empty is not sent. */
export function readAnswer(form: readonly FormQuestion[], typed: Typed): Answer {
  const input: Record<string, unknown> = {};
  const problems: Record<string, string> = {};
  for (const field of form.flatMap((one) => one.fields)) {
    const text = (typed[field.name] ?? "").trim();
    if (text === "") {
      if (field.required) problems[field.name] = "This is needed.";
      continue;
    }
    const read = readValue(field, text);
    if ("problem" in read) problems[field.name] = read.problem;
    else input[field.name] = read.value;
  }
  return Object.keys(problems).length > 0 ? { problems } : { input };
}

function readField(name: string, schema: Shape, required: boolean): FormField {
  const { title, description, maxLength } = schema;
  const choices = Array.isArray(schema["enum"])
    ? schema["enum"].map((value: unknown) => ({ label: labelOf(value), value }))
    : [];
  return {
    name,
    label: typeof title === "string" && title !== "" ? title : humanize(name),
    hint: typeof description === "string" && description !== "" ? description : null,
    kind: choices.length > 0 ? "choice" : kindOf(schema),
    required,
    choices,
    charactersMax: typeof maxLength === "number" ? maxLength : null,
  };
}

function kindOf({ type, format }: Shape): FieldKind {
  if (type === "number" || type === "integer") return "number";
  if (type === "boolean") return "yes_no";
  if (type !== "string") return "json";
  return format === "email" || format === "date" ? format : "text";
}

function readValue(
  { kind, choices }: FormField,
  text: string,
): { readonly value: unknown } | { readonly problem: string } {
  switch (kind) {
    case "number": {
      const value = Number(text);
      return Number.isFinite(value) ? { value } : { problem: "This needs a number." };
    }
    case "yes_no":
      return { value: text === "yes" };
    case "choice": {
      const choice = choices[Number(text)];
      return choice === undefined ? { problem: "Choose one of these." } : { value: choice.value };
    }
    case "json":
      try {
        return { value: JSON.parse(text) as unknown };
      } catch {
        return { problem: 'This needs JSON, such as [1, 2] or "text".' };
      }
    default:
      return { value: text };
  }
}

function labelOf(value: unknown): string {
  return typeof value === "string" ? humanize(value) : JSON.stringify(value);
}

function shapeOf(value: unknown): Shape {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Shape)
    : {};
}

function namesOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}
