/** Owns finding events whose time is over: only of commands at rest, and never what says that something is gone. */
import type { Pool } from "pg";
import { RESTING_STATUSES } from "../../core/vocabulary.ts";
import type { ForgetRule } from "../../domain/event-retention.ts";
import { tenantsWithCommands } from "./upkeep.ts";

const PAGE_EVENTS = 1_000;

/** Where a search goes on. */
interface Place {
  readonly transaction: string;
  readonly seq: string;
}

const BEGINNING: Place = { transaction: "0", seq: "0" };
const RESTING = RESTING_STATUSES.map((status) => `'${status}'`).join(", ");

/**
 * Walks a tenant's record in its order, page by page; each page is an index range. What comes after an event that no rule
 * can reach yet is as young, but for transactions side by side, and those are found another day.
 */
const PAGE = `
  SELECT e.event_id, e.transaction_id::text AS transaction, e.seq::text AS seq,
    e.created_at >= (SELECT max(before) FROM unnest($4::timestamptz[]) AS latest (before)) AS is_young,
    e.event_type NOT IN ('record_redacted', 'record_forgotten')
      AND (c.command_id IS NULL OR c.status IN (${RESTING}))
      AND coalesce(e.created_at < (
        SELECT r.before FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS r (purpose, command_type, before)
        WHERE r.purpose = e.purpose AND (r.command_type = c.command_type OR r.command_type IS NULL)
        ORDER BY r.command_type NULLS LAST LIMIT 1), false) AS is_old
  FROM concord.domain_events e LEFT JOIN concord.commands c USING (command_id)
  WHERE e.tenant_id = $1 AND (e.transaction_id, e.seq) > ($5::xid8, $6::bigint)
  ORDER BY e.transaction_id, e.seq LIMIT $7`;

interface Row extends Place {
  readonly event_id: string;
  readonly is_old: boolean;
  readonly is_young: boolean;
}

/** Ids, a page at a time; a page may hold none of them. */
export async function* oldEvents(
  pool: Pool,
  tenantId: string,
  rules: readonly ForgetRule[],
): AsyncGenerator<readonly string[]> {
  const limits = [
    rules.map((one) => one.purpose),
    rules.map((one) => one.commandType),
    rules.map((one) => one.before),
  ];
  for (let after: Place | undefined = BEGINNING; after !== undefined; ) {
    const place: Place = after;
    const { rows } = await pool.query<Row>(PAGE, [
      tenantId,
      ...limits,
      place.transaction,
      place.seq,
      PAGE_EVENTS,
    ]);
    yield rows.flatMap((row) => (row.is_old ? [row.event_id] : []));
    const last = rows.at(-1);
    after = rows.length < PAGE_EVENTS || last?.is_young === true ? undefined : last;
  }
}

export async function tenantsWithOldEvents(
  pool: Pool,
  rules: readonly ForgetRule[],
): Promise<readonly string[]> {
  if (rules.length === 0) return [];
  const found: string[] = [];
  for (const tenant of await tenantsWithCommands(pool)) {
    for await (const ids of oldEvents(pool, tenant, rules)) {
      if (ids.length === 0) continue;
      found.push(tenant);
      break;
    }
  }
  return found;
}
