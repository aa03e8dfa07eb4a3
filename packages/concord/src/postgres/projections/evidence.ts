/** Owns reading everything that is on record about one command and those below it, of one moment. */
import type { Pool, PoolClient } from "pg";
import type { CommandId } from "../../core/ids.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Evidence, EvidenceEvent, EvidenceSeal } from "../../evidence/bundle.ts";
import { sealAudit } from "../audit-chain.ts";

export type EvidenceRows = Pick<
  Evidence,
  | "commands"
  | "policy_decisions"
  | "approvals"
  | "effects"
  | "invocations"
  | "artifacts"
  | "events"
  | "forgotten"
  | "seals"
>;

/** Whoever needs more reads the feed. */
const COMMANDS_MAX = 1_000;
const EVENTS_MAX = 50_000;

const FAMILY = `
  WITH RECURSIVE family AS (
    SELECT command_id, 0 AS depth FROM concord.commands WHERE command_id = $1
    UNION ALL
    SELECT child.command_id, depth + 1 FROM concord.commands child
    JOIN family ON child.parent_command_id = family.command_id
  ) SELECT command_id FROM family ORDER BY depth, command_id LIMIT ${COMMANDS_MAX}`;

/** Seals what is final first, so that as little as possible is held by the file's digest alone. */
export async function readEvidence(pool: Pool, commandId: CommandId): Promise<EvidenceRows> {
  await sealAudit(pool);
  const client = await pool.connect();
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const rows = await readRows(client, commandId);
    await client.query("COMMIT");
    client.release();
    return rows;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

async function readRows(client: PoolClient, commandId: CommandId): Promise<EvidenceRows> {
  const family = await client.query<{ command_id: string }>(FAMILY, [commandId]);
  const ids = family.rows.map((row) => row.command_id);
  const table = async (name: string, order: string): Promise<readonly JsonObject[]> => {
    const { rows } = await client.query<{ row: JsonObject }>(
      `SELECT to_jsonb(t) AS row FROM concord.${name} t WHERE command_id = ANY($1) ORDER BY ${order}`,
      [ids],
    );
    return rows.map(({ row }) => row);
  };
  const commands = await table("commands", "array_position($1, t.command_id), t.command_id");
  const tenantId = String(commands[0]?.["tenant_id"] ?? "");
  const events = await readEvents(client, tenantId, ids);
  return {
    commands,
    policy_decisions: await table("policy_decisions", "created_at, policy_decision_id"),
    approvals: await table("approvals", "created_at, approval_id"),
    effects: await table("domain_effects", "command_id, ordinal"),
    invocations: await table("connector_invocations", "created_at, connector_invocation_id"),
    artifacts: await table("artifacts", "created_at, artifact_id"),
    events,
    forgotten: await readForgotten(client, ids),
    seals: await readSeals(client, tenantId, events),
  };
}

async function readForgotten(
  client: PoolClient,
  ids: readonly string[],
): Promise<NonNullable<Evidence["forgotten"]>> {
  const { rows } = await client.query<{ command_id: string; count: number }>(
    `SELECT command_id, count(*)::int AS count FROM concord.forgotten_events
     WHERE command_id = ANY($1) GROUP BY command_id ORDER BY command_id`,
    [ids],
  );
  return rows.map(({ command_id, count }) => ({ command_id, events: count }));
}

async function readEvents(
  client: PoolClient,
  tenantId: string,
  ids: readonly string[],
): Promise<readonly EvidenceEvent[]> {
  const { rows } = await client.query<{ text: string; seal_no: string | null }>(
    `SELECT concord.event_text(e) AS text, s.seal_no
     FROM concord.domain_events e LEFT JOIN concord.audit_seals s ON s.tenant_id = e.tenant_id
       AND (e.transaction_id, e.seq) > (s.after_transaction, s.after_seq)
       AND (e.transaction_id, e.seq) <= (s.last_transaction, s.last_seq)
     WHERE e.tenant_id = $1 AND e.command_id = ANY($2) ORDER BY e.transaction_id, e.seq LIMIT ${EVENTS_MAX}`,
    [tenantId, ids],
  );
  return rows.map(({ text, seal_no }) => ({
    text,
    seal_no: seal_no === null ? null : Number(seal_no),
  }));
}

interface SealRow {
  readonly seal_no: string;
  readonly event_count: string;
  readonly content: string;
  readonly previous_hash: string;
  readonly hash: string;
  readonly digests: readonly string[] | null;
}

async function readSeals(
  client: PoolClient,
  tenantId: string,
  events: readonly EvidenceEvent[],
): Promise<readonly EvidenceSeal[]> {
  const touched = [
    ...new Set(events.flatMap(({ seal_no }) => (seal_no === null ? [] : [seal_no]))),
  ];
  if (touched.length === 0) return [];
  const { rows } = await client.query<SealRow>(
    `SELECT s.seal_no, s.event_count, encode(s.content, 'hex') AS content,
       encode(s.previous_hash, 'hex') AS previous_hash, encode(s.hash, 'hex') AS hash,
       CASE WHEN s.seal_no = ANY($2) THEN (
         SELECT array_agg(encode(digest, 'hex') ORDER BY transaction_id, seq) FROM (
           SELECT e.transaction_id, e.seq, concord.event_digest(e) AS digest FROM concord.domain_events e
           WHERE e.tenant_id = s.tenant_id AND (e.transaction_id, e.seq) > (s.after_transaction, s.after_seq)
             AND (e.transaction_id, e.seq) <= (s.last_transaction, s.last_seq)
           UNION ALL SELECT f.transaction_id, f.seq, f.digest FROM concord.forgotten_events f
           WHERE f.tenant_id = s.tenant_id AND (f.transaction_id, f.seq) > (s.after_transaction, s.after_seq)
             AND (f.transaction_id, f.seq) <= (s.last_transaction, s.last_seq)) all_digests) END AS digests
     FROM concord.audit_seals s WHERE s.tenant_id = $1 AND s.seal_no >= $3 ORDER BY s.seal_no`,
    [tenantId, touched, Math.min(...touched)],
  );
  return rows.map((row) => ({
    seal_no: Number(row.seal_no),
    event_count: Number(row.event_count),
    content: row.content,
    previous_hash: row.previous_hash,
    hash: row.hash,
    event_digests: row.digests,
  }));
}
