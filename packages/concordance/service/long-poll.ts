/**
 * Owns requests that wait for the next change: woken by it, by their time, or by the end of the process.
 * Refuses to own: what is answered then (api.ts).
 */
import type { StoredChange } from "../shared/store.ts";
import { covers } from "../shared/types.ts";
import { Refusal } from "./refusal.ts";

interface Waiter {
  readonly namespace: string | null;
  readonly wake: () => void;
}

const WAITERS_MAX = 20_000;

export class LongPoll {
  readonly #waiters = new Set<Waiter>();
  #published = 0;
  #ended = false;

  /** Take it before reading, and hand it to `next`: what is published between the two wakes at once. */
  get mark(): number {
    return this.#published;
  }
  /** Waiting is over for good. */
  get ended(): boolean {
    return this.#ended;
  }
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Resolves at a change beneath `namespace` (null = any) since `mark`, or after `timeoutMs`. */
  next(namespace: string | null, mark: number, timeoutMs: number): Promise<void> {
    if (this.#ended || mark !== this.#published) return Promise.resolve();
    if (this.#waiters.size >= WAITERS_MAX) {
      throw new Refusal("overloaded", "Too many requests wait for changes; watch over /stream.");
    }
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiters.delete(waiter);
        clearTimeout(timer);
        resolve();
      };
      const waiter: Waiter = { namespace, wake };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiters.add(waiter);
    });
  }

  /** An empty list says that the state was replaced: whatever changed, everyone looks. */
  publish(changes: readonly StoredChange[]): void {
    this.#published += 1;
    for (const { namespace, wake } of this.#waiters) {
      const all = namespace === null || changes.length === 0;
      if (all || changes.some((change) => covers(namespace, change.namespace))) wake();
    }
  }

  /** Answers everyone; nobody waits after this. */
  end(): void {
    this.#ended = true;
    for (const { wake } of this.#waiters) wake();
  }
}
