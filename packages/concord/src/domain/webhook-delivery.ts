/**
 * Owns one attempt at delivering an event to an endpoint: the commit that says it is tried, the sending with no
 * transaction open, the commit of what came of it. Cut off anywhere it is tried again under the same `webhook-id`:
 * a receiver may see a message twice, and never misses one. Refuses to own: HTTP (adapters), waiting (runtime).
 */
import { type DeliveryId, encodeId } from "../core/ids.ts";
import type { RetryPolicy } from "../core/retry.ts";
import { spreadMs, waitBeforeRetryMs } from "../core/retry.ts";
import { eventOf } from "./audit.ts";
import type { SecretRef } from "./connectors.ts";
import { isoTime, type Kit } from "./kit.ts";
import { OWNER_ROLE } from "./schedule-service.ts";
import { KeyedSlots, Slots } from "./slots.ts";
import type { Store, Tx } from "./store.ts";
import {
  type DeliveryAttempt,
  messageOf,
  signingRefs,
  type WebhookDelivery,
  type WebhookEndpoint,
} from "./webhook-endpoints.ts";

export interface OutgoingMessage {
  readonly url: string;
  /** `webhook-id`: the same however often it is sent. */
  readonly messageId: string;
  readonly body: string;
  readonly sentAtMs: number;
  readonly secretRefs: readonly SecretRef[];
}

export interface SendResult {
  readonly responseCode: number | null;
  /** Null when the receiver took it. */
  readonly error: string | null;
  /** The receiver said that it wants no more, or the address may not be reached: not tried again. */
  readonly ends?: "gone" | "refused";
  readonly retryAfterMs?: number;
}

export interface WebhookSender {
  /** Signs with every secret that can be resolved, and sends. Never throws for what the receiver does. */
  send(message: OutgoingMessage): Promise<SendResult>;
  /** Why nothing can be sent to `url`; undefined when, as far as one sees, it can. */
  problemWith(url: string): Promise<string | undefined>;
}

export interface DeliveryParts {
  readonly store: Store;
  readonly kit: Kit;
  readonly sender: WebhookSender;
  readonly retry: RetryPolicy;
  /** After so many deliveries in a row that were given up, the endpoint is disabled. */
  readonly failuresMax: number;
  /** 0 to below 1, by chance. */
  readonly unit: () => number;
}

/** What a process lets happen at once: a flood of events leaves room for commands, a slow receiver for the others. */
export interface DeliverySlots {
  readonly database: Slots;
  readonly endpoint: KeyedSlots;
}

const DATABASE_SLOTS = 5;
const ENDPOINT_SLOTS = 8;

export function deliverySlots(): DeliverySlots {
  return { database: new Slots(DATABASE_SLOTS), endpoint: new KeyedSlots(ENDPOINT_SLOTS) };
}

const LOG_MAX = 20;
/** Who does what nobody asked for. */
const CONCORD = "concord";

/** Tries once. Milliseconds after which to try again; null when this round is over. */
export async function attemptDelivery(
  parts: DeliveryParts,
  slots: DeliverySlots,
  deliveryId: DeliveryId,
  round: number,
  assertOwned: () => Promise<void>,
): Promise<number | null> {
  const { store, kit, sender } = parts;
  const found = await slots.database.run(() =>
    store.read((tx) => tx.webhooks.delivery(deliveryId)),
  );
  if (found === undefined) return null;
  // Begun only when it may be sent: its time stamp is part of what is signed.
  return slots.endpoint.run(found.endpointId, async () => {
    const begun = await slots.database.run(() =>
      store.transaction((tx) => begin(tx, kit, deliveryId, round)),
    );
    if (begun === undefined) return null;
    const { endpoint, message } = begun;
    await assertOwned();
    const sent = await sender.send({ ...message, url: endpoint.url });
    const attempt: DeliveryAttempt = {
      at: isoTime(message.sentAtMs),
      round,
      responseCode: sent.responseCode,
      error: sent.error,
      latencyMs: Math.max(0, Math.round(kit.nowMs() - message.sentAtMs)),
      signedWith: message.secretRefs,
    };
    return slots.database.run(() =>
      store.transaction((tx) => conclude(tx, parts, deliveryId, attempt, sent)),
    );
  });
}

interface Begun {
  readonly endpoint: WebhookEndpoint;
  readonly message: Omit<OutgoingMessage, "url">;
}

/** Undefined when there is nothing to send: settled, started anew, or its endpoint takes nothing now. */
async function begin(tx: Tx, kit: Kit, id: DeliveryId, round: number): Promise<Begun | undefined> {
  const locked = await lockBoth(tx, id);
  if (locked === undefined || locked.delivery.round !== round) return undefined;
  const { endpoint, delivery } = locked;
  if (delivery.status !== "pending") return undefined;
  if (endpoint.status === "disabled") {
    await tx.webhooks.hold(id);
    return undefined;
  }
  if (endpoint.status === "deleted") {
    const error = "the webhook was deleted";
    await tx.webhooks.record(id, {
      status: "failed",
      error,
      nextAttemptAt: null,
      log: delivery.log,
    });
    return undefined;
  }
  await tx.webhooks.countAttempt(id);
  const sentAtMs = kit.nowMs();
  const event = await tx.webhooks.event(delivery.eventId);
  return {
    endpoint,
    message: {
      messageId: encodeId("event", delivery.eventId),
      body: JSON.stringify(messageOf(event)),
      sentAtMs,
      secretRefs: signingRefs(endpoint, sentAtMs),
    },
  };
}

