/**
 * Owns what a well-formed request is: names, numbers, operations, within their limits. Pure; throws
 * `Refusal`. Unknown fields are refused, since a misspelt `cas` must not become an unconditional write.
 */
import { LIMITS, rootOf, SYSTEM_ROOT } from "../shared/types.ts";
import type { ListQuery, WatchQuery } from "./api.ts";
import type { DeleteCommand, SetCommand, WriteOperation } from "./command.ts";
import type { KeyWish } from "./key-api.ts";
import { type NodeId, nodeId } from "./raft/types.ts";
import { Refusal } from "./refusal.ts";

export interface Freshness {
  readonly linearizable: boolean;
  /** The state must hold this revision already. */
  readonly minRevision: number;
}
/** Read parameters of every read, beside its own. */
export const FRESHNESS_FIELDS = ["consistency", "minRevision"] as const;

export type Fields = Readonly<Record<string, unknown>>;

const SET_FIELDS = ["op", "namespace", "key", "value", "cas", "expiresAt", "ttlMs"] as const;
const DELETE_FIELDS = ["op", "namespace", "key", "cas"] as const;
/** Nearly every name: one byte a character, none of them a control character. */
const PLAIN = /^[\x20-\x7e]+$/;
/** Three digits of exponent, or more digits than a double has room for. */
const MAYBE_HUGE_NUMBER = /\d[eE]\+?\d{3}|\d{300}/;

/** Parses JSON text. Throws `invalid_json`, also for nesting too deep or a number too large to hold. */
export function parseJson(text: string): unknown {
  try {
    return MAYBE_HUGE_NUMBER.test(text) ? JSON.parse(text, finite) : JSON.parse(text);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal("invalid_json", "The body is not valid JSON.");
  }
}

/** `1e999` would become infinite, and be stored as null without a word. */
function finite(_name: string, value: unknown): unknown {
  if (typeof value !== "number" || Number.isFinite(value)) return value;
  throw new Refusal("invalid_json", "A number is too large; send it as a string.");
}

/** `value` as an object with only `accepted` fields. */
export function fieldsOf(value: unknown, accepted: readonly string[], where: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(`${where} must be a JSON object with ${accepted.join(", ")}.`);
  }
  const unknown = Object.keys(value).find((name) => !accepted.includes(name));
  if (unknown !== undefined) {
    throw invalid(`${where} has no field "${shown(unknown)}"; accepted: ${accepted.join(", ")}.`);
  }
  return value as Fields;
}

export function namespaceOf(value: unknown): string {
  const namespace = nameOf(value, "namespace", LIMITS.namespaceBytesMax);
  const broken = namespace.split("/").some((part) => ["", ".", ".."].includes(part));
  if (broken)
    throw invalid("namespace must be parts joined by single slashes, none of them . or ..");
  return namespace;
}

export function keyOf(value: unknown): string {
  const key = nameOf(value, "key", LIMITS.keyBytesMax);
  if (key === "." || key === "..") throw invalid("key must not be . or ..");
  return key;
}

/** A key prefix; empty means every key. */
export function prefixOf(value: unknown): string {
  return value === undefined || value === "" ? "" : nameOf(value, "prefix", LIMITS.keyBytesMax);
}

export function actorOf(value: unknown): string {
  return value === undefined ? "api" : nameOf(value, "actor", LIMITS.actorBytesMax);
}

/** The caller's name for this very write, from a header or a parameter; undefined when it gave none. */
export function requestIdOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return nameOf(value, "Idempotency-Key", LIMITS.requestIdBytesMax);
}

/** `host:port` that other members can dial. */
export function addressOf(value: unknown): string {
  const address = nameOf(value, "address", 300);
  if (/^(\[[0-9a-fA-F:]+\]|[^:/\s]+):\d{1,5}$/.test(address)) return address;
  throw invalid("address must be host:port.");
}

export function nodeIdOf(value: unknown): NodeId {
  const id = nameOf(value, "nodeId", 64);
  if (/^[\w.-]+$/.test(id)) return nodeId(id);
  throw invalid("nodeId needs 1 to 64 letters, digits, dots, dashes or underscores.");
}

export function incarnationOf(value: unknown): string {
  return nameOf(value, "incarnation", 64);
}

/** How fresh a read must be. Absent: whatever this member has. */
export function freshnessOf(fields: Fields): Freshness {
  const { consistency } = fields;
  if (consistency !== undefined && consistency !== "local" && consistency !== "linearizable") {
    throw invalid('consistency must be "local" or "linearizable".');
  }
  const whole = { min: 0, max: Number.MAX_SAFE_INTEGER, absent: 0 };
  const minRevision = integerOf(fields["minRevision"], "minRevision", whole) ?? 0;
  return { linearizable: consistency === "linearizable", minRevision };
}

/** A whole number in a range, or `absent` when undefined. */
export function integerOf(
  value: unknown,
  name: string,
  range: { readonly min: number; readonly max: number; readonly absent: number | null },
): number | null {
  if (value === undefined) return range.absent;
  const whole = typeof value === "number" && Number.isSafeInteger(value);
  if (!whole || value < range.min || value > range.max) {
    throw invalid(`${name} must be a whole number from ${range.min} to ${range.max}.`);
  }
  return value;
}

/** One set; `nowMs` only judges whether `expiresAt` is already past. */
export function setOf(fields: Fields, nowMs: number): SetCommand {
  return {
    op: "set",
    namespace: namespaceOf(fields["namespace"]),
    key: keyOf(fields["key"]),
    valueJson: storableValueOf(fields["value"]),
    cas: casOf(fields),
    ...expiryOf(fields, nowMs),
  };
}

