/**
 * Owns keeping secrets out of what is stored, logged or told (SEC-3, CON-8, CON-9, AUD-12): a scrubber that replaces
 * a secret in whatever form it comes back, and the copy of a call's input that goes on record. Pure.
 */
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { findSensitive, maskCredentials, namesCredential } from "./policy/data-safety.ts";
import { MASK, maskAt, pointerTo } from "./policy/pointers.ts";

/** A shorter secret would be found by chance in ordinary text, so it cannot be kept out of it. */
export const SECRET_CHARACTERS_MIN = 6;
const RECORDED_CHARACTERS_MAX = 8_192;

export interface Scrubber {
  readonly text: (text: string) => string;
  /** A copy in which no text and no key holds a secret. */
  readonly json: <T extends Json>(value: T) => T;
}

/**
 * Replaces `secrets` (each of at least `SECRET_CHARACTERS_MIN` characters) as they are, as part of a URL, of JSON, and
 * of Base64 at any position, as in a Basic credential.
 */
export function scrubberOf(secrets: readonly string[]): Scrubber {
  const forms = [...new Set(secrets.flatMap(withParts).flatMap(formsOf))].sort(
    (a, b) => b.length - a.length,
  );
  const text = (given: string) =>
    forms.reduce(
      (left, form) => (left.includes(form) ? left.replaceAll(form, () => MASK) : left),
      given,
    );
  const json = (value: Json): Json => {
    if (typeof value === "string") return text(value);
    if (Array.isArray(value)) return value.map(json);
    if (!isJsonObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [text(key), json(one)]));
  };
  return { text, json: json as Scrubber["json"] };
}

/**
 * The input of a call as it goes on record: what its schema marks `writeOnly` and what looks like personal data or a
 * credential is masked; what is too large is told by its fields.
 */
export function recordedInput(schema: JsonObject | undefined, input: JsonObject): JsonObject {
  const places = findSensitive(input).map(({ pointer }) => pointer);
  const masked = maskAt(withoutWriteOnly(schema, input), places);
  if (JSON.stringify(masked).length <= RECORDED_CHARACTERS_MAX) return masked;
  return { too_large: true, fields: Object.keys(input).slice(0, 100) };
}

/**
 * AUD-12: what goes on record for ever, without the credentials that somebody typed into it: known by their shape
 * within any text, or by the name of the field. The same object when there is none.
 */
export function withoutCredentials<T extends Json>(value: T): T {
  return cleared(value) as T;
}

function cleared(value: Json): Json {
  if (typeof value === "string") return maskCredentials(value);
  if (Array.isArray(value)) {
    const items: readonly Json[] = value;
    const clean = items.map(cleared);
    return clean.every((one, index) => one === items[index]) ? value : clean;
  }
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value);
  const clean = entries.map(([key, one]): [string, Json] => [
    key,
    namesCredential(key) && one !== null ? MASK : cleared(one),
  ]);
  return clean.every(([, one], index) => one === entries[index]?.[1])
    ? value
    : Object.fromEntries(clean);
}

/** A copy with every place masked that the schema marks `writeOnly` (JSON Schema 2020-12, §9.4 of validation). */
export function withoutWriteOnly(schema: JsonObject | undefined, value: JsonObject): JsonObject {
  return schema === undefined ? value : maskAt(value, writeOnlyIn(schema, value, []));
}

function writeOnlyIn(
  schema: Json | undefined,
  value: Json,
  path: readonly (string | number)[],
): readonly string[] {
  if (!isJsonObject(schema ?? null)) return [];
  const { writeOnly, properties, items } = schema as JsonObject;
  if (writeOnly === true && path.length > 0) return [pointerTo(path)];
  if (Array.isArray(value)) {
    return value.flatMap((item: Json, index) => writeOnlyIn(items, item, [...path, index]));
  }
  if (!isJsonObject(value) || !isJsonObject(properties)) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    writeOnlyIn(Object.hasOwn(properties, key) ? properties[key] : undefined, item, [...path, key]),
  );
}

/** A connection string is a secret, and so is the password in it. */
function withParts(secret: string): readonly string[] {
  if (!URL.canParse(secret)) return [secret];
  const { password } = new URL(secret);
  const parts = [password, decoded(password)].filter((one) => one.length >= SECRET_CHARACTERS_MIN);
  return [secret, ...parts];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function formsOf(secret: string): readonly string[] {
  return [
    secret,
    encodeURIComponent(secret),
    new URLSearchParams({ "": secret }).toString().slice(1),
    JSON.stringify(secret).slice(1, -1),
    ...base64Forms(secret),
  ];
}

const BASE64_CHARACTERS_MIN = 6;

/** What `secret` looks like inside longer Base64, whichever of three positions it falls on. */
function base64Forms(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].flatMap((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    // Characters that also carry bits of what stands before or after say nothing about the secret alone.
    const start = Math.ceil((before * 8) / 6);
    const end = Math.floor(((before + bytes.length) * 8) / 6);
    const whole = encoded.slice(start, end);
    if (whole.length < BASE64_CHARACTERS_MIN) return [];
    return [whole, whole.replaceAll("+", "-").replaceAll("/", "_")];
  });
}
