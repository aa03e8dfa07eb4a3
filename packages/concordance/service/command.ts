/**
 * Owns the replicated commands: what a log payload says, and its text form. Values travel as the JSON text
 * that the leader's edge produced, so that no replica serialises anything itself (pitfall 33).
 */
import type { Quota } from "../shared/types.ts";
import { assert } from "./raft/assert.ts";

export interface SetCommand {
  readonly op: "set";
  readonly namespace: string;
  readonly key: string;
  /** JSON text, or sealed text (cipher.ts). */
  readonly valueJson: string;
  /** Of a sealed value: what stands for it when two writes are compared. */
  readonly digest?: string;
  readonly cas: number | null;
  readonly expiresAt: number | null;
  /** Counted from the entry's stamp; null when `expiresAt` speaks. */
  readonly ttlMs: number | null;
}
export interface DeleteCommand {
  readonly op: "delete";
  readonly namespace: string;
  readonly key: string;
  readonly cas: number | null;
}
export type WriteOperation = SetCommand | DeleteCommand;

/** All operations happen or none does. */
export interface WriteCommand {
  readonly type: "write";
  readonly actor: string;
  readonly operations: readonly WriteOperation[];
  /** A write that arrives again under its id is answered again, not done again. */
  readonly requestId?: string;
  /** The tenant key it came under: it must still be good when this is applied (pitfall 39). */
  readonly keyId?: string;
  /** What each tenant named may hold after this, as the proposer was told. */
  readonly quota?: Quota;
}
/** Removes each key only if it still has this version and is past its time: a renewal wins. */
export interface ExpireCommand {
  readonly type: "expire";
  readonly keys: readonly {
    readonly namespace: string;
    readonly key: string;
    readonly version: number;
  }[];
}
/** Puts values sealed under another key in place of the old ones; nothing a reader sees changes. */
export interface ResealCommand {
  readonly type: "reseal";
  readonly entries: readonly {
    readonly namespace: string;
    readonly key: string;
    readonly version: number;
    readonly value: string;
  }[];
  readonly changes: readonly { readonly seq: number; readonly value: string }[];
}
export type Command = WriteCommand | ExpireCommand | ResealCommand;

/** What is not a write travels as one JSON object, and so did writes in the first format. */
const COMMAND_FORMAT = 1;
/**
 * A write is one line of JSON fields, and then each value on a line of its own: JSON text holds no line break, and
 * a value inside of JSON would have each quote of it escaped, at every member, several times.
 */
const WRITE_FORMAT = 2;
type Field = string | number | null;

export function encodeCommand(command: Command): string {
  const asWrite = command.type === "write" && command.operations.every(isLine);
  return asWrite ? encodeWrite(command) : JSON.stringify({ v: COMMAND_FORMAT, ...command });
}

/** Reads a payload this program (or an earlier one) wrote; anything else is a broken log. */
export function decodeCommand(payload: string): Command {
  if (payload.startsWith("[")) return decodeWrite(payload);
  const command = JSON.parse(payload) as { readonly v: unknown } & Command;
  assertKnown(command.v, COMMAND_FORMAT);
  return command;
}

function isLine(operation: WriteOperation): boolean {
  return operation.op === "delete" || !operation.valueJson.includes("\n");
}

function encodeWrite({ actor, operations, requestId, keyId, quota }: WriteCommand): string {
  const who = [actor, requestId ?? null, keyId ?? null];
  const fields: Field[] = [WRITE_FORMAT, ...who, quota?.keysMax ?? null, quota?.bytesMax ?? null];
  let values = "";
  for (const operation of operations) {
    const { op, namespace, key, cas } = operation;
    fields.push(op, namespace, key, cas);
    if (op === "delete") continue;
    const { expiresAt, ttlMs, digest, valueJson } = operation;
    fields.push(expiresAt, ttlMs, digest ?? null);
    values += `\n${valueJson}`;
  }
  return JSON.stringify(fields) + values;
}

function decodeWrite(payload: string): WriteCommand {
  const values = new Lines(payload);
  const fields = new Fields(JSON.parse(values.next()) as readonly Field[]);
  assertKnown(fields.number(), WRITE_FORMAT);
  const actor = fields.text();
  const [requestId, keyId] = [fields.textOrNull(), fields.textOrNull()];
  const [keysMax, bytesMax] = [fields.numberOrNull(), fields.numberOrNull()];
  const operations: WriteOperation[] = [];
  while (!fields.isAtEnd) operations.push(operationOf(fields, values));
  const command: { -readonly [F in keyof WriteCommand]: WriteCommand[F] } = {
    type: "write",
    actor,
    operations,
  };
  if (requestId !== null) command.requestId = requestId;
  if (keyId !== null) command.keyId = keyId;
  if (keysMax !== null && bytesMax !== null) command.quota = { keysMax, bytesMax };
  return command;
}

function operationOf(fields: Fields, values: Lines): WriteOperation {
  const op = fields.text();
  const [namespace, key, cas] = [fields.text(), fields.text(), fields.numberOrNull()];
  if (op === "delete") return { op, namespace, key, cas };
  assert(op === "set", `an operation ${op} needs a newer program`);
  const [expiresAt, ttlMs] = [fields.numberOrNull(), fields.numberOrNull()];
  const digest = fields.textOrNull();
  const facts = { op, namespace, key, valueJson: values.next(), cas, expiresAt, ttlMs } as const;
  return digest === null ? facts : { ...facts, digest };
}

function assertKnown(found: unknown, known: number): void {
  assert(found === known, `a command of format ${String(found)} needs a newer program`);
}

/** Hands out the lines of a text, one after the other. */
class Lines {
  readonly #text: string;
  #from = 0;

  constructor(text: string) {
    this.#text = text;
  }

  next(): string {
    const end = this.#text.indexOf("\n", this.#from);
    const line = end === -1 ? this.#text.slice(this.#from) : this.#text.slice(this.#from, end);
    assert(line !== "", "a write has a line for each value");
    this.#from = end === -1 ? this.#text.length : end + 1;
    return line;
  }
}

/** Hands out fields, one after the other, each as what it must be. */
class Fields {
  readonly #fields: readonly Field[];
  #next = 0;

  constructor(fields: readonly Field[]) {
    this.#fields = fields;
  }

  get isAtEnd(): boolean {
    return this.#next >= this.#fields.length;
  }

  text(): string {
    const field = this.#take();
    if (typeof field === "string") return field;
    throw broken("text", field);
  }

  number(): number {
    const field = this.#take();
    if (typeof field === "number") return field;
    throw broken("number", field);
  }

  textOrNull(): string | null {
    const field = this.#take();
    if (typeof field === "string" || field === null) return field;
    throw broken("text or null", field);
  }

  numberOrNull(): number | null {
    const field = this.#take();
    if (typeof field === "number" || field === null) return field;
    throw broken("number or null", field);
  }

  #take(): Field | undefined {
    const field = this.#fields[this.#next];
    this.#next += 1;
    return field;
  }
}

function broken(wanted: string, found: unknown): Error {
  return new Error(`a write in the log has ${JSON.stringify(found) ?? "nothing"} for a ${wanted}`);
}
