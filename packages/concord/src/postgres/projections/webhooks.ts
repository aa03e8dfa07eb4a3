/** Owns the lists of outbound webhooks and their deliveries: one tenant's, newest first, by an opaque cursor. */
import type { Pool } from "pg";
import type { ListOptions, Page } from "../../domain/reading.ts";
import type {
  DeliveryFilter,
  WebhookDelivery,
  WebhookEndpoint,
} from "../../domain/webhook-endpoints.ts";
import { deliveryOf, endpointOf } from "../repositories/webhooks.ts";
import { overPool } from "../schema.ts";
import { olderThan, pageOf } from "./lists.ts";

export async function listEndpoints(
  pool: Pool,
  tenantId: string,
  { limit, cursor }: ListOptions,
): Promise<Page<WebhookEndpoint>> {
  let query = overPool(pool)
    .selectFrom("concord.webhook_endpoints")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .where("status", "<>", "deleted")
    .orderBy("created_at", "desc")
    .orderBy("endpoint_id", "desc")
    .limit(limit + 1);
  if (cursor !== undefined) query = query.where(olderThan(cursor, "endpoint_id"));
  const found = (await query.execute()).map(endpointOf);
  return pageOf(found, limit, (one) => [one.createdAt, one.endpointId]);
}

export async function listDeliveries(
  pool: Pool,
  tenantId: string,
  { endpointId, status, eventType, limit, cursor }: DeliveryFilter,
): Promise<Page<WebhookDelivery>> {
  let query = overPool(pool)
    .selectFrom("concord.webhook_deliveries")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .orderBy("created_at", "desc")
    .orderBy("delivery_id", "desc")
    .limit(limit + 1);
  if (endpointId !== undefined) query = query.where("endpoint_id", "=", endpointId);
  if (status !== undefined) query = query.where("status", "=", status);
  if (eventType !== undefined) query = query.where("event_type", "=", eventType);
  if (cursor !== undefined) query = query.where(olderThan(cursor, "delivery_id"));
  const found = (await query.execute()).map(deliveryOf);
  return pageOf(found, limit, (one) => [one.createdAt, one.deliveryId]);
}
