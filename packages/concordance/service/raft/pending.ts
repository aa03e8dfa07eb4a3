/**
 * Owns who waits for which entry, found by index and term together: an entry of another term at the same
 * index is another entry (pitfall 35). When the leader steps down, what waits becomes unknown, not failed.
 */
import { assert } from "./assert.ts";
import type { LogEntry } from "./types.ts";

interface Waiting<T> {
  readonly term: number;
  readonly sinceMs: number;
  readonly resolve: (answer: T) => void;
}

export class Pending<T> {
  /** By index, in the order of the log. Whoever waited in an earlier term was answered when it ended. */
  readonly #waiting = new Map<number, Waiting<T>>();

  get size(): number {
    return this.#waiting.size;
  }

  add({ index, term }: LogEntry, sinceMs: number, resolve: (answer: T) => void): void {
    assert(!this.#waiting.has(index), "a leader that stepped down has answered everyone");
    this.#waiting.set(index, { term, sinceMs, resolve });
  }

  settle({ index, term }: LogEntry, answer: T): void {
    const waiting = this.#waiting.get(index);
    if (waiting?.term !== term) return;
    this.#waiting.delete(index);
    waiting.resolve(answer);
  }

  /** Answers everything that has waited since `beforeMs` or longer. */
  expire(beforeMs: number, answer: T): void {
    for (const [index, { sinceMs, resolve }] of this.#waiting) {
      if (sinceMs > beforeMs) return;
      this.#waiting.delete(index);
      resolve(answer);
    }
  }
}
