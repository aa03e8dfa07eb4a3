-- Up Migration
-- Keys that tasks derive (EX-9), and counting a requester's recent commands for rate limits (POL-16).

ALTER TABLE concord.commands ADD COLUMN derived_key TEXT NULL;
CREATE INDEX commands_derived_key ON concord.commands (tenant_id, command_type, derived_key, created_at DESC)
  WHERE derived_key IS NOT NULL;
CREATE INDEX commands_requester ON concord.commands (tenant_id, requested_by, command_type, created_at);
CREATE INDEX agent_calls_child ON concord.agent_calls (child_command_id) WHERE child_command_id IS NOT NULL;
