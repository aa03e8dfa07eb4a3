/**
 * Owns the rows that were read lately, so that reading one again asks no database. It holds what the present
 * transaction would answer: whoever changes a row says so here. Bounded in rows and in the size of each.
 */
import type { StoredEntry } from "./store.ts";

const ROWS_MAX = 4_096;
const VALUE_CHARS_MAX = 2_048;

export class RowCache {
  /** Oldest first. */
  readonly #rows = new Map<string, StoredEntry>();

  get(namespace: string, key: string): StoredEntry | undefined {
    return this.#rows.get(nameOf(namespace, key));
  }

  /** Keeps a row that was read. */
  add(entry: StoredEntry): void {
    if (entry.value.length > VALUE_CHARS_MAX) return;
    if (this.#rows.size >= ROWS_MAX) {
      for (const oldest of this.#rows.keys()) {
        this.#rows.delete(oldest);
        break;
      }
    }
    this.#rows.set(nameOf(entry.namespace, entry.key), entry);
  }

  /** A row was written: one that is kept is replaced, one that nobody reads is not worth the room. */
  written(entry: StoredEntry): void {
    const name = nameOf(entry.namespace, entry.key);
    if (!this.#rows.has(name)) return;
    if (entry.value.length > VALUE_CHARS_MAX) this.#rows.delete(name);
    else this.#rows.set(name, entry);
  }

  drop(namespace: string, key: string): void {
    this.#rows.delete(nameOf(namespace, key));
  }

  clear(): void {
    this.#rows.clear();
  }
}

/** Neither part can hold a control character. */
function nameOf(namespace: string, key: string): string {
  return `${namespace}\n${key}`;
}
