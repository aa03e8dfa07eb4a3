/** Owns the sliding window that bounds one connection's messages. Pure but for its own memory. */
import { RATE_LIMIT_MESSAGES, RATE_LIMIT_WINDOW_MS } from "../protocol/index.ts";

export type Verdict = "admit" | "refuse" | "disconnect";

/** Past this many in one window the client is not listening to `RATE_LIMITED`: it is closed with 4029. */
const FLOOD_MESSAGES = RATE_LIMIT_MESSAGES * 3;

export class RateWindow {
  /** When messages came, oldest first; at most `FLOOD_MESSAGES`. */
  #atMs: number[] = [];

  /** Counts one message, refused ones too, so that hammering does not pay. */
  judge(nowMs: number): Verdict {
    const start = this.#atMs.findIndex((at) => at > nowMs - RATE_LIMIT_WINDOW_MS);
    this.#atMs = start === -1 ? [] : this.#atMs.slice(start);
    if (this.#atMs.length >= FLOOD_MESSAGES) return "disconnect";
    this.#atMs.push(nowMs);
    return this.#atMs.length > RATE_LIMIT_MESSAGES ? "refuse" : "admit";
  }
}
