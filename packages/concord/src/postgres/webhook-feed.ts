/**
 * Owns turning events into deliveries: what each endpoint has not heard of yet becomes rows, the runs that carry them,
 * and the endpoint's new place in the feed, all in one commit. So an event makes one delivery for each endpoint,
 * whatever dies when. Only events that are final are taken, in the order of the feed (see event-feed.ts).
 */
import { sql } from "kysely";
import type { Pool } from "pg";
import { asId, type DeliveryId } from "../core/ids.ts";
import { wants } from "../domain/webhook-endpoints.ts";
import { LOCK_KEYS } from "./lock-keys.ts";
import { deliveryOf } from "./repositories/webhooks.ts";
import { overClient, overPool } from "./schema.ts";
import type { OutboxFactory } from "./store.ts";
import { inTransaction } from "./transaction.ts";

const PAGE_EVENTS = 500;
/** A receiver that does not keep up holds its own place in the feed back, and nobody else's. */
const PENDING_MAX = 1_000;

/** Endpoints that hear of events and are not too far behind with what they were sent. */
async function servable(pool: Pool): Promise<readonly string[]> {
  const { rows } = await pool.query<{ endpoint_id: string }>(
    `SELECT endpoint_id FROM concord.webhook_endpoints e WHERE status = 'enabled' AND (
       SELECT count(*) FROM (SELECT 1 FROM concord.webhook_deliveries d
         WHERE d.endpoint_id = e.endpoint_id AND d.status = 'pending' LIMIT ${PENDING_MAX}) open) < ${PENDING_MAX}
     ORDER BY endpoint_id`,
  );
  return rows.map((row) => row.endpoint_id);
}

/** Serves every endpoint one page; true when there may be more. Does nothing while another process does it. */
export async function dispatchEvents(
  pool: Pool,
  newId: () => string,
  outbox: OutboxFactory,
): Promise<boolean> {
  let hasMore = false;
  for (const id of await servable(pool)) {
    const isFull = await inTransaction(pool, async (client) => {
      const lock = await client.query("SELECT pg_try_advisory_xact_lock($1) AS mine", [
        LOCK_KEYS.dispatchWebhooks,
      ]);
      if (lock.rows[0]?.mine !== true) return false;
      return serve(overClient(client), id, newId, outbox(client));
    });
    hasMore ||= isFull;
  }
  return hasMore;
}

type Db = ReturnType<typeof overClient>;

async function serve(
  db: Db,
  endpointId: string,
  newId: () => string,
  outbox: ReturnType<OutboxFactory>,
): Promise<boolean> {
  const endpoint = await db
    .selectFrom("concord.webhook_endpoints")
    .selectAll()
    .where("endpoint_id", "=", endpointId)
    .where("status", "=", "enabled")
    .forUpdate()
    .executeTakeFirst();
  if (endpoint === undefined) return false;
  const { tenant_id, after_transaction: transaction, after_seq: seq } = endpoint;
  const page = await db
    .selectFrom("concord.domain_events")
    .select(["event_id", "event_type", "transaction_id", "seq"])
    .where("tenant_id", "=", tenant_id)
    .where(sql<boolean>`(transaction_id, seq) > (${transaction}::xid8, ${seq}::bigint)`)
    .where(sql<boolean>`transaction_id < pg_snapshot_xmin(pg_current_snapshot())`)
    .orderBy("transaction_id")
    .orderBy("seq")
    .limit(PAGE_EVENTS)
    .execute();
  const last = page.at(-1);
  if (last === undefined) return false;
  const wanted = page.filter(({ event_type }) => wants(endpoint.event_types, event_type));
  const rows = wanted.map(({ event_id, event_type }) => ({
    delivery_id: newId(),
    endpoint_id: endpointId,
    tenant_id,
    event_id,
    event_type,
  }));
  if (rows.length > 0) await db.insertInto("concord.webhook_deliveries").values(rows).execute();
  for (const row of rows) await outbox.deliver(asId("delivery", row.delivery_id), 1, tenant_id);
  await db
    .updateTable("concord.webhook_endpoints")
    .set({ after_transaction: last.transaction_id, after_seq: last.seq })
    .where("endpoint_id", "=", endpointId)
    .execute();
  return page.length === PAGE_EVENTS;
}

const STRANDED_SECONDS = 60;

/** Deliveries that nobody has touched for longer than they were to wait; their runs may be lost. */
export async function quietDeliveries(
  pool: Pool,
  limit: number,
): Promise<readonly { readonly deliveryId: DeliveryId; readonly round: number }[]> {
  const rows = await overPool(pool)
    .selectFrom("concord.webhook_deliveries")
    .selectAll()
    .where("status", "=", "pending")
    .where(
      sql<boolean>`greatest(updated_at, next_attempt_at) < now() - make_interval(secs => ${STRANDED_SECONDS})`,
    )
    // Most of them only wait their turn: by chance each is looked at, however many stand before it.
    .orderBy(sql`random()`)
    .limit(limit)
    .execute();
  return rows.map(deliveryOf);
}

/** Forgets what became of deliveries that ended before `before`; at most `limit`. Returns how many. */
export async function forgetDeliveries(pool: Pool, before: Date, limit: number): Promise<number> {
  const { rowCount } = await pool.query(
    `DELETE FROM concord.webhook_deliveries WHERE delivery_id IN (
       SELECT delivery_id FROM concord.webhook_deliveries WHERE completed_at < $1 ORDER BY completed_at LIMIT $2)`,
    [before, limit],
  );
  return rowCount ?? 0;
}
