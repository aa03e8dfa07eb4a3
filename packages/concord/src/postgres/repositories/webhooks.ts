/** Owns SQL on the endpoints of outbound webhooks and on their deliveries. */
import { type Selectable, sql } from "kysely";
import { asId } from "../../core/ids.ts";
import type { SecretRef } from "../../domain/connectors.ts";
import type { WebhookRepository } from "../../domain/store.ts";
import type {
  DeliveryStatus,
  EndpointStatus,
  WebhookDelivery,
  WebhookEndpoint,
} from "../../domain/webhook-endpoints.ts";
import {
  type Db,
  isoOf,
  isoOrNull,
  jsonb,
  type WebhookDeliveryTable,
  type WebhookEndpointTable,
} from "../schema.ts";
import { eventOfRow } from "./events.ts";

export function endpointOf(row: Selectable<WebhookEndpointTable>): WebhookEndpoint {
  const { previous_secret_ref: reference, previous_until: until } = row;
  return {
    endpointId: asId("webhook", row.endpoint_id),
    tenantId: row.tenant_id,
    commandId: asId("command", row.command_id),
    url: row.url,
    description: row.description,
    eventTypes: row.event_types,
    secretRef: row.secret_ref as SecretRef,
    previous:
      reference === null || until === null
        ? null
        : { secretRef: reference as SecretRef, until: isoOf(until) },
    status: row.status as EndpointStatus,
    disabledReason: row.disabled_reason,
    failures: row.failures,
    createdBy: row.created_by,
    createdAt: isoOf(row.created_at),
    updatedAt: isoOf(row.updated_at),
  };
}

export function deliveryOf(row: Selectable<WebhookDeliveryTable>): WebhookDelivery {
  return {
    deliveryId: asId("delivery", row.delivery_id),
    endpointId: asId("webhook", row.endpoint_id),
    tenantId: row.tenant_id,
    eventId: row.event_id,
    eventType: row.event_type,
    status: row.status as DeliveryStatus,
    round: row.round,
    attempts: row.attempts,
    responseCode: row.response_code,
    error: row.error,
    log: row.log,
    nextAttemptAt: isoOrNull(row.next_attempt_at),
    createdAt: isoOf(row.created_at),
    completedAt: isoOrNull(row.completed_at),
  };
}

/** Everything before this place is final; what commits from now on comes after it. */
const NOW_IN_FEED = {
  after_transaction: sql<string>`pg_snapshot_xmin(pg_current_snapshot())`,
  after_seq: "0",
};
const FRESH_ROUND = {
  status: "pending",
  round: sql<number>`round + 1`,
  attempts: 0,
  next_attempt_at: null,
  completed_at: null,
  updated_at: sql<string>`now()`,
} as const;

export function webhookRepository(db: Db): WebhookRepository {
  return { ...endpointPart(db), ...deliveryPart(db) };
}

type EndpointPart = Pick<
  WebhookRepository,
  | "insertEndpoint"
  | "countEndpoints"
  | "endpoint"
  | "lockEndpoint"
  | "changeEndpoint"
  | "skipMissed"
>;

function endpointPart(db: Db): EndpointPart {
  const byId = (id: string) =>
    db.selectFrom("concord.webhook_endpoints").selectAll().where("endpoint_id", "=", id);
  const changing = (id: string) =>
    db.updateTable("concord.webhook_endpoints").where("endpoint_id", "=", id);
  return {
    insertEndpoint: async (endpoint) =>
      endpointOf(
        await db
          .insertInto("concord.webhook_endpoints")
          .values({
            endpoint_id: endpoint.endpointId,
            tenant_id: endpoint.tenantId,
            command_id: endpoint.commandId,
            url: endpoint.url,
            description: endpoint.description,
            event_types: jsonb(endpoint.eventTypes),
            secret_ref: endpoint.secretRef,
            created_by: endpoint.createdBy,
            ...NOW_IN_FEED,
          })
          .returningAll()
          .executeTakeFirstOrThrow(),
      ),
    countEndpoints: async (tenantId) => {
      const { count } = await db
        .selectFrom("concord.webhook_endpoints")
        .select(sql<string>`count(*)`.as("count"))
        .where("tenant_id", "=", tenantId)
        .where("status", "<>", "deleted")
        .executeTakeFirstOrThrow();
      return Number(count);
    },
    endpoint: async (id) => {
      const row = await byId(id).executeTakeFirst();
      return row === undefined ? undefined : endpointOf(row);
    },
    lockEndpoint: async (id) => {
      const row = await byId(id).forUpdate().executeTakeFirst();
      return row === undefined ? undefined : endpointOf(row);
    },
    changeEndpoint: async (endpoint) =>
      endpointOf(
        await changing(endpoint.endpointId)
          .set({
            url: endpoint.url,
            description: endpoint.description,
            event_types: jsonb(endpoint.eventTypes),
            secret_ref: endpoint.secretRef,
            previous_secret_ref: endpoint.previous?.secretRef ?? null,
            previous_until: endpoint.previous?.until ?? null,
            status: endpoint.status,
            disabled_reason: endpoint.disabledReason,
            failures: endpoint.failures,
            updated_at: sql`now()`,
          })
          .returningAll()
          .executeTakeFirstOrThrow(),
      ),
    skipMissed: async (id) => void (await changing(id).set(NOW_IN_FEED).execute()),
  };
}

function deliveryPart(db: Db): Omit<WebhookRepository, keyof EndpointPart> {
  const byId = (id: string) =>
    db.selectFrom("concord.webhook_deliveries").selectAll().where("delivery_id", "=", id);
  const changing = () => db.updateTable("concord.webhook_deliveries");
  return {
    delivery: async (id) => {
      const row = await byId(id).executeTakeFirst();
      return row === undefined ? undefined : deliveryOf(row);
    },
    lockDelivery: async (id) => {
      const row = await byId(id).forUpdate().executeTakeFirst();
      return row === undefined ? undefined : deliveryOf(row);
    },
    event: async (eventId) =>
      eventOfRow(
        await db
          .selectFrom("concord.domain_events")
          .selectAll()
          .where("event_id", "=", eventId)
          .executeTakeFirstOrThrow(),
      ),
    countAttempt: async (id) => {
      await changing()
        .set({ attempts: sql`attempts + 1`, next_attempt_at: null, updated_at: sql`now()` })
        .where("delivery_id", "=", id)
        .execute();
    },
    record: async (id, { log, status, responseCode, error, nextAttemptAt }) => {
      await changing()
        .set({
          log: jsonb(log),
          updated_at: sql`now()`,
          ...(responseCode === undefined ? {} : { response_code: responseCode }),
          ...(error === undefined ? {} : { error }),
          ...(nextAttemptAt === undefined ? {} : { next_attempt_at: nextAttemptAt }),
          ...(status === undefined ? {} : { status, completed_at: sql<string>`now()` }),
        })
        .where("delivery_id", "=", id)
        .execute();
    },
    hold: async (id) => {
      const held = { status: "held", next_attempt_at: null, updated_at: sql<string>`now()` };
      await changing().set(held).where("delivery_id", "=", id).execute();
    },
    restart: async (id) =>
      deliveryOf(
        await changing()
          .set(FRESH_ROUND)
          .where("delivery_id", "=", id)
          .returningAll()
          .executeTakeFirstOrThrow(),
      ),
    restartHeld: async (id) => {
      const rows = await changing()
        .set(FRESH_ROUND)
        .where("endpoint_id", "=", id)
        .where("status", "=", "held")
        .returningAll()
        .execute();
      return rows.map(deliveryOf);
    },
  };
}
