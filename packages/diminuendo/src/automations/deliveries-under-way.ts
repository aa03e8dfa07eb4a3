/**
 * Owns which tenants' deliveries are being made: one round at a time each, beside the scheduler's looks, so that nobody
 * waits for a receiver but its own tenant.
 */
import * as Effect from "effect/Effect";
import { deliveryRound } from "./delivery-round.ts";
import { RunPorts } from "./RunPorts.ts";
import type { Wake } from "./tenant-round.ts";

/** After a round whose outcome could not be written, so that nobody is told in a crowd. */
const REST = "5 seconds";

/** What is under way ends with the scope; it is made again by whoever looks next. */
export const deliveriesUnderWay = Effect.fnUntraced(function* (whenOver: (tenant: string) => void) {
  const ports = yield* RunPorts;
  const scope = yield* Effect.scope;
  const tenants = new Set<string>();

  const begin = Effect.fnUntraced(function* (tenantId: string, wake: Wake, nowMs: number) {
    const isDue = wake.deliverAtMs !== null && wake.deliverAtMs <= nowMs;
    if (!isDue || tenants.has(tenantId)) return;
    tenants.add(tenantId);
    const over = Effect.sync(() => {
      tenants.delete(tenantId);
      whenOver(tenantId);
    });
    const round = deliveryRound(tenantId, nowMs).pipe(
      Effect.provideService(RunPorts, ports),
      Effect.catchCause((cause) =>
        Effect.as(Effect.logError("deliveries could not be made", cause), false),
      ),
      Effect.flatMap((isWritten) => (isWritten ? Effect.void : Effect.sleep(REST))),
      Effect.ensuring(over),
    );
    yield* Effect.forkIn(round, scope);
  });
  return { begin, has: (tenantId: string) => tenants.has(tenantId) };
});
