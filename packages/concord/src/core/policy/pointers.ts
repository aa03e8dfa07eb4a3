/** Owns masking places in a JSON value that JSON Pointers (RFC 6901) name. Pure; the original is left alone. */
import { isJsonObject, type Json, type JsonObject } from "../json.ts";

export const MASK = "[redacted]";

/** A copy of `value` with every named place masked. Places that are not there are none. */
export function maskAt(value: JsonObject, pointers: readonly string[]): JsonObject {
  let masked: Json = value;
  for (const pointer of pointers) masked = maskOne(masked, partsOf(pointer));
  return isJsonObject(masked) ? masked : value;
}

/** What `pointer` names; undefined when nothing is there. */
export function valueAt(value: Json, pointer: string): Json | undefined {
  let at: Json | undefined = value;
  for (const part of partsOf(pointer)) {
    if (Array.isArray(at)) at = (at as readonly Json[])[Number(part)];
    else at = isJsonObject(at) && Object.hasOwn(at, part) ? at[part] : undefined;
  }
  return at;
}

/** True when `text` is a pointer to something inside a value, so not the whole value. */
export function isPointer(text: string): boolean {
  return /^(\/([^~/]|~[01])*)+$/.test(text);
}

/** The pointer to `parts`. */
export function pointerTo(parts: readonly (string | number)[]): string {
  return parts
    .map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
}

function partsOf(pointer: string): readonly string[] {
  if (!isPointer(pointer))
    throw new Error(`"${pointer}" is not a JSON Pointer such as /guest/email`);
  return pointer
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function maskOne(value: Json, [first, ...rest]: readonly string[]): Json {
  if (first === undefined) return MASK;
  if (Array.isArray(value)) {
    return value.map((item, index) => (String(index) === first ? maskOne(item, rest) : item));
  }
  if (!isJsonObject(value) || !Object.hasOwn(value, first)) return value;
  return { ...value, [first]: maskOne(value[first] ?? null, rest) };
}
