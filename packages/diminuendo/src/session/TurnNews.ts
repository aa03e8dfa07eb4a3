/**
 * Owns word of mouth inside the gateway: a turn of some session has begun, waits, goes on or is over. Whoever listens
 * looks in the session's database what it is; a word that is lost is found there later.
 */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";

/** `sessionId` null: the tenant has become this gateway's own, with whatever goes on in it. */
type Listener = (tenantId: string, sessionId: string | null) => void;

export class TurnNews extends Context.Service<
  TurnNews,
  {
    readonly tell: Listener;
    readonly listen: (listener: Listener) => void;
  }
>()("diminuendo/session/TurnNews") {
  static readonly layer = Layer.effect(
    TurnNews,
    Effect.sync(() => {
      const listeners = new Set<Listener>();
      return TurnNews.of({
        tell: (tenantId, sessionId) => {
          for (const listener of listeners) listener(tenantId, sessionId);
        },
        listen: (listener) => void listeners.add(listener),
      });
    }),
  );
}
