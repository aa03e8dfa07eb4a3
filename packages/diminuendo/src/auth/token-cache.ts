/**
 * Owns who verified tokens stand for, for a while: known by SHA-256, so that a heap dump shows none; at most 10,000, the
 * oldest leaves first; never longer than the token itself or five minutes. Pure but for its own memory.
 */
import type { Claimed } from "./claims.ts";
import { tokenHash } from "./identities.ts";

const TOKENS_MAX = 10_000;
const KEPT_MS_MAX = 300_000;

interface Kept {
  readonly claimed: Claimed;
  readonly untilMs: number;
}

export class TokenCache {
  readonly #kept = new Map<string, Kept>();

  get(token: string, nowMs: number): Claimed | undefined {
    const kept = this.#kept.get(tokenHash(token));
    return kept !== undefined && kept.untilMs > nowMs ? kept.claimed : undefined;
  }

  put(token: string, claimed: Claimed, nowMs: number): void {
    const untilMs = Math.min(claimed.expiresAt, nowMs + KEPT_MS_MAX);
    this.#kept.set(tokenHash(token), { claimed, untilMs });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > TOKENS_MAX && oldest !== undefined) this.#kept.delete(oldest);
  }

  /** Run now and then, so that what has run out does not stay. */
  sweep(nowMs: number): void {
    for (const [hash, { untilMs }] of this.#kept) if (untilMs <= nowMs) this.#kept.delete(hash);
  }

  get size(): number {
    return this.#kept.size;
  }
}
