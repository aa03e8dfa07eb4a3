-- Up Migration
-- Webhooks that leave: who wants to hear of which events, how far into the feed each endpoint has been served, and
-- what became of every delivery. A delivery is carried by a run of the durable runtime; nothing works from these rows.

CREATE TABLE concord.webhook_endpoints (
  endpoint_id UUID PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  -- the act that made it: what is told about the endpoint later hangs on it
  command_id UUID NOT NULL REFERENCES concord.commands,
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  -- names of events, or a beginning with *; none stands for all
  event_types JSONB NOT NULL,
  secret_ref TEXT NOT NULL,
  previous_secret_ref TEXT NULL,
  previous_until TIMESTAMPTZ NULL,
  status TEXT NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled','disabled','deleted')),
  disabled_reason TEXT NULL,
  -- deliveries in a row that were given up
  failures INT NOT NULL DEFAULT 0,
  after_transaction XID8 NOT NULL,
  after_seq BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  CHECK ((previous_secret_ref IS NULL) = (previous_until IS NULL)),
  CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL))
);
CREATE INDEX webhook_endpoints_listing ON concord.webhook_endpoints (tenant_id, created_at DESC, endpoint_id DESC);
CREATE INDEX webhook_endpoints_enabled ON concord.webhook_endpoints (endpoint_id) WHERE status = 'enabled';

CREATE TABLE concord.webhook_deliveries (
  delivery_id UUID PRIMARY KEY,
  endpoint_id UUID NOT NULL REFERENCES concord.webhook_endpoints,
  tenant_id TEXT NOT NULL,
  event_id UUID NOT NULL,
  event_type TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending','delivered','failed','held')),
  -- each time it is started: by the feed, by a person, after its endpoint was enabled again
  round INT NOT NULL DEFAULT 1,
  attempts INT NOT NULL DEFAULT 0,
  response_code INT NULL,
  error TEXT NULL,
  log JSONB NOT NULL DEFAULT '[]',
  next_attempt_at TIMESTAMPTZ NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  completed_at TIMESTAMPTZ NULL,
  UNIQUE (endpoint_id, event_id)
);
CREATE INDEX webhook_deliveries_listing ON concord.webhook_deliveries (tenant_id, created_at DESC, delivery_id DESC);
CREATE INDEX webhook_deliveries_open ON concord.webhook_deliveries (endpoint_id, status) WHERE status IN ('pending','held');
CREATE INDEX webhook_deliveries_ended ON concord.webhook_deliveries (completed_at) WHERE completed_at IS NOT NULL;

DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'concord_app') THEN
    GRANT SELECT, INSERT, UPDATE ON concord.webhook_endpoints TO concord_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON concord.webhook_deliveries TO concord_app;
  END IF;
END $$;
