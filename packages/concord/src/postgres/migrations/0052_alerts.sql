-- Up Migration
-- What the figures behind alerts look for. Calls are many and come in order: a range of blocks is enough for them.

CREATE INDEX commands_queued ON concord.commands (updated_at) WHERE status = 'queued';
CREATE INDEX commands_failed ON concord.commands (completed_at) WHERE status = 'failed';
CREATE INDEX approvals_expired ON concord.approvals (decided_at) WHERE status = 'expired';
CREATE INDEX policy_decisions_denied ON concord.policy_decisions (created_at)
  WHERE decision = 'deny' AND mode = 'enforce';
CREATE INDEX connector_invocations_time ON concord.connector_invocations USING brin (created_at);
