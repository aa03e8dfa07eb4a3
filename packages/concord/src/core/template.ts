/** Owns idempotency-key templates such as `book_hotel:{booking_draft_id}` or `draft:{hotel_id}:{room_type?}` (CON-10). */
import type { JsonObject } from "./json.ts";
import { MASK } from "./policy/pointers.ts";

const VARIABLE = /\{([a-z][a-z0-9_]*)(\?)?\}/g;

/** The variables a template cannot do without, in order; `{name?}` may be absent and is then empty. */
export function templateVariables(template: string): readonly string[] {
  return [...template.matchAll(VARIABLE)].flatMap(([, name = "", optional]) =>
    optional === undefined ? [name] : [],
  );
}

/** The filled template, or the first variable that has no text or number in `values`. */
export function renderTemplate(
  template: string,
  values: JsonObject,
): { readonly key: string } | { readonly missing: string } {
  const missing = templateVariables(template).find((name) => !isPlain(values[name]));
  // A masked value is the same for everybody: a key made of it would join what does not belong together.
  const masked = [...template.matchAll(VARIABLE)].find(([, name = ""]) => values[name] === MASK);
  const unusable = missing ?? masked?.[1];
  if (unusable !== undefined) return { missing: unusable };
  const fill = (_whole: string, name: string) =>
    isPlain(values[name]) ? String(values[name]) : "";
  return { key: template.replaceAll(VARIABLE, fill) };
}

function isPlain(value: unknown): value is string | number {
  return (typeof value === "string" && value !== "") || typeof value === "number";
}
