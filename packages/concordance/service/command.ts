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

const COMMAND_FORMAT = 1;

export function encodeCommand(command: Command): string {
  return JSON.stringify({ v: COMMAND_FORMAT, ...command });
}

/** Reads a payload this program (or an earlier one) wrote; anything else is a broken log. */
export function decodeCommand(payload: string): Command {
  const { v, ...command } = JSON.parse(payload) as { v: unknown } & Command;
  assert(v === COMMAND_FORMAT, `a command of format ${String(v)} needs a newer program`);
  return command;
}
