/**
 * Owns taking something out of a record on request: what a place holds, the value gone from wherever else it stands,
 * and what the record cannot do without. Pure. Refuses to own: who may, and where records are.
 */
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { MASK, maskAt, pointerTo, valueAt } from "./policy/pointers.ts";
import { type Scrubber, SECRET_CHARACTERS_MIN, scrubberOf } from "./redaction.ts";

export interface Removal {
  /** Each named place, or what is in it where it is a whole field. */
  readonly pointers: readonly string[];
  /** Everything that stood there and is long enough to be told from ordinary text elsewhere. */
  readonly texts: readonly string[];
  /** What stood there and is too short, or no text: gone from the named places only. */
  readonly notFollowed: number;
}

/** What `places` of `record` hold; the places where nothing is, as `missing`. */
export function removalOf(
  record: JsonObject,
  places: readonly string[],
): Removal | { readonly missing: readonly string[] } {
  const missing = places.filter((place) => valueAt(record, place) === undefined);
  if (missing.length > 0) return { missing };
  const pointers = places.flatMap((place) => wholeField(record, place));
  const leaves = pointers.flatMap((pointer) => leavesOf(valueAt(record, pointer) ?? null));
  const told = leaves.filter((leaf) => leaf !== MASK);
  const texts = told.filter((leaf) => leaf.length >= SECRET_CHARACTERS_MIN);
  return { pointers, texts: [...new Set(texts)], notFollowed: told.length - texts.length };
}

/** A copy of `record` without what is at `pointers`, and without the removed texts wherever they stand. */
export function redacted(
  record: JsonObject,
  pointers: readonly string[],
  scrub: Scrubber | undefined,
): JsonObject {
  const masked = maskAt(record, pointers);
  return scrub === undefined ? masked : scrub.json(masked);
}

export function scrubberFor({ texts }: Removal): Scrubber | undefined {
  return texts.length === 0 ? undefined : scrubberOf(texts);
}

/**
 * Fields of an event's payload by which the record explains rows and other events: nothing is taken out of them, or
 * nobody could check any more that what happened was allowed.
 */
const BEARING: readonly string[] = [
  ...["from", "to", "decision", "policy", "version", "error_class", "effect_type", "connector"],
  ...["operation", "approval_id", "artifact_id", "incident_id", "webhook_id", "command_id"],
  ...["parent_command_id", "request_hash", "idempotency_key", "events", "before", "after"],
];

/** An event's payload redacted, with what the record rests on as it was. */
export function redactedPayload(
  payload: JsonObject,
  pointers: readonly string[],
  scrub: Scrubber | undefined,
): JsonObject {
  const kept = Object.entries(payload).filter(([key]) => BEARING.includes(key));
  return { ...redacted(payload, pointers, scrub), ...Object.fromEntries(kept) };
}

export function isBearing(pointer: string): boolean {
  const [, , field = ""] = pointer.split("/");
  return BEARING.includes(field);
}

/** `/payload` stands for everything in it: the field itself stays what it is. */
function wholeField(record: JsonObject, place: string): readonly string[] {
  const value = valueAt(record, place);
  const isField = place.lastIndexOf("/") === 0;
  if (!isField || !isJsonObject(value)) return [place];
  return Object.keys(value).map((key) => place + pointerTo([key]));
}

function leavesOf(value: Json): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item: Json) => leavesOf(item));
  if (isJsonObject(value)) return Object.values(value).flatMap(leavesOf);
  return value === null ? [] : [String(value)];
}
