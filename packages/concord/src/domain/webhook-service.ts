/**
 * Owns what an owner does about the webhooks of a tenant. Each change is a command on record, a refused one too, with
 * the decision that lets events leave for that address (G3): every delivery rests on it. Refuses to own: delivering.
 */
import type { Command } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import { asId, decodeId, encodeId, type WebhookId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { type Act, allowAct, beginAct, finishAct, refuseAct } from "./acts.ts";
import { eventOf } from "./audit.ts";
import type { SecretResolver } from "./connectors.ts";
import { isoTime, type Kit } from "./kit.ts";
import type { Page } from "./reading.ts";
import { OWNER_ROLE } from "./schedule-service.ts";
import type { Store, Tx } from "./store.ts";
import type { WebhookSender } from "./webhook-delivery.ts";
import {
  type Asking,
  checkEndpoint,
  checkSecretRef,
  type DeliveryFilter,
  type EndpointRequest,
  type WebhookDelivery,
  type WebhookEndpoint,
  type WebhookEndpointService,
} from "./webhook-endpoints.ts";

const ENDPOINTS_MAX = 50;
const OVERLAP_MINUTES = 1_440;
const OVERLAP_MINUTES_MAX = 20_160;
const MINUTE_MS = 60_000;
/** What is on record once each of them was done. */
const EVENTS = {
  create_webhook: "webhook_created",
  update_webhook: "webhook_updated",
  rotate_webhook_secret: "webhook_secret_rotated",
  disable_webhook: "webhook_disabled",
  enable_webhook: "webhook_enabled",
  delete_webhook: "webhook_deleted",
  redeliver_webhook: "webhook_redelivered",
} as const;

export interface WebhookServiceParts {
  readonly store: Store;
  readonly kit: Kit;
  readonly secrets: SecretResolver;
  readonly sender: Pick<WebhookSender, "problemWith">;
  readonly lists: {
    endpoints: WebhookEndpointService["list"];
    deliveries(tenantId: string, filter: DeliveryFilter): Promise<Page<WebhookDelivery>>;
  };
}

export function createWebhookEndpointService(parts: WebhookServiceParts): WebhookEndpointService {
  const { store, kit } = parts;
  return {
    ...reading(parts),
    create: async (asking, request) => {
      await check(parts, asking, request);
      const payload = { ...told(request), secret_ref: shownRef(request.secretRef) };
      return acting(parts, asking, "create_webhook", payload, async (tx, act) => {
        const { tenant, user } = asking.principal;
        const secretRef = checkSecretRef(tenant, request.secretRef);
        if ((await tx.webhooks.countEndpoints(tenant)) >= ENDPOINTS_MAX) {
          return new Refusal("forbidden", `A tenant has at most ${ENDPOINTS_MAX} webhooks.`);
        }
        const { url, eventTypes = [], description = "" } = request;
        return tx.webhooks.insertEndpoint({
          endpointId: asId("webhook", kit.newId()),
          tenantId: tenant,
          commandId: act.commandId,
          url,
          description,
          eventTypes,
          secretRef,
          createdBy: user,
        });
      });
    },
    update: async (asking, id, change) => {
      await check(parts, asking, change);
      return changing(parts, asking, id, "update_webhook", told(change), async (tx, found) => {
        const { url = found.url, eventTypes = found.eventTypes } = change;
        const description = change.description ?? found.description;
        return tx.webhooks.changeEndpoint({ ...found, url, eventTypes, description });
      });
    },
    rotate: async (asking, id, reference, overlapMinutes = OVERLAP_MINUTES) => {
      if (!(overlapMinutes >= 0 && overlapMinutes <= OVERLAP_MINUTES_MAX)) {
        const message = `overlap_minutes is not from 0 to ${OVERLAP_MINUTES_MAX}.`;
        throw new Refusal("validation_error", message);
      }
      await check(parts, asking, { secretRef: reference });
      const payload = { secret_ref: shownRef(reference), overlap_minutes: overlapMinutes };
      return changing(parts, asking, id, "rotate_webhook_secret", payload, async (tx, found) => {
        const secretRef = checkSecretRef(found.tenantId, reference);
        const until = isoTime(kit.nowMs() + overlapMinutes * MINUTE_MS);
        const previous = { secretRef: found.secretRef, until };
        return tx.webhooks.changeEndpoint({ ...found, secretRef, previous });
      });
    },
    disable: (asking, id, reason = `by ${asking.principal.user}`) =>
      changing(parts, asking, id, "disable_webhook", { reason }, async (tx, found) =>
        tx.webhooks.changeEndpoint({ ...found, status: "disabled", disabledReason: reason }),
      ),
    enable: (asking, id, skipMissed = false) => {
      const payload = { skip_missed: skipMissed };
      return changing(parts, asking, id, "enable_webhook", payload, async (tx, found) => {
        if (skipMissed) await tx.webhooks.skipMissed(found.endpointId);
        for (const held of await tx.webhooks.restartHeld(found.endpointId)) {
          await tx.outbox.deliver(held.deliveryId, held.round, held.tenantId);
        }
        const fresh = { status: "enabled", disabledReason: null, failures: 0 } as const;
        return tx.webhooks.changeEndpoint({ ...found, ...fresh });
      });
    },
    remove: (asking, id) =>
      changing(parts, asking, id, "delete_webhook", {}, async (tx, found) =>
        tx.webhooks.changeEndpoint({ ...found, status: "deleted", disabledReason: null }),
      ),
    redeliver: async (asking, id) => {
      const found = await findDelivery(store, asking.principal.tenant, id);
      const payload = { delivery_id: id, event_type: found.eventType };
      return acting(parts, asking, "redeliver_webhook", payload, async (tx) => {
        const endpoint = await tx.webhooks.lockEndpoint(found.endpointId);
        if (endpoint?.status !== "enabled") {
          return new Refusal("endpoint_disabled", "The webhook is not enabled; enable it first.");
        }
        const delivery = await tx.webhooks.restart(found.deliveryId);
        await tx.outbox.deliver(delivery.deliveryId, delivery.round, delivery.tenantId);
        return delivery;
      });
    },
  };
}

function reading({
  store,
  lists,
}: WebhookServiceParts): Pick<WebhookEndpointService, "list" | "get" | "deliveries" | "delivery"> {
  return {
    list: async (principal, filter) => {
      mustOwn(principal.roles);
      return lists.endpoints(principal, filter);
    },
    get: async (principal, id) => {
      mustOwn(principal.roles);
      const endpointId = idOf(id);
      return own(principal.tenant, await store.read((tx) => tx.webhooks.endpoint(endpointId)));
    },
    deliveries: async (principal, filter) => {
      mustOwn(principal.roles);
      return lists.deliveries(principal.tenant, filter);
    },
    delivery: async (principal, id) => {
      mustOwn(principal.roles);
      return findDelivery(store, principal.tenant, id);
    },
  };
}

/** Something done to an endpoint that is there, under its lock. */
async function changing(
  parts: WebhookServiceParts,
  asking: Asking,
  id: string,
  commandType: keyof typeof EVENTS,
  payload: JsonObject,
  work: (tx: Tx, found: WebhookEndpoint) => Promise<WebhookEndpoint>,
): Promise<WebhookEndpoint> {
  const endpointId = idOf(id);
  const { tenant } = asking.principal;
  own(tenant, await parts.store.read((tx) => tx.webhooks.endpoint(endpointId)));
  return acting(parts, asking, commandType, { webhook_id: id, ...payload }, async (tx) =>
    work(tx, own(tenant, await tx.webhooks.lockEndpoint(endpointId))),
  );
}

/** `work` as a command on record: who asked, that it was allowed or why not, and what came of it. */
async function acting<T extends WebhookEndpoint | WebhookDelivery>(
  { store, kit }: WebhookServiceParts,
  { principal, traceId }: Asking,
  commandType: keyof typeof EVENTS,
  payload: JsonObject,
  work: (tx: Tx, act: Command) => Promise<T | Refusal>,
): Promise<T> {
  const policy = "webhook_owner";
  const act: Act = { commandType, principal, traceId, payload, target: undefined, policy };
  const outcome = await store.transaction(async (tx) => {
    const begun = await beginAct(tx, kit, act);
    if (!principal.roles.includes(OWNER_ROLE)) return refuseAct(tx, act, begun, onlyOwners());
    const done = await work(tx, begun);
    if (done instanceof Refusal) return refuseAct(tx, act, begun, done);
    await allowAct(tx, act, begun, `${principal.user} owns the tenant's webhooks`);
    const result = { webhook_id: encodeId("webhook", done.endpointId), status: done.status };
    await tx.events.append([eventOf(begun, EVENTS[commandType], result)]);
    await finishAct(tx, begun, result);
    return done;
  });
  if (outcome instanceof Refusal) throw outcome;
  return outcome;
}

/** What can be known before anything is written. Whoever may not ask is refused on the record instead. */
async function check(
  { secrets, sender }: WebhookServiceParts,
  { principal }: Asking,
  request: Partial<EndpointRequest>,
): Promise<void> {
  if (!principal.roles.includes(OWNER_ROLE)) return;
  checkEndpoint(request);
  const { url, secretRef } = request;
  const problem = url === undefined ? undefined : await sender.problemWith(url);
  if (problem !== undefined) throw new Refusal("validation_error", `url: ${problem}.`);
  if (secretRef === undefined) return;
  const reference = checkSecretRef(principal.tenant, secretRef);
  const wrong = secretProblem(await secrets.resolve(reference).catch(() => undefined));
  if (wrong === undefined) return;
  throw new Refusal("validation_error", `secret_ref: ${reference} ${wrong}.`);
}

/** What somebody without the right put there may be a secret: it is not written down. */
function shownRef(reference: string): string {
  return /^(?:env|file|concordance):/.test(reference) ? reference.slice(0, 512) : "[redacted]";
}

const SECRET = /^whsec_([A-Za-z0-9+/]{32,88}={0,2})$/;
const SECRET_BYTES = { min: 24, max: 64 };

/** What keeps `secret` from signing; nothing of it is repeated. */
export function secretProblem(secret: string | undefined): string | undefined {
  if (secret === undefined) return "is not set in the process that signs with it";
  const bytes = Buffer.from(SECRET.exec(secret)?.[1] ?? "", "base64").length;
  if (bytes >= SECRET_BYTES.min && bytes <= SECRET_BYTES.max) return undefined;
  return `does not hold whsec_ and ${SECRET_BYTES.min} to ${SECRET_BYTES.max} bytes in Base64 (concert webhook secret makes one)`;
}

function told({ url, eventTypes, description }: Partial<EndpointRequest>): JsonObject {
  return {
    ...(url === undefined ? {} : { url }),
    ...(eventTypes === undefined ? {} : { event_types: eventTypes }),
    ...(description === undefined ? {} : { description }),
  };
}

function onlyOwners(): Refusal {
  return new Refusal("forbidden", `Only ${OWNER_ROLE} may see and change webhooks.`);
}

function mustOwn(roles: readonly string[]): void {
  if (!roles.includes(OWNER_ROLE)) throw onlyOwners();
}

function own(tenant: string, found: WebhookEndpoint | undefined): WebhookEndpoint {
  if (found !== undefined && found.tenantId === tenant && found.status !== "deleted") return found;
  throw new Refusal("not_found", "There is no such webhook; ids look like whk_ and 32 hex digits.");
}

function idOf(text: string): WebhookId {
  return decodeId("webhook", text) ?? own("", undefined).endpointId;
}

async function findDelivery(store: Store, tenant: string, text: string): Promise<WebhookDelivery> {
  const id = decodeId("delivery", text);
  const found = id === undefined ? undefined : await store.read((tx) => tx.webhooks.delivery(id));
  if (found !== undefined && found.tenantId === tenant) return found;
  throw new Refusal("not_found", "There is no such delivery; it may have been forgotten since.");
}
