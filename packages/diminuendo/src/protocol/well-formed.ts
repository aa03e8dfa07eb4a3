/**
 * Owns which text may travel on: PostgreSQL refuses NUL, and a lone surrogate has no UTF-8. Such text is refused
 * at the door, where whoever sent it can still be told. Pure.
 */
import * as Schema from "effect/Schema";

/** Read by code points, a surrogate is only seen where its other half is missing. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** No character is cut in half: the text has a UTF-8. */
export const hasUtf8 = Schema.makeFilter(
  (text: string) => !LONE_SURROGATE.test(text) || "half a character in it",
);

/** Text a person wrote: any Unicode but NUL and lone surrogates. */
export const Words = Schema.String.check(
  hasUtf8,
  Schema.makeFilter((text: string) => !text.includes("\0") || "a NUL character in it"),
);

/** JSON whose every text and key has a UTF-8. */
export const WellFormedJson = Schema.Unknown.check(
  Schema.makeFilter((value: unknown) => isWellFormed(value) || "half a character in it"),
);

/** Walks with a stack of its own: JSON may nest deeper than calls can. */
function isWellFormed(value: unknown): boolean {
  const due = [value];
  while (due.length > 0) {
    const next = due.pop();
    if (typeof next === "string" && LONE_SURROGATE.test(next)) return false;
    if (typeof next !== "object" || next === null) continue;
    for (const [key, inner] of Object.entries(next)) due.push(key, inner);
  }
  return true;
}
