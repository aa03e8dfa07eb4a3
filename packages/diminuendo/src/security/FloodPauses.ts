/**
 * Owns that flooding does not pay: a connection that is closed for it comes back with a new window of messages
 * (transport/rate-window.ts), so its person's next sign-ins wait until a second after. It is the person who waits and not
 * the address, which may be everybody's. What is kept of people is bounded; who is forgotten does not wait.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Context from "effect/Context";
import * as Layer from "effect/Layer";

const PAUSE_MS = 1_000;
const PEOPLE_MAX = 10_000;

/** Pure but for its own memory. */
export class Pauses {
  /** When each may come in again; who flooded last stands last. */
  readonly #untilMs = new Map<string, number>();

  flooded(actor: Actor, nowMs: number): void {
    const who = nameOf(actor);
    this.#untilMs.delete(who);
    this.#untilMs.set(who, nowMs + PAUSE_MS);
    const [longestQuiet = ""] = this.#untilMs.keys();
    if (this.#untilMs.size > PEOPLE_MAX) this.#untilMs.delete(longestQuiet);
  }

  /** How long to wait before this person is let in; 0 when there is no reason to. */
  waitMs(actor: Actor, nowMs: number): number {
    return Math.max(0, (this.#untilMs.get(nameOf(actor)) ?? 0) - nowMs);
  }
}

const nameOf = ({ tenant, user }: Actor): string => JSON.stringify([tenant, user]);

export class FloodPauses extends Context.Service<FloodPauses, Pauses>()(
  "diminuendo/security/FloodPauses",
) {
  static readonly layer = Layer.sync(FloodPauses, () => new Pauses());
}