function expiryOf(fields: Fields, nowMs: number): Pick<SetCommand, "expiresAt" | "ttlMs"> {
  const whole = { min: 1, max: Number.MAX_SAFE_INTEGER, absent: null };
  const expiry = fields["expiresAt"] === null ? undefined : fields["expiresAt"];
  const expiresAt = integerOf(expiry, "expiresAt", whole);
  const ttlMs = integerOf(fields["ttlMs"], "ttlMs", { ...whole, max: LIMITS.ttlMsMax });
  if (expiresAt !== null && ttlMs !== null) throw invalid("Send expiresAt or ttlMs, not both.");
  if (expiresAt !== null && expiresAt <= nowMs) throw invalid("expiresAt is already past.");
  return { expiresAt, ttlMs };
}

export function deleteOf(fields: Fields): DeleteCommand {
  const namespace = namespaceOf(fields["namespace"]);
  return { op: "delete", namespace, key: keyOf(fields["key"]), cas: casOf(fields) };
}

/** The operations of a batch: at least one, bounded, each key at most once. */
export function batchOf(operations: unknown, nowMs: number): readonly WriteOperation[] {
  if (!Array.isArray(operations) || operations.length === 0) {
    throw invalid("operations must be a list with at least one operation.");
  }
  if (operations.length > LIMITS.batchOperationsMax) {
    throw invalid(`operations holds more than ${LIMITS.batchOperationsMax}; split the batch.`);
  }
  const parsed = operations.map((operation, position) => operationOf(operation, position, nowMs));
  const names = new Set(parsed.map(({ namespace, key }) => `${namespace}\n${key}`));
  if (names.size < parsed.length) throw invalid("operations names one key twice; merge them.");
  return parsed;
}

/** What `list` asks for, over HTTP and on the stream. */
export function listQueryOf(fields: Fields): ListQuery {
  const { prefix, cursor } = fields;
  const range = { min: 1, max: LIMITS.pageItemsMax, absent: null };
  return {
    namespace: namespaceOf(fields["namespace"]),
    prefix: prefixOf(prefix),
    limit: integerOf(fields["limit"], "limit", range),
    cursor: cursor === undefined ? null : keyOf(cursor),
  };
}

/** What `watch/subscribe` asks for. */
export function watchQueryOf(fields: Fields): WatchQuery {
  const { initial } = fields;
  if (initial !== undefined && typeof initial !== "boolean") {
    throw invalid("initial must be true or false.");
  }
  const whole = { min: 0, max: Number.MAX_SAFE_INTEGER, absent: null };
  return {
    namespace: namespaceOf(fields["namespace"]),
    prefix: prefixOf(fields["prefix"]),
    fromRevision: integerOf(fields["fromRevision"], "fromRevision", whole),
    initial: initial === true,
  };
}

/** The key somebody wants for a tenant. `nowMs` only judges whether `expiresAt` is already past. */
export function keyWishOf(fields: Fields, nowMs: number): KeyWish {
  const { access, label } = fields;
  if (access !== "read_write" && access !== "read_only") {
    throw invalid('access must be "read_write" or "read_only".');
  }
  const namespace = namespaceOf(fields["namespace"]);
  if (rootOf(namespace) === SYSTEM_ROOT) {
    throw invalid("namespace must be a tenant's: tenant:{id}, or one beneath it.");
  }
  const about = label === undefined ? "" : nameOf(label, "label", LIMITS.actorBytesMax);
  return { namespace, access, label: about, ...expiryOf(fields, nowMs) };
}

function operationOf(value: unknown, position: number, nowMs: number): WriteOperation {
  const where = `operations[${position}]`;
  const op = typeof value === "object" && value !== null && "op" in value ? value.op : undefined;
  if (op === "set") return setOf(fieldsOf(value, SET_FIELDS, where), nowMs);
  if (op === "delete") return deleteOf(fieldsOf(value, DELETE_FIELDS, where));
  throw invalid(`${where}.op must be "set" or "delete".`);
}

function casOf(fields: Fields): number | null {
  const range = { min: 0, max: Number.MAX_SAFE_INTEGER, absent: null };
  return integerOf(fields["cas"], "cas", range);
}

function storableValueOf(value: unknown): string {
  if (value === undefined) throw invalid("value is missing; send null to store nothing.");
  const text = jsonTextOf(value);
  if (Buffer.byteLength(text) > LIMITS.valueBytesMax) {
    const why = `value is larger than ${LIMITS.valueBytesMax} bytes of JSON; store a reference instead.`;
    throw new Refusal("value_too_large", why, { valueBytesMax: LIMITS.valueBytesMax });
  }
  return text;
}

function jsonTextOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    throw invalid("value is nested too deeply.");
  }
}

function nameOf(value: unknown, name: string, bytesMax: number): string {
  if (typeof value !== "string" || value === "")
    throw invalid(`${name} must be a non-empty string.`);
  if (value.length <= bytesMax && PLAIN.test(value)) return value;
  if (Buffer.byteLength(value) > bytesMax)
    throw invalid(`${name} is longer than ${bytesMax} bytes.`);
  if (/[\p{Cc}\p{Cs}\u{10ffff}]/u.test(value)) {
    throw invalid(`${name} must be valid Unicode without control characters.`);
  }
  return value;
}

function invalid(message: string): Refusal {
  return new Refusal("invalid_request", message);
}

/** Echoes a caller's own field name, shortened. */
function shown(name: string): string {
  return name.length > 40 ? `${name.slice(0, 40)}…` : name;
}
