/**
 * Owns what JSON means to Concord: its types, one canonical text per value, and what Postgres can store.
 * Refuses to own: hashing (the hash function is passed in) and schemas.
 */

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Turns text into a short fixed-length digest; the pure rooms are handed one. */
export type Hash = (text: string) => string;

const DEPTH_MAX = 64;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The same text for equal values, whatever the order of their keys. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`).join(",")}}`;
}

export function digest(hash: Hash, value: Json): string {
  return hash(canonicalJson(value));
}

/**
 * What keeps `value` out of a JSONB column, or undefined: NUL characters and lone surrogates (Postgres
 * refuses both), numbers JSON cannot hold, nesting beyond 64 levels. `path` names the place.
 */
export function unstorable(value: unknown, path = "(body)", depth = 0): string | undefined {
  if (depth > DEPTH_MAX) return `${path} is nested deeper than ${DEPTH_MAX} levels`;
  if (typeof value === "string") return unstorableText(value, path);
  if (typeof value === "number") {
    return Number.isFinite(value) ? undefined : `${path} is not a finite number`;
  }
  if (value === null || typeof value === "boolean") return undefined;
  if (typeof value !== "object") return `${path} is not JSON`;
  for (const [key, item] of Object.entries(value)) {
    const problem =
      unstorableText(key, `a key of ${path}`) ?? unstorable(item, `${path}.${key}`, depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function unstorableText(text: string, path: string): string | undefined {
  if (text.includes("\u0000")) return `${path} contains a NUL character`;
  // `isWellFormed` is newer than the declared language level; an encoded lone surrogate throws.
  try {
    encodeURIComponent(text);
    return undefined;
  } catch {
    return `${path} contains half of a surrogate pair`;
  }
}

/** A copy with `undefined` dropped and non-JSON values refused, as a round trip over the wire would leave it. */
export function toJson(value: unknown): Json {
  const text = JSON.stringify(value);
  return text === undefined ? null : (JSON.parse(text) as Json);
}
