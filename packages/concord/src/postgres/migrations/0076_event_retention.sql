-- Up Migration
-- Forgetting events whose time is over. What they said is gone; their digests stay where they stood, so the chain goes on
-- over them, and an event `record_forgotten` says how many there were, when, and by which rule. Any other event that is
-- missing is still noticed. What says that something was taken out of the record, or forgotten, is kept.

CREATE TABLE concord.forgotten_events (
  event_id UUID PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  command_id UUID NULL,
  transaction_id XID8 NOT NULL,
  seq BIGINT NOT NULL,
  digest BYTEA NOT NULL,
  batch UUID NOT NULL,
  written_in XID8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX forgotten_events_place ON concord.forgotten_events (tenant_id, transaction_id, seq);
CREATE INDEX forgotten_events_command ON concord.forgotten_events (command_id) WHERE command_id IS NOT NULL;
CREATE INDEX forgotten_events_batch ON concord.forgotten_events (batch);
CREATE TRIGGER forgotten_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON concord.forgotten_events
  FOR EACH STATEMENT EXECUTE FUNCTION concord.refuse_change();

-- Nobody removes an event, the owner of the table neither, but one whose digest the same transaction has kept.
CREATE FUNCTION concord.allow_forgetting_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM concord.forgotten_events f WHERE f.event_id = OLD.event_id
      AND f.digest = concord.event_digest(OLD) AND f.written_in = pg_current_xact_id()) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'concord.domain_events is append-only: DELETE is refused' USING ERRCODE = 'insufficient_privilege';
END $$;
DROP TRIGGER domain_events_append_only ON concord.domain_events;
CREATE TRIGGER domain_events_append_only BEFORE TRUNCATE ON concord.domain_events
  FOR EACH STATEMENT EXECUTE FUNCTION concord.refuse_change();
CREATE TRIGGER domain_events_forgetting_only BEFORE DELETE ON concord.domain_events
  FOR EACH ROW EXECUTE FUNCTION concord.allow_forgetting_only();

-- The one way, also for a server that may not change the record (concord_app). Only what is sealed is forgotten.
CREATE FUNCTION concord.forget_events(ids UUID[], batch UUID, OUT forgotten BIGINT, OUT content BYTEA)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  WITH gone AS (
    INSERT INTO concord.forgotten_events (event_id, tenant_id, command_id, transaction_id, seq, digest, batch)
      SELECT e.event_id, e.tenant_id, e.command_id, e.transaction_id, e.seq, concord.event_digest(e), forget_events.batch
      FROM concord.domain_events e
      WHERE e.event_id = ANY (ids) AND e.event_type NOT IN ('record_redacted', 'record_forgotten')
        AND EXISTS (SELECT 1 FROM concord.audit_seals s WHERE s.tenant_id = e.tenant_id
          AND (e.transaction_id, e.seq) <= (s.last_transaction, s.last_seq))
      RETURNING transaction_id, seq, digest
  ) SELECT count(*), sha256(string_agg(digest, ''::bytea ORDER BY transaction_id, seq)) INTO forgotten, content FROM gone;
  DELETE FROM concord.domain_events e USING concord.forgotten_events f
    WHERE f.batch = forget_events.batch AND e.event_id = f.event_id;
END $$;
REVOKE EXECUTE ON FUNCTION concord.forget_events FROM PUBLIC;

DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'concord_app') THEN
    GRANT SELECT ON concord.forgotten_events TO concord_app;
    REVOKE INSERT, UPDATE ON concord.forgotten_events FROM concord_app;
    GRANT EXECUTE ON FUNCTION concord.forget_events TO concord_app;
  END IF;
END $$;
