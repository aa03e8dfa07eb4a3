-- Up Migration
-- A command that waits for a person has no run (docs/adr/0029). `parked_run` names the run that is started when the wait
-- is over; it says so only while it is also the command's run, since an older version may have started another.

ALTER TABLE concord.commands ADD COLUMN parked_run TEXT NULL;

-- What parked commands wait for besides people: the end of the time they were given.
CREATE INDEX approvals_escalating ON concord.approvals (escalates_at)
  WHERE status = 'pending' AND escalates_at IS NOT NULL AND escalated_at IS NULL;
CREATE INDEX input_requests_expiring ON concord.input_requests (expires_at) WHERE status = 'open';
