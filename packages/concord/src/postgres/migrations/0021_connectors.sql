-- Up Migration
-- What a vendor asked for ("not before"), and the application's own inbox (spec §4.9): one message for each key.

ALTER TABLE concord.connector_invocations ADD COLUMN retry_after_ms INT NULL;

CREATE TABLE concord.notifications (
  notification_id UUID PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  command_id UUID NOT NULL REFERENCES concord.commands,
  delivery_key TEXT NOT NULL,
  recipient_kind TEXT NOT NULL CHECK (recipient_kind IN ('user','group')),
  recipient TEXT NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  read_at TIMESTAMPTZ NULL,
  UNIQUE (tenant_id, delivery_key)
);
CREATE INDEX notifications_listing
  ON concord.notifications (tenant_id, recipient_kind, recipient, created_at DESC, notification_id DESC);

DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'concord_app') THEN
    GRANT SELECT, INSERT, UPDATE ON concord.notifications TO concord_app;
  END IF;
END $$;
