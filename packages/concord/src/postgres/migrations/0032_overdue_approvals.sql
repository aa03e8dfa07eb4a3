-- Up Migration
-- What the schedule that closes overdue approvals looks for (APR-14).

CREATE INDEX approvals_pending ON concord.approvals (expires_at) WHERE status = 'pending';
