/**
 * Owns the workflow `deliver_webhook`: attempts and the waits between them, until the round is over; and the loop that
 * starts one for every event that an endpoint wants to hear of. What an attempt is, is in domain/webhook-delivery.ts.
 */
import type { Pool } from "pg";
import type { Logger } from "pino";
import { asId, type DeliveryId } from "../core/ids.ts";
import { isJsonObject, type Json } from "../core/json.ts";
import type { EventFeed } from "../domain/reading.ts";
import type { Store } from "../domain/store.ts";
import { attemptDelivery, type DeliveryParts, deliverySlots } from "../domain/webhook-delivery.ts";
import { isConnectionLost } from "../postgres/connection.ts";
import type { OutboxFactory } from "../postgres/store.ts";
import { dispatchEvents, quietDeliveries } from "../postgres/webhook-feed.ts";
import { patiently } from "./patience.ts";
import type { DurableRuntime, WorkflowSpec } from "./protocol/index.ts";

const DELIVER_WEBHOOK = "concord.deliver_webhook";

interface Round {
  readonly deliveryId: DeliveryId;
  readonly round: number;
}

export function deliverySpec({ deliveryId, round }: Round, tenant: string): WorkflowSpec {
  return {
    workflow: DELIVER_WEBHOOK,
    workflowId: workflowIdOf({ deliveryId, round }),
    input: { delivery_id: deliveryId, round },
    queue: "notifications",
    tenant,
  };
}

function workflowIdOf({ deliveryId, round }: Round): string {
  return `webhook:${deliveryId}:${round}`;
}

function roundOf(input: Json): Round {
  const { delivery_id: id, round } = isJsonObject(input) ? input : {};
  return { deliveryId: asId("delivery", String(id)), round: Number(round) };
}

/** Tells `runtime` what the run of a delivery is. Call once, before it starts. */
export function defineDeliverWebhook<Connection>(
  runtime: DurableRuntime<Connection>,
  parts: DeliveryParts,
): void {
  const slots = deliverySlots();
  runtime.defineWorkflow(DELIVER_WEBHOOK, async (context, input) => {
    const { deliveryId, round } = roundOf(input);
    const assertOwned = () => context.assertOwned();
    for (;;) {
      const waitMs = await context.step("attempt", () =>
        patiently(isConnectionLost, () =>
          attemptDelivery(parts, slots, deliveryId, round, assertOwned),
        ),
      );
      if (waitMs === null) return null;
      await context.sleep(waitMs);
    }
  });
}

const LOOK_EVERY_MS = 1_000;
/** Under load events come by the thousand: they are gathered a little, and become one commit. */
const GATHER_MS = 50;
const QUIET_EVERY_MS = 30_000;
const QUIET_BATCH = 200;

export interface DispatcherParts {
  readonly pool: Pool;
  readonly store: Store;
  readonly newId: () => string;
  readonly outbox: OutboxFactory;
  readonly runtime: Pick<DurableRuntime<never>, "inspect">;
  readonly events: Pick<EventFeed, "changed">;
  readonly log: Logger;
}

export interface Dispatcher {
  start(): void;
  stop(): Promise<void>;
}

export function createWebhookDispatcher(parts: DispatcherParts): Dispatcher {
  const { pool, newId, outbox, events, log } = parts;
  const abort = new AbortController();
  const { signal } = abort;
  let isDone: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  const loop = async () => {
    while (!signal.aborted) {
      const hasMore = await dispatchEvents(pool, newId, outbox).catch((error: unknown) => {
        log.warn({ err: error }, "could not turn events into webhook deliveries; trying again");
        return false;
      });
      if (hasMore) continue;
      await events.changed(LOOK_EVERY_MS, signal);
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    }
  };
  const sweep = () =>
    restartLost(parts).then(
      (count) => {
        if (count > 0) log.warn({ count }, "deliveries without a run were started again");
      },
      (error: unknown) => log.warn({ err: error }, "could not look for lost deliveries"),
    );
  return {
    start: () => {
      isDone = sweep().then(loop);
      timer = setInterval(() => void sweep(), QUIET_EVERY_MS);
    },
    stop: async () => {
      clearInterval(timer);
      abort.abort();
      await isDone;
    },
  };
}

/** As the reconciler for commands: a commit cannot leave a delivery without a run, but a restored backup can. */
async function restartLost({ pool, store, runtime }: DispatcherParts): Promise<number> {
  let count = 0;
  for (const quiet of await quietDeliveries(pool, QUIET_BATCH)) {
    const { state } = await runtime.inspect(workflowIdOf(quiet));
    if (state === "queued" || state === "taken") continue;
    count += await store.transaction(async (tx) => {
      const found = await tx.webhooks.lockDelivery(quiet.deliveryId);
      if (found?.status !== "pending" || found.round !== quiet.round) return 0;
      const { deliveryId, round, tenantId } = await tx.webhooks.restart(found.deliveryId);
      await tx.outbox.deliver(deliveryId, round, tenantId);
      return 1;
    });
  }
  return count;
}
