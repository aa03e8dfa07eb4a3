/**
 * Owns sending what is due to people outside, once each: a delivery is read, sent, and what came of it written. It may be
 * cut anywhere, and is then sent again under the same id, by which its receiver knows it.
 */
import * as Effect from "effect/Effect";
import * as Random from "effect/Random";
import type { StoredDelivery } from "../db/stored-automations.ts";
import { attemptMade } from "./core/delivery-attempts.ts";
import { RunPorts } from "./RunPorts.ts";
import { alone } from "./tenant-round.ts";
import { inboxNotice } from "./views.ts";

/** A receiver that is slow holds back those of its own tenant, and not all of them. */
const AT_ONCE = 8;
const ROUND_MAX = 64;

/** True unless something that was sent could not be written down: then it will be sent again, but not at once. */
export const deliveryRound = Effect.fn("automations.deliveries")(function* (
  tenantId: string,
  nowMs: number,
) {
  const { read } = yield* RunPorts;
  const due = yield* read({ kind: "due_deliveries", tenantId, nowMs, limit: ROUND_MAX });
  const send = (one: StoredDelivery) => alone(deliver(tenantId, one, nowMs), one.deliveryId);
  const written = yield* Effect.forEach(due, send, { concurrency: AT_ONCE });
  return written.every((one) => one === true);
});

const deliver = Effect.fnUntraced(function* (
  tenantId: string,
  delivery: StoredDelivery,
  nowMs: number,
) {
  const { read, write, send, tellTenant } = yield* RunPorts;
  const sent = yield* send(delivery);
  const { runId, deliveryId, attempts } = delivery;
  const run = yield* read({ kind: "get_run", tenantId, runId });
  const made = attemptMade(delivery, sent, run, { nowMs, random: yield* Random.next });
  const changed = yield* write({
    kind: "change_delivery",
    tenantId,
    deliveryId,
    attempts,
    ...made,
  });
  if (changed?.item) tellTenant(tenantId, inboxNotice(changed.item));
  return true;
});
