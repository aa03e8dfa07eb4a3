-- Up Migration
-- Taking something out of the record on request. The chain goes on over the digest an event had when it was written;
-- what stands there now has a digest of its own, and an event `record_redacted` names both. So the record shows where
-- something was taken out, by whom and why, and any other change of an event is still noticed.

CREATE TABLE concord.event_redactions (
  event_id UUID NOT NULL,
  redaction_no INT NOT NULL,
  before_digest BYTEA NOT NULL,
  after_digest BYTEA NOT NULL,
  written_in XID8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (event_id, redaction_no)
);
CREATE TRIGGER event_redactions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON concord.event_redactions
  FOR EACH STATEMENT EXECUTE FUNCTION concord.refuse_change();

CREATE FUNCTION concord.text_digest(event concord.domain_events) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(convert_to(concord.event_text(event), 'UTF8'))
$$;

-- The digest that the chain knows: the one from before anything was taken out.
CREATE OR REPLACE FUNCTION concord.event_digest(event concord.domain_events) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    (SELECT r.before_digest FROM concord.event_redactions r WHERE r.event_id = event.event_id AND r.redaction_no = 1),
    concord.text_digest(event))
$$;

-- Nobody changes an event, the owner of the table neither, but for a payload whose change the same transaction has
-- already put on record.
CREATE FUNCTION concord.allow_redaction_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF to_jsonb(NEW) - 'payload' = to_jsonb(OLD) - 'payload' AND EXISTS (
    SELECT 1 FROM concord.event_redactions r WHERE r.event_id = OLD.event_id
      AND r.before_digest = concord.text_digest(OLD) AND r.after_digest = concord.text_digest(NEW)
      AND r.written_in = pg_current_xact_id()) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'concord.domain_events is append-only: UPDATE is refused' USING ERRCODE = 'insufficient_privilege';
END $$;
DROP TRIGGER domain_events_append_only ON concord.domain_events;
CREATE TRIGGER domain_events_append_only BEFORE DELETE OR TRUNCATE ON concord.domain_events
  FOR EACH STATEMENT EXECUTE FUNCTION concord.refuse_change();
CREATE TRIGGER domain_events_redaction_only BEFORE UPDATE ON concord.domain_events
  FOR EACH ROW EXECUTE FUNCTION concord.allow_redaction_only();

-- The one way, also for a server that may not change the record (concord_app).
CREATE FUNCTION concord.redact_event(id UUID, redacted JSONB, OUT before_digest BYTEA, OUT after_digest BYTEA)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  old_event concord.domain_events;
  new_event concord.domain_events;
BEGIN
  SELECT * INTO STRICT old_event FROM concord.domain_events e WHERE e.event_id = id FOR UPDATE;
  new_event := old_event;
  new_event.payload := redacted;
  before_digest := concord.text_digest(old_event);
  after_digest := concord.text_digest(new_event);
  INSERT INTO concord.event_redactions (event_id, redaction_no, before_digest, after_digest)
    SELECT id, count(*) + 1, redact_event.before_digest, redact_event.after_digest
    FROM concord.event_redactions r WHERE r.event_id = id;
  UPDATE concord.domain_events e SET payload = redacted WHERE e.event_id = id;
END $$;
REVOKE EXECUTE ON FUNCTION concord.redact_event FROM PUBLIC;

DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'concord_app') THEN
    GRANT SELECT ON concord.event_redactions TO concord_app;
    REVOKE INSERT, UPDATE ON concord.event_redactions FROM concord_app;
    GRANT EXECUTE ON FUNCTION concord.redact_event TO concord_app;
  END IF;
END $$;
