/**
 * Owns a state machine small enough to check by eye: versioned registers with a condition, and request ids
 * remembered with their results. It stands for service/fsm.ts in simulated clusters.
 */
import type { LogEntry } from "../../service/raft/types.ts";
import type { Conflict } from "./linearizability.ts";

export interface Command {
  readonly id: string;
  readonly key: string;
  readonly value: string;
  /** The version the key must have, or null. */
  readonly cas: number | null;
}
export interface Register {
  readonly value: string;
  readonly version: number;
}
/** What a write answers: the version it made, or that its condition did not hold. */
export type WriteAnswer = number | Conflict;

export const EMPTY: Register = { value: "", version: 0 };

export class SimMachine {
  index = 0;
  timeMs = 0;
  /** Of everything applied so far, in order. */
  hash = 0;
  readonly registers: Map<string, Register>;
  readonly #answers: Map<string, WriteAnswer>;

  constructor(from?: SimMachine) {
    this.registers = new Map(from?.registers);
    this.#answers = new Map(from === undefined ? [] : from.#answers);
    if (from === undefined) return;
    this.index = from.index;
    this.timeMs = from.timeMs;
    this.hash = from.hash;
  }

  apply(entry: LogEntry): WriteAnswer | null {
    if (entry.index !== this.index + 1) throw new Error(`C3: ${entry.index} after ${this.index}`);
    this.index = entry.index;
    this.timeMs = Math.max(this.timeMs, entry.timeMs);
    this.hash = Bun.hash.crc32(`${entry.term}:${entry.kind}:${entry.payload}`, this.hash);
    if (entry.kind !== "command") return null;
    const command = JSON.parse(entry.payload) as Command;
    const answer = this.#answers.get(command.id) ?? this.#write(command);
    this.#answers.set(command.id, answer);
    return answer;
  }

  read(key: string): Register {
    return this.registers.get(key) ?? EMPTY;
  }

  #write({ key, value, cas }: Command): WriteAnswer {
    const { version } = this.read(key);
    if (cas !== null && cas !== version) return { actual: version };
    this.registers.set(key, { value, version: version + 1 });
    return version + 1;
  }
}
