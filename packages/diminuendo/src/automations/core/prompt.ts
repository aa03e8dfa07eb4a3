/**
 * Owns texts in which `{{name}}` stands for something the run knows or the definition gives: a turn's prompt, what a task
 * is given. What a name brings is text, and is not filled in again. Pure.
 */
import { TURN_TEXT_CHARS_MAX } from "../../protocol/index.ts";

/** What every run knows. */
export const BUILT_IN = ["automation", "due_at", "local_time", "last_result"] as const;
export type BuiltIn = (typeof BUILT_IN)[number];

const PLACE = /\{\{\s*([^{}]*?)\s*\}\}/g;
export const VARIABLE = /^[a-z][a-z0-9_]{0,39}$/;

/** The names a prompt uses. */
export function namesIn(prompt: string): readonly string[] {
  return [...new Set([...prompt.matchAll(PLACE)].map(([, name = ""]) => name))];
}

/** The prompt with its variables filled in, no longer than a turn's text may be. */
export function fillIn(
  prompt: string,
  variables: Readonly<Record<string, string>>,
  known: Readonly<Record<BuiltIn, string>>,
): string {
  const values = new Map(Object.entries({ ...variables, ...known }));
  const text = prompt.replace(PLACE, (place, name: string) => values.get(name) ?? place);
  // What an agent has said may hold what a turn's text may not.
  return whole(text.replace(/\p{Surrogate}|\0/gu, ""), TURN_TEXT_CHARS_MAX);
}

/** JSON whose every text is filled in; a name that is not known stays as it stands. */
export function fillInAll(value: unknown, known: Readonly<Record<string, string>>): unknown {
  if (typeof value === "string") {
    return value.replace(PLACE, (place, name: string) =>
      Object.hasOwn(known, name) ? (known[name] ?? place) : place,
    );
  }
  if (Array.isArray(value)) return value.map((one) => fillInAll(one, known));
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([name, one]) => [name, fillInAll(one, known)]);
  return Object.fromEntries(fields);
}

/** The names that the texts of JSON use. */
export function namesInAll(value: unknown): readonly string[] {
  if (typeof value === "string") return namesIn(value);
  if (typeof value !== "object" || value === null) return [];
  return [...new Set(Object.values(value).flatMap(namesInAll))];
}

/** At most `chars` of `text`, never half a character. */
export function whole(text: string, chars: number): string {
  if (text.length <= chars) return text;
  const cut = text.slice(0, chars);
  return /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut;
}

/** A time as the clocks of a zone show it. */
export function localTime(atMs: number, timeZone: string): string {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    dateStyle: "full",
    timeStyle: "short",
  });
  return `${format.format(atMs)} (${timeZone})`;
}
