/**
 * Owns the order in which things happen to a member: one after the other, none while the disk works on what an earlier
 * one decided (test/sim/node.ts does the same), and none any more once one has failed. Refuses to own: what happens
 * (driver.ts), when the disk is asked (saver.ts).
 */
import type { Saver } from "./saver.ts";
import type { LogEntry } from "./types.ts";

export interface EventLineParts {
  readonly saver: Saver;
  /** What was owed to the disk is on it. */
  readonly paid: (saved: readonly LogEntry[]) => void;
  readonly nowMs: () => number;
  /** Hears of the first failure, once and for good: nothing that was in flight is answered (pitfall 3). */
  readonly onFailure: (error: unknown) => void;
}

export class EventLine {
  readonly #parts: EventLineParts;
  readonly #waiting: (() => void)[] = [];
  #isHandling = false;
  #hasFailed = false;
  #longestStallMs = 0;

  constructor(parts: EventLineParts) {
    this.#parts = parts;
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }
  /** That the event loop was held up by one of them. */
  get longestStallMs(): number {
    return this.#longestStallMs;
  }

  /** Has its turn before this returns, unless the disk is at work, or it comes out of another event. */
  add(work: () => void): void {
    this.#waiting.push(work);
    this.#handle();
  }

  /** The disk's work is over: `finish` belongs to the event that asked for it. */
  resume(finish: () => void): void {
    this.#guarded(finish);
    this.#handle();
  }

  /** Waits for the disk, and lets all happen that waited for it too. */
  settle(): void {
    const { saver } = this.#parts;
    this.add(() => undefined);
    while (saver.isBusy && !this.#hasFailed) this.#guarded(() => saver.wait());
  }

  #handle(): void {
    if (this.#isHandling) return;
    this.#isHandling = true;
    const { saver, paid } = this.#parts;
    while (!this.#hasFailed && this.#waiting.length > 0) {
      if (!saver.isBusy) this.#guarded(() => saver.pay(paid));
      if (saver.isBusy) break;
      const next = this.#waiting.shift();
      if (next !== undefined) this.#guarded(next);
    }
    this.#isHandling = false;
  }

  #guarded(work: () => void): void {
    if (this.#hasFailed) return;
    const { nowMs, onFailure } = this.#parts;
    const startedMs = nowMs();
    try {
      work();
    } catch (error) {
      this.#hasFailed = true;
      onFailure(error);
    }
    this.#longestStallMs = Math.max(this.#longestStallMs, nowMs() - startedMs);
  }
}
