/**
 * Owns the chain of digests over the record of each tenant: sealing what is final, and telling whether anything
 * sealed was changed, removed or slipped in since. Sealing runs behind the writers and takes none of their locks.
 *
 * A seal covers the tenant's events after the seal before it, in the order of the feed, up to the oldest open
 * transaction; nothing can commit into that range later. hash = sha256(previous hash, count, digest of digests).
 * Where something was taken out on request (domain/redaction-service.ts) the chain goes on over the digest from before;
 * what stands there now has to be what an event of the record, sealed like any other, says it is. Where events were
 * forgotten because their time was over (domain/event-retention.ts) it goes on over the digests that were kept.
 * What somebody with the owner's rights could still do is cut off the end of both tables: whoever keeps a head
 * (`known`) sees that too.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import type { AuditReport } from "../domain/reading.ts";
import { LOCK_KEYS } from "./lock-keys.ts";
import { inTransaction } from "./transaction.ts";

const BATCH_EVENTS = 5_000;
const PAGE_SEALS = 500;
const PROBLEMS_MAX = 20;
const START = Buffer.alloc(32);

/** What concord.event_digest says. Written out, Postgres does it in the query, which takes a tenth of calling it. */
const DIGEST = "coalesce(r.before_digest, concord.text_digest(e))";
const DIGESTED = `concord.domain_events e
    LEFT JOIN concord.event_redactions r ON r.event_id = e.event_id AND r.redaction_no = 1`;

const SEAL = `
  WITH place AS (
    SELECT last_transaction, last_seq FROM concord.audit_seals
    ORDER BY last_transaction DESC, last_seq DESC LIMIT 1
  ), fresh AS (
    SELECT e.tenant_id, e.transaction_id, e.seq, ${DIGEST} AS digest
    FROM ${DIGESTED}
    WHERE (e.transaction_id, e.seq) > (
        coalesce((SELECT last_transaction FROM place), '0'::xid8), coalesce((SELECT last_seq FROM place), 0))
      AND e.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY e.transaction_id, e.seq LIMIT ${BATCH_EVENTS}
  ), told AS (
    SELECT tenant_id, count(*) AS event_count,
      sha256(string_agg(digest, ''::bytea ORDER BY transaction_id, seq)) AS content,
      (array_agg(transaction_id ORDER BY transaction_id DESC, seq DESC))[1] AS last_transaction,
      (array_agg(seq ORDER BY transaction_id DESC, seq DESC))[1] AS last_seq
    FROM fresh GROUP BY tenant_id
  ), sealed AS (
    INSERT INTO concord.audit_seals (tenant_id, seal_no, after_transaction, after_seq, last_transaction, last_seq,
      event_count, content, previous_hash, hash)
    SELECT t.tenant_id, coalesce(p.seal_no, 0) + 1, coalesce(p.last_transaction, '0'::xid8), coalesce(p.last_seq, 0),
      t.last_transaction, t.last_seq, t.event_count, t.content, coalesce(p.hash, $1),
      sha256(coalesce(p.hash, $1) || int8send(t.event_count) || t.content)
    FROM told t LEFT JOIN LATERAL (
      SELECT * FROM concord.audit_seals s WHERE s.tenant_id = t.tenant_id ORDER BY seal_no DESC LIMIT 1
    ) p ON true
  )
  SELECT count(*)::int AS count FROM fresh`;

/**
 * Seals what became final since the last time; returns how many events. Does nothing while another process seals.
 * `isPatient`: leaves the database to others as long as each batch took, since a long record takes many.
 */
export async function sealAudit(
  pool: Pool,
  { isPatient = false }: { readonly isPatient?: boolean } = {},
): Promise<number> {
  for (let total = 0; ; ) {
    const startMs = performance.now();
    const count = await inTransaction(pool, async (client) => {
      const lock = await client.query("SELECT pg_try_advisory_xact_lock($1) AS mine", [
        LOCK_KEYS.sealAudit,
      ]);
      if (lock.rows[0]?.mine !== true) return 0;
      const { rows } = await client.query<{ count: number }>(SEAL, [START]);
      return rows[0]?.count ?? 0;
    });
    total += count;
    if (count < BATCH_EVENTS) return total;
    if (isPatient) await sleep(performance.now() - startMs);
    if (pool.ending) return total;
  }
}

