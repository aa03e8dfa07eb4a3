-- Up Migration
-- Concord's own tables, in schema concord. Status words are checked here as well as in core/vocabulary.ts.

CREATE TABLE concord.commands (
  command_id UUID PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  command_type TEXT NOT NULL,
  task_name TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('created','validated','waiting_for_input','waiting_for_approval',
    'approved','queued','running','blocked','succeeded','failed','cancelled','expired','compensating',
    'compensated','cancelling')),
  requested_by TEXT NOT NULL,
  ingress TEXT NOT NULL,
  payload JSONB NOT NULL DEFAULT '{}',
  context JSONB NOT NULL DEFAULT '{}',
  facts JSONB NOT NULL DEFAULT '{}',
  plan JSONB NULL,
  step_results JSONB NOT NULL DEFAULT '{}',
  request_hash TEXT NOT NULL,
  idempotency_key TEXT NULL,
  parent_command_id UUID NULL REFERENCES concord.commands,
  root_command_id UUID NOT NULL,
  trace_id TEXT NOT NULL,
  dbos_workflow_id TEXT NULL UNIQUE,
  cancellation_mode TEXT NOT NULL DEFAULT 'graceful' CHECK (cancellation_mode IN ('graceful','compensate_then_stop')),
  cancellation_requested_at TIMESTAMPTZ NULL,
  cancellation_requested_by TEXT NULL,
  cancellation_reason TEXT NULL,
  result JSONB NULL,
  error TEXT NULL,
  error_class TEXT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  completed_at TIMESTAMPTZ NULL,
  CHECK (status <> 'failed' OR error_class IS NOT NULL)
);
CREATE UNIQUE INDEX commands_idempotency ON concord.commands (tenant_id, command_type, idempotency_key);
CREATE INDEX commands_listing ON concord.commands (tenant_id, created_at DESC, command_id DESC);
CREATE INDEX commands_root ON concord.commands (root_command_id);
CREATE INDEX commands_parent ON concord.commands (parent_command_id) WHERE parent_command_id IS NOT NULL;
CREATE INDEX commands_open ON concord.commands (command_id)
  WHERE status NOT IN ('succeeded','failed','cancelled','expired','compensated');

