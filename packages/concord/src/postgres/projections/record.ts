/** Owns paging through the record of one tenant, newest first, by an opaque cursor. */
import { sql } from "kysely";
import type { Pool } from "pg";
import type { DomainEvent } from "../../domain/audit.ts";
import type { Page, RecordFilter } from "../../domain/reading.ts";
import { parseCursor } from "../event-feed.ts";
import { cursorOf, eventOfRow } from "../repositories/events.ts";
import { overPool } from "../schema.ts";

/** Throws `Refusal` `invalid_cursor`. */
export async function listRecord(
  pool: Pool,
  tenantId: string,
  filter: RecordFilter,
): Promise<Page<DomainEvent>> {
  let query = overPool(pool)
    .selectFrom("concord.domain_events")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .orderBy("transaction_id", "desc")
    .orderBy("seq", "desc")
    .limit(filter.limit + 1);
  const { cursor, purpose, eventType, actor, commandId, since, until } = filter;
  if (purpose !== undefined) query = query.where("purpose", "=", purpose);
  if (eventType !== undefined) query = query.where("event_type", "=", eventType);
  if (actor !== undefined) query = query.where("actor", "=", actor);
  if (commandId !== undefined) query = query.where("command_id", "=", commandId);
  if (since !== undefined) query = query.where(sql<boolean>`created_at >= ${since}::timestamptz`);
  if (until !== undefined) query = query.where(sql<boolean>`created_at < ${until}::timestamptz`);
  if (cursor !== undefined) {
    const { transaction, seq } = parseCursor(cursor);
    query = query.where(
      sql<boolean>`(transaction_id, seq) < (${transaction}::xid8, ${seq}::bigint)`,
    );
  }
  const rows = await query.execute();
  const shown = rows.slice(0, filter.limit);
  const last = shown.at(-1);
  const nextCursor = rows.length > filter.limit && last !== undefined ? cursorOf(last) : null;
  return { items: shown.map(eventOfRow), nextCursor };
}
