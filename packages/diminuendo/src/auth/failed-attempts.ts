/**
 * Owns how often one address may fail to sign in: 20 times in a minute, then it waits. Successes do not count, so that
 * an office behind one address reconnects as one. Bounded in addresses; pure but for its own memory.
 */
const FAILURES_MAX = 20;
const WINDOW_MS = 60_000;
const ADDRESSES_MAX = 10_000;

export class FailedAttempts {
  /** Of each address, when its latest failures were, oldest first. */
  readonly #failures = new Map<string, readonly number[]>();

  /** How long this address must wait before it may try; 0 when it need not. */
  waitMs(address: string, nowMs: number): number {
    const recent = this.#recent(address, nowMs);
    const [oldest] = recent;
    return recent.length < FAILURES_MAX || oldest === undefined ? 0 : oldest + WINDOW_MS - nowMs;
  }

  failed(address: string, nowMs: number): void {
    const recent = [...this.#recent(address, nowMs), nowMs].slice(-FAILURES_MAX);
    this.#failures.delete(address);
    this.#failures.set(address, recent);
    const [longestQuiet] = this.#failures.keys();
    if (this.#failures.size > ADDRESSES_MAX && longestQuiet !== undefined) {
      this.#failures.delete(longestQuiet);
    }
  }

  #recent(address: string, nowMs: number): readonly number[] {
    return (this.#failures.get(address) ?? []).filter((atMs) => atMs > nowMs - WINDOW_MS);
  }
}
