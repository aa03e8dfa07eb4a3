/**
 * Owns keeping calls under each connector's declared limit in this process (CON-12): a bucket per connector that
 * refills evenly. Refuses to own: waiting, which the caller does, and limits across processes.
 */
import type { ConnectorDefinition } from "./connectors.ts";

interface Bucket {
  readonly left: number;
  readonly atMs: number;
}

export class RateGate {
  readonly #buckets = new Map<string, Bucket>();

  /** Takes one request: 0 when it may be made now, else milliseconds after which to ask again. */
  take({ name, rateLimit }: ConnectorDefinition, nowMs: number): number {
    if (rateLimit === undefined) return 0;
    const { requestsMax, perSeconds } = rateLimit;
    const perMs = requestsMax / (perSeconds * 1000);
    const { left, atMs } = this.#buckets.get(name) ?? { left: requestsMax, atMs: nowMs };
    // A clock that went back refills nothing.
    const filled = Math.min(requestsMax, left + Math.max(0, nowMs - atMs) * perMs);
    const isFree = filled >= 1;
    this.#buckets.set(name, { left: isFree ? filled - 1 : filled, atMs: nowMs });
    return isFree ? 0 : Math.ceil((1 - filled) / perMs);
  }
}
