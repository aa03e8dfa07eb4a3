/** Owns the port through which another gateway of the fleet is answered. Alone, there is nobody to answer. */
import type { Actor } from "@concert/service-kit/identity";
import * as Context from "effect/Context";
import type * as Effect from "effect/Effect";

export interface PeerDesk {
  /** `body` as it came; the JSON of the answer. Null: it is no request that this version knows. */
  readonly answer: (actor: Actor, body: string) => Effect.Effect<unknown | null>;
}

export const PeerDesk = Context.Reference<PeerDesk | null>("diminuendo/transport/PeerDesk", {
  defaultValue: () => null,
});
