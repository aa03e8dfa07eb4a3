/**
 * Owns when a service that keeps failing is left alone: after five failures in a row it is not asked for a while, then
 * one request tries, and its end decides. Each failed try doubles the while. Pure: the time comes in.
 */
export type BreakerState = "closed" | "open" | "half_open";

const FAILURES_MAX = 5;
const OPEN_MS_FIRST = 1_000;
const OPEN_MS_MAX = 15_000;

export class Breaker {
  #failures = 0;
  #openMs = 0;
  #untilMs = 0;
  #isTrying = false;

  state(nowMs: number): BreakerState {
    if (this.#openMs === 0) return "closed";
    return this.#isTrying || nowMs >= this.#untilMs ? "half_open" : "open";
  }

  /** Whether to ask; true in `half_open` means that this request is the one that tries. */
  admits(nowMs: number): boolean {
    const state = this.state(nowMs);
    if (state === "closed") return true;
    if (state === "open" || this.#isTrying) return false;
    this.#isTrying = true;
    return true;
  }

  /** The service answered, be it with a refusal. */
  succeeded(): void {
    this.#failures = 0;
    this.#openMs = 0;
    this.#isTrying = false;
  }

  failed(nowMs: number): void {
    this.#failures += 1;
    const opens = this.#isTrying || (this.#openMs === 0 && this.#failures >= FAILURES_MAX);
    this.#isTrying = false;
    if (!opens) return;
    this.#openMs = Math.min(OPEN_MS_MAX, Math.max(OPEN_MS_FIRST, this.#openMs * 2));
    this.#untilMs = nowMs + this.#openMs;
  }

  /** Nobody waited for the answer: it says nothing. */
  abandoned(): void {
    this.#isTrying = false;
  }
}