async function conclude(
  tx: Tx,
  parts: DeliveryParts,
  id: DeliveryId,
  attempt: DeliveryAttempt,
  sent: SendResult,
): Promise<number | null> {
  const locked = await lockBoth(tx, id);
  if (locked === undefined) return null;
  const { endpoint, delivery } = locked;
  // Somebody started it anew meanwhile: that round settles it, this one only says what it saw.
  const isStale = delivery.round !== attempt.round || delivery.status !== "pending";
  const log = [...delivery.log, attempt].slice(-LOG_MAX);
  const seen = { log, responseCode: sent.responseCode, error: sent.error };
  if (isStale) {
    await tx.webhooks.record(id, { log });
    return null;
  }
  if (sent.error === null) {
    await tx.webhooks.record(id, { ...seen, status: "delivered", nextAttemptAt: null });
    if (endpoint.failures > 0) await tx.webhooks.changeEndpoint({ ...endpoint, failures: 0 });
    return null;
  }
  const waitMs = waitAfter(parts, delivery.attempts, sent);
  if (waitMs !== undefined) {
    const nextAttemptAt = isoTime(parts.kit.nowMs() + waitMs);
    await tx.webhooks.record(id, { ...seen, nextAttemptAt });
    return waitMs;
  }
  await tx.webhooks.record(id, { ...seen, status: "failed", nextAttemptAt: null });
  await countFailure(tx, parts, endpoint, delivery, sent);
  return null;
}

/** Whatever a receiver answers may pass, also a 404 while it is put up anew; only what it cannot mean otherwise ends it. */
function waitAfter(
  { retry, unit }: DeliveryParts,
  attempts: number,
  { ends, retryAfterMs }: SendResult,
): number | undefined {
  if (ends !== undefined) return undefined;
  const waitMs = waitBeforeRetryMs(retry, attempts, "transient_connector_error", retryAfterMs);
  return waitMs === undefined ? undefined : spreadMs(waitMs, unit());
}

async function countFailure(
  tx: Tx,
  { kit, failuresMax }: DeliveryParts,
  endpoint: WebhookEndpoint,
  delivery: WebhookDelivery,
  { ends, error }: SendResult,
): Promise<void> {
  const failures = endpoint.failures + 1;
  if (endpoint.status !== "enabled" || (failures < failuresMax && ends !== "gone")) {
    await tx.webhooks.changeEndpoint({ ...endpoint, failures });
    return;
  }
  const why =
    ends === "gone"
      ? "the receiver answered 410 Gone"
      : `${failures} deliveries in a row were given up, the last with: ${error ?? ""}`;
  await tx.webhooks.changeEndpoint({
    ...endpoint,
    failures,
    status: "disabled",
    disabledReason: why,
  });
  const made = await tx.commands.find(endpoint.commandId);
  if (made === undefined) throw new Error("a webhook lost the command that made it");
  const webhookId = encodeId("webhook", endpoint.endpointId);
  const payload = { webhook_id: webhookId, reason: why, failures };
  const about = { actor: CONCORD, target: { type: "webhook", id: webhookId } };
  await tx.events.append([eventOf(made, "webhook_disabled", payload, about)]);
  await tx.notifications.deliver({
    notificationId: kit.newId(),
    tenantId: endpoint.tenantId,
    commandId: endpoint.commandId,
    deliveryKey: `webhook_disabled:${delivery.deliveryId}:${delivery.round}`,
    recipient: { kind: "group", name: OWNER_ROLE },
    title: "A webhook was disabled",
    body: `Nothing is sent to ${endpoint.url} any more: ${why}. What happens meanwhile is kept; concert webhook enable ${webhookId} goes on where it stopped.`,
  });
  const told = {
    channel: "app",
    recipient: `group:${OWNER_ROLE}`,
    title: "A webhook was disabled",
  };
  await tx.events.append([eventOf(made, "notification_sent", told, { actor: CONCORD })]);
}

/** The endpoint first, always: whoever holds a delivery already holds what may disable or free it. */
async function lockBoth(tx: Tx, id: DeliveryId) {
  const found = await tx.webhooks.delivery(id);
  if (found === undefined) return undefined;
  const endpoint = await tx.webhooks.lockEndpoint(found.endpointId);
  const delivery = await tx.webhooks.lockDelivery(id);
  return endpoint === undefined || delivery === undefined ? undefined : { endpoint, delivery };
}
