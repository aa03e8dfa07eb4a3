/**
 * Owns the latest entries in memory, so that sending and applying need not read back what was just written.
 * Bounded in entries and characters; what is not here is in the log (log.ts).
 */
import { assert } from "./assert.ts";
import type { LogEntry } from "./types.ts";

const ENTRIES_MAX = 4_096;
const CHARS_MAX = 16 * 1_048_576;

export class EntryCache {
  /** Without holes; the last one is the last of the log. */
  #entries: LogEntry[] = [];
  #chars = 0;

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

  /** Entries `from … through`, or null when the first of them is not here. */
  slice(from: number, through: number): readonly LogEntry[] | null {
    const start = this.#entries[0]?.index;
    if (start === undefined || from < start) return null;
    return this.#entries.slice(from - start, through - start + 1);
  }
}
