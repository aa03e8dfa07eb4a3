/**
 * Owns the rows that were read lately, so that reading one again asks no database. It holds what the present
 * transaction would answer: whoever changes a row says so here. Bounded in rows and in the size of each.
 */
import { NameCache } from "./name-cache.ts";
import type { StoredEntry } from "./store.ts";

const ROWS_MAX = 4_096;
const VALUE_CHARS_MAX = 2_048;

export class RowCache {
  readonly #rows = new NameCache<StoredEntry>(ROWS_MAX);

  get(namespace: string, key: string): StoredEntry | undefined {
    return this.#rows.get(namespace, key);
  }

  /** Keeps a row that was read. */
  add(entry: StoredEntry): void {
    if (entry.value.length <= VALUE_CHARS_MAX) this.#rows.set(entry.namespace, entry.key, entry);
  }

  /** A row was written: one that is kept is replaced, one that nobody reads is not worth the room. */
  written(entry: StoredEntry): void {
    if (entry.value.length > VALUE_CHARS_MAX) this.#rows.delete(entry.namespace, entry.key);
    else this.#rows.replace(entry.namespace, entry.key, entry);
  }

  drop(namespace: string, key: string): void {
    this.#rows.delete(namespace, key);
  }

  clear(): void {
    this.#rows.clear();
  }
}
