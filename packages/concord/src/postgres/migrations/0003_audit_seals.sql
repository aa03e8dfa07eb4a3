-- Up Migration
-- A chain of digests over each tenant's events. Seals are written behind the writers, over events that are
-- final in the order of the feed, so that no writer waits for another; see audit-chain.ts.

CREATE TABLE concord.audit_seals (
  tenant_id TEXT NOT NULL,
  seal_no BIGINT NOT NULL,
  after_transaction XID8 NOT NULL,
  after_seq BIGINT NOT NULL,
  last_transaction XID8 NOT NULL,
  last_seq BIGINT NOT NULL,
  event_count BIGINT NOT NULL,
  content BYTEA NOT NULL,
  previous_hash BYTEA NOT NULL,
  hash BYTEA NOT NULL,
  sealed_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, seal_no)
);
CREATE INDEX audit_seals_place ON concord.audit_seals (last_transaction DESC, last_seq DESC);
CREATE INDEX domain_events_tenant ON concord.domain_events (tenant_id, transaction_id, seq);
CREATE TRIGGER audit_seals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON concord.audit_seals
  FOR EACH STATEMENT EXECUTE FUNCTION concord.refuse_change();

-- Columns by name and position: a later column changes no digest. JSONB has one text per value; times are microseconds.
CREATE FUNCTION concord.event_digest(event concord.domain_events) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(convert_to(jsonb_build_array(
    event.event_id, event.seq, event.transaction_id::text, event.tenant_id, event.command_id, event.root_command_id,
    event.parent_command_id, event.task_name, event.purpose, event.event_type, event.payload, event.actor,
    event.trace_id, event.target_type, event.target_id, event.step_index, event.tool_name, event.latency_ms,
    event.token_usage, event.cost_units, (extract(epoch FROM event.created_at) * 1000000)::bigint)::text, 'UTF8'))
$$;

CREATE OR REPLACE FUNCTION concord.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'concord.% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
