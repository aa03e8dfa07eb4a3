/**
 * Owns what the gateway knows of the agent types that Podium runs, so that a session nobody can run is refused when
 * it is made. Refuses to own: the last word, which Podium has when the session's first turn begins.
 */
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import * as Schema from "effect/Schema";

const FRESH_MS = 60_000;
/** Somebody waits for their session: a Podium slower than this counts as away. */
const TIMEOUT_MS = 2_000;

const Answer = Schema.Struct({
  items: Schema.Array(Schema.Struct({ agent_type: Schema.String })),
});
const asAnswer = Schema.decodeUnknownPromise(Answer);

export interface Podium {
  readonly url: string;
  readonly key: string;
}

export class PodiumAgentTypes {
  readonly #podium: Podium;
  #known: readonly string[] = [];
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(podium: Podium) {
    this.#podium = podium;
  }

  /** Null when `wanted` can be run, or nobody can say; else the types that can. */
  insteadOf = Effect.fnUntraced(function* (this: PodiumAgentTypes, wanted: string) {
    const nowMs = yield* Clock.currentTimeMillis;
    if (nowMs - this.#askedAtMs < FRESH_MS && this.#known.includes(wanted)) return null;
    // Podium may have learned it since: only its own word refuses.
    const told = yield* Effect.tryPromise(() => this.#ask()).pipe(
      Effect.catch((error) =>
        Effect.as(Effect.logWarning(`podium does not tell its agent types: ${error}`), null),
      ),
    );
    if (told === null) return null;
    this.#known = told;
    this.#askedAtMs = nowMs;
    return told.includes(wanted) ? null : told;
  });

  async #ask(): Promise<readonly string[]> {
    const response = await fetch(`${this.#podium.url}/api/v1/agent-types`, {
      headers: { authorization: `Bearer ${this.#podium.key}` },
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const { items } = await asAnswer(await response.json());
    return items.map((item) => item.agent_type);
  }
}
