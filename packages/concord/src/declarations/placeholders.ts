/**
 * Owns placeholders in declarations, such as `{payload.item}`: what they name, checked before anything runs, and
 * filling them. A text that is nothing but one placeholder becomes the value itself; within a longer text it is written
 * out. Deliberately no language: whoever needs a condition or a calculation writes the task in TypeScript.
 */
import { ContractFailure } from "../core/errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { pointerTo, valueAt } from "../core/policy/pointers.ts";

const PLACEHOLDER = /\{([a-z_]+(?:\.[A-Za-z0-9_-]+)*)\}/g;
const WHOLE = /^\{([a-z_]+(?:\.[A-Za-z0-9_-]+)*)\}$/;

/** Every placeholder in `template`, as written between the braces. */
export function placeholdersIn(template: Json): readonly string[] {
  if (typeof template === "string") {
    return [...template.matchAll(PLACEHOLDER)].map(([, path = ""]) => path);
  }
  if (Array.isArray(template)) return template.flatMap((item: Json) => placeholdersIn(item));
  return isJsonObject(template) ? Object.values(template).flatMap(placeholdersIn) : [];
}

/** A copy of `template` with every placeholder filled. Throws `ContractFailure` naming the one that holds nothing. */
export function fill(template: Json, values: JsonObject): Json {
  if (typeof template === "string") return fillText(template, values);
  if (Array.isArray(template)) return template.map((item: Json) => fill(item, values));
  if (!isJsonObject(template)) return template;
  return Object.fromEntries(
    Object.entries(template).map(([key, value]) => [key, fill(value, values)]),
  );
}

export function fillObject(template: JsonObject, values: JsonObject): JsonObject {
  return fill(template, values) as JsonObject;
}

/** A text with every placeholder written out, each by `write`. */
export function fillText(
  template: string,
  values: JsonObject,
  write: (text: string) => string = (text) => text,
): Json {
  const [, whole] = WHOLE.exec(template) ?? [];
  if (whole !== undefined) {
    const value = held(whole, values);
    return typeof value === "string" ? write(value) : value;
  }
  return template.replaceAll(PLACEHOLDER, (_all, path: string) => {
    const value = held(path, values);
    return write(typeof value === "string" ? value : JSON.stringify(value));
  });
}

function held(path: string, values: JsonObject): Json {
  const value = valueAt(values, pointerTo(path.split(".")));
  if (value !== undefined) return value;
  throw new ContractFailure("validation_error", `{${path}} holds nothing`);
}