interface SealRow {
  readonly seal_no: string;
  readonly follows: boolean | null;
  readonly event_count: string;
  readonly content: Buffer;
  readonly previous_hash: Buffer;
  readonly hash: Buffer;
  readonly found_count: string;
  readonly found_content: Buffer | null;
}

const PAGE = `
  SELECT s.seal_no, s.event_count, s.content, s.previous_hash, s.hash,
    (s.after_transaction, s.after_seq) = (p.last_transaction, p.last_seq) AS follows,
    found.count AS found_count, found.content AS found_content
  FROM concord.audit_seals s
  LEFT JOIN concord.audit_seals p ON p.tenant_id = s.tenant_id AND p.seal_no = s.seal_no - 1
  CROSS JOIN LATERAL (
    SELECT count(*) AS count, sha256(string_agg(digest, ''::bytea ORDER BY transaction_id, seq)) AS content
    FROM (
      SELECT e.transaction_id, e.seq, ${DIGEST} AS digest FROM ${DIGESTED}
      WHERE e.tenant_id = s.tenant_id AND (e.transaction_id, e.seq) > (s.after_transaction, s.after_seq)
        AND (e.transaction_id, e.seq) <= (s.last_transaction, s.last_seq)
      UNION ALL SELECT f.transaction_id, f.seq, f.digest FROM concord.forgotten_events f
      WHERE f.tenant_id = s.tenant_id AND (f.transaction_id, f.seq) > (s.after_transaction, s.after_seq)
        AND (f.transaction_id, f.seq) <= (s.last_transaction, s.last_seq)
    ) digests
  ) found
  WHERE s.tenant_id = $1 AND s.seal_no > $2 ORDER BY s.seal_no LIMIT ${PAGE_SEALS}`;

/** Recomputes the whole chain of one tenant. `known` is a head that somebody kept: it must still be in the chain. */
export async function verifyAudit(
  pool: Pool,
  tenantId: string,
  known: string | undefined,
): Promise<AuditReport> {
  await sealAudit(pool);
  const problems: string[] = [];
  let head: Buffer = START;
  let seals = 0;
  let events = 0;
  let isKnown = known === undefined;
  for (;;) {
    const { rows } = await pool.query<SealRow>(PAGE, [tenantId, seals]);
    for (const row of rows) {
      seals += 1;
      if (problems.length < PROBLEMS_MAX) problems.push(...problemsOf(row, seals, head));
      head = row.hash;
      events += Number(row.event_count);
      isKnown ||= head.toString("hex") === known;
    }
    if (rows.length < PAGE_SEALS) break;
  }
  problems.push(...(await redactionProblems(pool, tenantId)));
  problems.push(...(await forgettingProblems(pool, tenantId)));
  if (!isKnown) problems.push("the head that was kept is not in the chain: its end was cut off");
  const unsealed = await unsealedCount(pool, tenantId);
  const intact = problems.length === 0;
  return { intact, tenantId, seals, events, unsealed, head: head.toString("hex"), problems };
}

function problemsOf(row: SealRow, number: number, previous: Buffer): readonly string[] {
  const at = `seal ${row.seal_no}`;
  const count = Buffer.alloc(8);
  count.writeBigInt64BE(BigInt(row.event_count));
  const hash = createHash("sha256").update(previous).update(count).update(row.content).digest();
  const isContent = row.found_content?.equals(row.content) === true;
  return [
    ...(Number(row.seal_no) === number ? [] : [`${at}: a seal before it is missing`]),
    ...(row.follows === false ? [`${at}: it does not begin where the one before it ends`] : []),
    ...(row.found_count === row.event_count
      ? []
      : [`${at}: ${row.event_count} events were sealed, ${row.found_count} are there`]),
    ...(isContent || row.found_count !== row.event_count ? [] : [`${at}: an event was changed`]),
    ...(hash.equals(row.hash) && row.previous_hash.equals(previous)
      ? []
      : [`${at}: the seal itself was changed`]),
  ];
}