CREATE TABLE concord.policy_decisions (
  policy_decision_id UUID PRIMARY KEY,
  command_id UUID NOT NULL REFERENCES concord.commands,
  policy TEXT NOT NULL,
  policy_version TEXT NOT NULL,
  decision TEXT NOT NULL,
  reasons JSONB NOT NULL,
  inputs_hash TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX policy_decisions_command ON concord.policy_decisions (command_id);

CREATE TABLE concord.domain_effects (
  domain_effect_id UUID PRIMARY KEY,
  command_id UUID NOT NULL REFERENCES concord.commands,
  tenant_id TEXT NOT NULL,
  step_id TEXT NOT NULL,
  ordinal INT NOT NULL,
  effect_type TEXT NOT NULL,
  effect_payload JSONB NOT NULL DEFAULT '{}',
  idempotency_key TEXT NULL,
  status TEXT NOT NULL DEFAULT 'planned' CHECK (status IN ('planned','executing','succeeded','failed')),
  attempts INT NOT NULL DEFAULT 0,
  executed_by_dbos_workflow_id TEXT NULL,
  result JSONB NULL,
  error TEXT NULL,
  error_class TEXT NULL,
  satisfied_by_effect_id UUID NULL REFERENCES concord.domain_effects,
  compensates_effect_id UUID NULL REFERENCES concord.domain_effects,
  declared_compensation TEXT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  completed_at TIMESTAMPTZ NULL,
  UNIQUE (command_id, ordinal),
  UNIQUE (command_id, step_id)
);
CREATE INDEX domain_effects_status ON concord.domain_effects (status);
CREATE UNIQUE INDEX domain_effects_once ON concord.domain_effects (tenant_id, effect_type, idempotency_key)
  WHERE status = 'succeeded' AND idempotency_key IS NOT NULL;

CREATE TABLE concord.approvals (
  approval_id UUID PRIMARY KEY,
  command_id UUID NOT NULL REFERENCES concord.commands,
  root_command_id UUID NOT NULL,
  tenant_id TEXT NOT NULL,
  approval_type TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending','approved','rejected','expired','cancelled')),
  approver_kind TEXT NOT NULL CHECK (approver_kind IN ('user','group')),
  approver TEXT NOT NULL,
  requested_by TEXT NOT NULL,
  review_packet JSONB NOT NULL,
  bound_hash TEXT NOT NULL,
  risk_level TEXT NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  decided_at TIMESTAMPTZ NULL,
  decided_by TEXT NULL,
  decision TEXT NULL,
  decision_reason TEXT NULL
);
CREATE INDEX approvals_command ON concord.approvals (command_id);
CREATE INDEX approvals_listing ON concord.approvals (tenant_id, created_at DESC, approval_id DESC);

CREATE TABLE concord.artifacts (
  artifact_id UUID PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  command_id UUID NOT NULL REFERENCES concord.commands,
  step_id TEXT NOT NULL,
  artifact_type TEXT NOT NULL,
  version INT NOT NULL DEFAULT 1,
  title TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'created',
  content JSONB NOT NULL,
  checksum TEXT NOT NULL,
  lineage JSONB NOT NULL DEFAULT '{}',
  metadata JSONB NOT NULL DEFAULT '{}',
  creator TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  UNIQUE (command_id, step_id)
);

CREATE TABLE concord.connector_invocations (
  connector_invocation_id UUID PRIMARY KEY,
  command_id UUID NOT NULL REFERENCES concord.commands,
  domain_effect_id UUID NULL REFERENCES concord.domain_effects,
  step_id TEXT NOT NULL,
  attempt INT NOT NULL,
  runtime_step_id TEXT NULL,
  connector_name TEXT NOT NULL,
  operation TEXT NOT NULL,
  side_effect BOOLEAN NOT NULL DEFAULT false,
  idempotency_key TEXT NULL,
  status TEXT NOT NULL CHECK (status IN ('started','succeeded','failed')),
  input_hash TEXT NOT NULL,
  request_payload JSONB NOT NULL DEFAULT '{}',
  response_payload JSONB NULL,
  output_summary TEXT NULL,
  error TEXT NULL,
  error_class TEXT NULL,
  latency_ms INT NULL,
  trace_id TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  completed_at TIMESTAMPTZ NULL,
  UNIQUE (command_id, step_id, attempt)
);

CREATE TABLE concord.agent_moves (
  command_id UUID NOT NULL REFERENCES concord.commands,
  step_index INT NOT NULL,
  move JSONB NOT NULL,
  usage JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (command_id, step_index)
);

CREATE TABLE concord.agent_calls (
  command_id UUID NOT NULL REFERENCES concord.commands,
  step_index INT NOT NULL,
  ordinal INT NOT NULL,
  call_id TEXT NOT NULL,
  tool_name TEXT NOT NULL,
  child_command_id UUID NULL REFERENCES concord.commands,
  refusal JSONB NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (command_id, call_id),
  CHECK ((child_command_id IS NULL) <> (refusal IS NULL))
);

-- One append-only table for audit, product events and agent steps (spec §9). Readers order by
-- (transaction_id, seq) and read only transactions older than every open one: see event-feed.ts.
CREATE TABLE concord.domain_events (
  event_id UUID PRIMARY KEY,
  seq BIGSERIAL NOT NULL,
  transaction_id XID8 NOT NULL DEFAULT pg_current_xact_id(),
  tenant_id TEXT NOT NULL,
  command_id UUID NULL REFERENCES concord.commands,
  root_command_id UUID NULL,
  parent_command_id UUID NULL,
  task_name TEXT NULL,
  purpose TEXT NOT NULL CHECK (purpose IN ('event','audit','agent_step')),
  event_type TEXT NOT NULL,
  payload JSONB NOT NULL DEFAULT '{}',
  actor TEXT NOT NULL,
  trace_id TEXT NOT NULL,
  target_type TEXT NULL,
  target_id TEXT NULL,
  step_index INT NULL,
  tool_name TEXT NULL,
  latency_ms INT NULL,
  token_usage JSONB NULL,
  cost_units NUMERIC NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  CHECK (purpose = 'agent_step' OR (step_index IS NULL AND tool_name IS NULL AND token_usage IS NULL))
);
CREATE INDEX domain_events_feed ON concord.domain_events (transaction_id, seq);
CREATE INDEX domain_events_command ON concord.domain_events (command_id);
CREATE INDEX domain_events_root ON concord.domain_events (root_command_id, transaction_id, seq);
CREATE INDEX domain_events_purpose ON concord.domain_events (purpose);

CREATE FUNCTION concord.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'concord.domain_events is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER domain_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON concord.domain_events
  FOR EACH STATEMENT EXECUTE FUNCTION concord.refuse_change();

CREATE FUNCTION concord.announce_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('concord_events', '');
  RETURN NULL;
END $$;
CREATE TRIGGER domain_events_announce AFTER INSERT ON concord.domain_events
  FOR EACH STATEMENT EXECUTE FUNCTION concord.announce_events();

