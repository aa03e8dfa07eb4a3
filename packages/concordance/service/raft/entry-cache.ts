/**
 * Owns the latest entries in memory, so that sending and applying need not read back what was just written.
 * Bounded in entries and characters; what is not here is read from the log (log.ts).
 */
import { assert } from "./assert.ts";
import type { AppendHeader, LogEntry } from "./types.ts";

const ENTRIES_MAX = 4_096;
const CHARS_MAX = 16 * 1_048_576;
/** Of entries in one message; one entry always goes (pitfall 20). */
const MESSAGE_CHARS_MAX = 1_048_576;

export class EntryCache {
  /** Without holes; the last one is the last of the log. */
  #entries: LogEntry[] = [];
  #chars = 0;
  readonly #readLog: (from: number, through: number) => readonly LogEntry[];

  constructor(readLog: (from: number, through: number) => readonly LogEntry[]) {
    this.#readLog = readLog;
  }

  /** Adds what was appended, in place of anything from its first index on. */
  append(entries: readonly LogEntry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const start = this.#entries[0]?.index ?? first.index;
    const keep = Math.max(0, Math.min(this.#entries.length, first.index - start));
    for (const gone of this.#entries.splice(keep)) this.#chars -= gone.payload.length;
    const end = this.#entries.at(-1)?.index ?? first.index - 1;
    assert(end + 1 === first.index, "the cache has no holes");
    this.#entries.push(...entries);
    for (const { payload } of entries) this.#chars += payload.length;
  }

  clear(): void {
    this.#entries = [];
    this.#chars = 0;
  }

  /** Forgets the oldest. Call only when all entries are on disk. */
  trim(): void {
    const half = ENTRIES_MAX / 2;
    if (this.#entries.length <= ENTRIES_MAX && this.#chars <= CHARS_MAX) return;
    while (this.#entries.length > half || this.#chars > CHARS_MAX) {
      const gone = this.#entries.splice(0, Math.max(1, this.#entries.length - half));
      for (const { payload } of gone) this.#chars -= payload.length;
    }
  }

  /** Entries `from … through`, all of which are in the log. */
  read(from: number, through: number): readonly LogEntry[] {
    const start = this.#entries[0]?.index;
    if (start === undefined || from < start) return this.#readLog(from, through);
    return this.#entries.slice(from - start, through - start + 1);
  }

  /** As many of the entries named as one message may carry; the leader sends on from what is answered. */
  forMessage({ prevIndex, throughIndex }: AppendHeader): readonly LogEntry[] {
    if (throughIndex === prevIndex) return [];
    const entries = this.read(prevIndex + 1, throughIndex);
    let chars = 0;
    const cut = entries.findIndex(({ payload }, position) => {
      chars += payload.length;
      return position > 0 && chars > MESSAGE_CHARS_MAX;
    });
    return cut === -1 ? entries : entries.slice(0, cut);
  }
}
