/** Owns the sliding window that bounds one connection's messages. Pure but for its own memory. */
import { RATE_LIMIT_WINDOW_MS } from "../protocol/index.ts";

export type Verdict = "admit" | "refuse" | "disconnect";

/** Past so many times the limit in one window the client is not listening to `RATE_LIMITED`: it is closed with 4029. */
const FLOOD_TIMES = 3;
/** Places of the past that are let go of together. */
const FORGOTTEN_AT_ONCE = 64;

export class RateWindow {
  readonly #messagesMax: number;
  /** When messages came, oldest first, from `#first` on; at most `FLOOD_TIMES` the limit. */
  #atMs: number[] = [];
  #first = 0;

  constructor(messagesMax: number) {
    this.#messagesMax = messagesMax;
  }

  /** Counts one message, refused ones too, so that hammering does not pay. */
  judge(nowMs: number): Verdict {
    this.#forget(nowMs - RATE_LIMIT_WINDOW_MS);
    if (this.#count >= this.#messagesMax * FLOOD_TIMES) return "disconnect";
    this.#atMs.push(nowMs);
    return this.#count > this.#messagesMax ? "refuse" : "admit";
  }

  get #count(): number {
    return this.#atMs.length - this.#first;
  }

  #forget(untilMs: number): void {
    while (this.#first < this.#atMs.length && (this.#atMs[this.#first] ?? 0) <= untilMs) {
      this.#first += 1;
    }
    if (this.#first < FORGOTTEN_AT_ONCE || this.#first * 2 < this.#atMs.length) return;
    this.#atMs = this.#atMs.slice(this.#first);
    this.#first = 0;
  }
}
