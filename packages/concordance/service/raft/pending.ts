/**
 * Owns who waits for which entry, found by index and term together: an entry of another term at the same
 * index is another entry (pitfall 35). When the leader steps down, what waits becomes unknown, not failed.
 */
import type { LogEntry } from "./types.ts";

interface Waiting<T> {
  readonly sinceMs: number;
  readonly resolve: (answer: T) => void;
}

export class Pending<T> {
  /** In the order of the log. */
  readonly #waiting = new Map<string, Waiting<T>>();

  get size(): number {
    return this.#waiting.size;
  }

  add(entry: LogEntry, sinceMs: number, resolve: (answer: T) => void): void {
    this.#waiting.set(keyOf(entry), { sinceMs, resolve });
  }

  settle(entry: LogEntry, answer: T): void {
    if (this.#waiting.size === 0) return;
    const key = keyOf(entry);
    this.#waiting.get(key)?.resolve(answer);
    this.#waiting.delete(key);
  }

  /** Answers everything that has waited since `beforeMs` or longer. */
  expire(beforeMs: number, answer: T): void {
    for (const [key, { sinceMs, resolve }] of this.#waiting) {
      if (sinceMs > beforeMs) return;
      this.#waiting.delete(key);
      resolve(answer);
    }
  }
}

function keyOf({ index, term }: LogEntry): string {
  return `${term}:${index}`;
}
