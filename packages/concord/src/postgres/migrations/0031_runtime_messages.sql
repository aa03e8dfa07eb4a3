-- Up Migration
-- Messages to a durable runtime that cannot take part in a Postgres transaction (Restate): written with the rows
-- they belong to, passed on and deleted by the adapter's relay. DBOS takes its messages in the same commit and
-- never uses this table. It is not a queue of work: nothing runs from here.

CREATE TABLE concord.runtime_messages (
  message_no BIGSERIAL PRIMARY KEY,
  workflow_id TEXT NOT NULL,
  message JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE FUNCTION concord.announce_runtime_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('concord_runtime_messages', '');
  RETURN NULL;
END $$;
CREATE TRIGGER runtime_messages_announce AFTER INSERT ON concord.runtime_messages
  FOR EACH STATEMENT EXECUTE FUNCTION concord.announce_runtime_messages();

DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'concord_app') THEN
    GRANT SELECT, INSERT, DELETE ON concord.runtime_messages TO concord_app;
    GRANT USAGE ON SEQUENCE concord.runtime_messages_message_no_seq TO concord_app;
  END IF;
END $$;
