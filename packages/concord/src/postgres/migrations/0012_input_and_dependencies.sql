-- Up Migration
-- What a command waits for before it works: an answer of its requester, and other commands.

CREATE TABLE concord.input_requests (
  input_request_id UUID PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  command_id UUID NOT NULL REFERENCES concord.commands,
  question TEXT NOT NULL,
  asked_by TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open','answered','expired','cancelled')),
  expires_at TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  closed_at TIMESTAMPTZ NULL,
  answered_by TEXT NULL
);
CREATE UNIQUE INDEX input_requests_open ON concord.input_requests (command_id) WHERE status = 'open';

CREATE TABLE concord.command_dependencies (
  child_command_id UUID NOT NULL REFERENCES concord.commands,
  parent_command_id UUID NOT NULL REFERENCES concord.commands,
  tenant_id TEXT NOT NULL,
  required_status TEXT NOT NULL DEFAULT 'succeeded'
    CHECK (required_status IN ('succeeded','failed','cancelled','expired','compensated')),
  propagate_cancellation BOOLEAN NOT NULL DEFAULT true,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (child_command_id, parent_command_id),
  CHECK (child_command_id <> parent_command_id)
);
CREATE INDEX idx_command_deps_parent ON concord.command_dependencies (parent_command_id);
-- Most commands depend on nothing: they are spared the look.
ALTER TABLE concord.commands ADD COLUMN has_dependencies BOOLEAN NOT NULL DEFAULT false;
