-- Up Migration
-- An index is written for each row of every command, so it holds what somebody looks for by it and no more. Most events are
-- audit, most effects planned or done; and while the time of the last change was in an index, none of a command's
-- changes could be written without writing all its indexes.

DROP INDEX concord.domain_events_purpose;
CREATE INDEX domain_events_purpose ON concord.domain_events (purpose) WHERE purpose <> 'audit';

DROP INDEX concord.domain_effects_status;
CREATE INDEX domain_effects_status ON concord.domain_effects USING btree (status) WHERE status IN ('executing', 'failed');

DROP INDEX concord.commands_queued;
CREATE INDEX commands_queued ON concord.commands (command_id) WHERE status = 'queued';

-- A change that touches no index stays on its page, if there is room.
ALTER TABLE concord.commands SET (fillfactor = 85);

-- What waits for people, newest first, however much else a tenant has decided before.
CREATE INDEX approvals_waiting ON concord.approvals (tenant_id, created_at DESC, approval_id DESC)
  WHERE status = 'pending';
