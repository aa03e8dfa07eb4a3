/** Owns telling the other gateways what is published here, and counting what a tenant was told beside events. */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import type { Published } from "../transport/Broadcaster.ts";
import { Onward } from "../transport/Onward.ts";
import { Broadcast } from "./Broadcast.ts";

export class TenantPlaces extends Context.Service<
  TenantPlaces,
  {
    /** How much the tenant was told; for nobody, 0. */
    readonly of: (tenantId: string) => number;
    readonly next: (tenantId: string) => number;
  }
>()("diminuendo/fleet/TenantPlaces") {
  static readonly layer = Layer.sync(TenantPlaces, () => {
    const places = new Map<string, number>();
    const of = (tenantId: string) => places.get(tenantId) ?? 0;
    return TenantPlaces.of({
      of,
      next: (tenantId) => {
        places.set(tenantId, of(tenantId) + 1);
        return of(tenantId);
      },
    });
  });
}

export const fleetOnward = Layer.effect(
  Onward,
  Effect.gen(function* () {
    const { publish } = yield* Broadcast;
    const places = yield* TenantPlaces;
    return {
      session: (sessionId: string, events: readonly Published[]) => {
        const [first, ...rest] = events.map(({ seq, frame }) => ({ seq, frame }));
        if (first === undefined) return;
        publish({ kind: "session_events", sessionId, events: [first, ...rest] });
      },
      tenant: (tenantId: string, text: string, origin: string | null) =>
        publish({ kind: "tenant_notice", tenantId, place: places.next(tenantId), text, origin }),
      sessionEnded: (sessionId: string) => publish({ kind: "session_ended", sessionId }),
      role: (tenantId, userId, role) =>
        publish({ kind: "role_changed", tenantId, place: places.next(tenantId), userId, role }),
    };
  }),
);
