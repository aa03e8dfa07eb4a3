/**
 * Owns how often one person may ask over HTTP: a bucket that fills evenly and holds what one minute allows. Sockets have
 * limits of their own (transport/rate-window.ts). What is kept of people is bounded; who is forgotten begins anew.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { AppConfig } from "../app-config.ts";

const PEOPLE_MAX = 10_000;
const MINUTE_MS = 60_000;

interface Bucket {
  left: number;
  atMs: number;
}

/** Pure but for its own memory. */
export class Buckets {
  readonly #perMinute: number;
  /** Who asked last stands last. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** Takes one request; answers 0, or how long to wait until there is one. */
  take(who: string, nowMs: number): number {
    const { left, atMs } = this.#buckets.get(who) ?? { left: this.#perMinute, atMs: nowMs };
    const filled = left + (Math.max(0, nowMs - atMs) / MINUTE_MS) * this.#perMinute;
    const now = Math.min(this.#perMinute, filled);
    this.#buckets.delete(who);
    this.#buckets.set(who, { left: now < 1 ? now : now - 1, atMs: nowMs });
    this.#forgetOldest();
    return now < 1 ? Math.ceil(((1 - now) / this.#perMinute) * MINUTE_MS) : 0;
  }

  get size(): number {
    return this.#buckets.size;
  }

  #forgetOldest(): void {
    for (const who of this.#buckets.keys()) {
      if (this.#buckets.size <= PEOPLE_MAX) return;
      this.#buckets.delete(who);
    }
  }
}

export class RequestRates extends Context.Service<
  RequestRates,
  {
    /** 0, or how long this person has to wait. */
    readonly take: (actor: Actor, nowMs: number) => number;
  }
>()("diminuendo/security/RequestRates") {
  static readonly layer = Layer.effect(
    RequestRates,
    Effect.map(AppConfig, ({ httpRequestsPerMinute }) => {
      const buckets = new Buckets(httpRequestsPerMinute);
      return RequestRates.of({
        take: ({ tenant, user }, nowMs) => buckets.take(JSON.stringify([tenant, user]), nowMs),
      });
    }),
  );
}
