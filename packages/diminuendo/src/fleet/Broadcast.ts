/**
 * Owns being connected to the other gateways through whichever engine there is. A link that is silent counts as broken:
 * each gateway has to hear its own beat. After every break hints may be missing, and who keeps something up to date by
 * them is told to look for itself (`onDoubt`). Refuses to own: what hints mean.
 */
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type { Scope } from "effect/Scope";
import { BroadcastHealth } from "../observability/Health.ts";
import { Metrics } from "../observability/Metrics.ts";
import { Breakers } from "../resilience/Breakers.ts";
import { Unreachable } from "../upstream/upstream-http.ts";
import type { Engine, Link } from "./engine.ts";
import { decodeMessage, encodeBeat, encodeHint, type Hint } from "./hints.ts";

const BEAT_MS = 1_000;
/** Without hearing ourselves for this long the link counts as broken. */
const SILENCE_MS_MAX = 4_000;
const RETRY = "250 millis";

export interface BroadcastState {
  readonly engine: Engine["name"];
  readonly ok: boolean;
  /** How long a text took through the engine and back, last time. */
  readonly latencyMs: number;
}

export interface BroadcastShape {
  /** Tells the other gateways. Never waits and never fails: what cannot be sent is lost. */
  readonly publish: (hint: Hint) => void;
  /** Hears what the others say, in the order each said it. */
  readonly hear: (listener: (hint: Hint, from: string) => void) => void;
  /** Called whenever hints may have been missed: after each connecting. */
  readonly onDoubt: (listener: () => void) => void;
  readonly state: () => BroadcastState;
}

export class Broadcast extends Context.Service<Broadcast, BroadcastShape>()(
  "diminuendo/fleet/Broadcast",
) {
  static readonly layer = (
    engine: Engine,
    gatewayId: string,
  ): Layer.Layer<Broadcast, never, Breakers | Metrics> =>
    Layer.effect(Broadcast, broadcastOver(engine, gatewayId));
}

/** Connects and stays connected until the scope ends. */
export const broadcastOver = Effect.fnUntraced(function* (
  engine: Engine,
  gatewayId: string,
): Effect.fn.Return<BroadcastShape, never, Breakers | Metrics | Scope> {
  const station = new Station(engine.name, gatewayId);
  const { guard } = yield* Breakers;
  const metrics = yield* Metrics;
  yield* metrics.gauge("diminuendo_broadcast_connected", () => (station.state().ok ? 1 : 0));
  const clock = yield* Clock.Clock;
  const now = () => clock.currentTimeMillisUnsafe();
  const open = Effect.acquireRelease(
    guard(
      "broadcast",
      Effect.tryPromise({
        try: () => engine.open((text) => station.received(text, now())),
        catch: (error) => new Unreachable({ service: "broadcast", reason: reasonOf(error) }),
      }),
    ),
    (link) => Effect.sync(() => station.closed(link)),
  );
  const once = Effect.scoped(
    Effect.gen(function* () {
      const link = yield* open;
      station.connected(link, now());
      yield* Effect.logInfo(`connected to the other gateways over ${engine.name}`);
      const reason = yield* Effect.raceFirst(
        Effect.promise(() => link.lost),
        untilSilent(station, now),
      );
      return yield* new Unreachable({ service: "broadcast", reason });
    }),
  );
  let complained = false;
  const forever = once.pipe(
    Effect.catch(({ reason }: Unreachable) => {
      const first = !complained || station.wasConnected();
      complained = true;
      return first ? Effect.logWarning(`the broadcast layer is away: ${reason}`) : Effect.void;
    }),
    Effect.andThen(Effect.sleep(RETRY)),
    Effect.forever,
  );
  yield* Effect.forkScoped(forever);
  return station;
});

/** Answers why, once our own beat has not come back for too long. */
const untilSilent = Effect.fnUntraced(function* (station: Station, now: () => number) {
  while (now() - station.heardAtMs < SILENCE_MS_MAX) {
    station.beat(now());
    yield* Effect.sleep(BEAT_MS);
  }
  return "it does not bring our own beat back";
});

class Station implements BroadcastShape {
  readonly #engine: Engine["name"];
  readonly #gatewayId: string;
  readonly #listeners: ((hint: Hint, from: string) => void)[] = [];
  readonly #doubters: (() => void)[] = [];
  #link: Link | null = null;
  #justLost = false;
  #latencyMs = 0;
  heardAtMs = 0;

  constructor(engine: Engine["name"], gatewayId: string) {
    this.#engine = engine;
    this.#gatewayId = gatewayId;
  }

  readonly publish = (hint: Hint): void => this.#link?.publish(encodeHint(this.#gatewayId, hint));
  readonly hear = (listener: (hint: Hint, from: string) => void): void =>
    void this.#listeners.push(listener);
  readonly onDoubt = (listener: () => void): void => void this.#doubters.push(listener);
  readonly state = (): BroadcastState => ({
    engine: this.#engine,
    ok: this.#link !== null,
    latencyMs: this.#latencyMs,
  });

  connected(link: Link, nowMs: number): void {
    this.#link = link;
    this.heardAtMs = nowMs;
    for (const doubt of this.#doubters) doubt();
  }

  closed(link: Link): void {
    if (this.#link === link) this.#link = null;
    this.#justLost = true;
    link.close();
  }

  /** Whether a link was lost since this was last asked. */
  wasConnected(): boolean {
    const was = this.#justLost;
    this.#justLost = false;
    return was;
  }

  /** The beat's number is when it was sent: its way back is its age. */
  beat(nowMs: number): void {
    this.#link?.publish(encodeBeat(this.#gatewayId, nowMs));
  }

  received(text: string, nowMs: number): void {
    const message = decodeMessage(text);
    if (message === undefined) return;
    const { from, hint, beat } = message;
    if (from === this.#gatewayId) {
      this.heardAtMs = nowMs;
      if (beat !== undefined) this.#latencyMs = Math.max(0, nowMs - beat);
      return;
    }
    if (hint !== undefined) for (const listen of this.#listeners) listen(hint, from);
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

export const broadcastHealth = Layer.effect(
  BroadcastHealth,
  Effect.map(Broadcast, ({ state }) => state),
);