/** Events that are not what the record says became of them, and redactions that it does not know. */
const REDACTIONS = `
  SELECT e.event_id, bool_and(coalesce(r.before_digest = previous.after_digest, r.redaction_no = 1)) AS follows,
    (array_agg(r.after_digest ORDER BY r.redaction_no DESC))[1] = concord.text_digest(e) AS is_last,
    bool_and(EXISTS (SELECT 1 FROM concord.domain_events told
      WHERE told.tenant_id = e.tenant_id AND told.command_id IS NOT DISTINCT FROM e.command_id
        AND told.event_type = 'record_redacted' AND told.payload -> 'events' @> jsonb_build_array(jsonb_build_object(
          'event_id', 'evt_' || replace(e.event_id::text, '-', ''),
          'before', encode(r.before_digest, 'hex'), 'after', encode(r.after_digest, 'hex'))))) AS is_told
  FROM concord.event_redactions r JOIN concord.domain_events e USING (event_id)
  LEFT JOIN concord.event_redactions previous
    ON previous.event_id = r.event_id AND previous.redaction_no = r.redaction_no - 1
  WHERE e.tenant_id = $1 GROUP BY e.event_id ORDER BY e.event_id`;

interface RedactionRow {
  readonly event_id: string;
  readonly follows: boolean;
  readonly is_last: boolean;
  readonly is_told: boolean;
}

async function redactionProblems(pool: Pool, tenantId: string): Promise<readonly string[]> {
  const { rows } = await pool.query<RedactionRow>(REDACTIONS, [tenantId]);
  const problems = rows.flatMap(({ event_id: id, follows, is_last, is_told }) => [
    ...(is_last && follows ? [] : [`event ${id}: it was changed after something was taken out`]),
    ...(is_told
      ? []
      : [`event ${id}: something was taken out, and no event of the record says so`]),
  ]);
  return problems.slice(0, PROBLEMS_MAX);
}

/** Batches of forgotten events that no event of the record speaks of as they are. */
const FORGOTTEN = `
  WITH told AS MATERIALIZED (
    SELECT payload FROM concord.domain_events WHERE tenant_id = $1 AND event_type = 'record_forgotten'
  ) SELECT f.batch, f.count FROM (
    SELECT batch, count(*) AS count, encode(sha256(string_agg(digest, ''::bytea ORDER BY transaction_id, seq)), 'hex') AS content
    FROM concord.forgotten_events WHERE tenant_id = $1 GROUP BY batch
  ) f WHERE NOT EXISTS (SELECT 1 FROM told
    WHERE told.payload @> jsonb_build_object('batch', f.batch, 'count', f.count, 'content', f.content))
  ORDER BY f.batch`;

async function forgettingProblems(pool: Pool, tenantId: string): Promise<readonly string[]> {
  const { rows } = await pool.query<{ batch: string; count: string }>(FORGOTTEN, [tenantId]);
  return rows
    .map(({ batch, count }) => `${count} events were forgotten (${batch}), and no event says so`)
    .slice(0, PROBLEMS_MAX);
}

async function unsealedCount(pool: Pool, tenantId: string): Promise<number> {
  const { rows } = await pool.query<{ count: string }>(
    `SELECT count(*) FROM concord.domain_events e WHERE tenant_id = $1 AND (transaction_id, seq) > (
       SELECT last_transaction, last_seq FROM (
         SELECT last_transaction, last_seq, seal_no FROM concord.audit_seals WHERE tenant_id = $1
         UNION ALL SELECT '0'::xid8, 0, 0 ORDER BY seal_no DESC LIMIT 1) place)`,
    [tenantId],
  );
  return Number(rows[0]?.count ?? 0);
}
