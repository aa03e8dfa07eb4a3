-- Up Migration
-- Decisions of several people: a quorum with its votes, who decides in whose place, and whom it goes to when
-- nobody does. Votes and delegations are also events; here they are what the next decision is judged by.

ALTER TABLE concord.approvals
  ADD COLUMN quorum INT NOT NULL DEFAULT 1 CHECK (quorum >= 1),
  ADD COLUMN votes JSONB NOT NULL DEFAULT '[]',
  ADD COLUMN delegations JSONB NOT NULL DEFAULT '[]',
  ADD COLUMN escalates_at TIMESTAMPTZ NULL,
  ADD COLUMN escalate_to_kind TEXT NULL CHECK (escalate_to_kind IN ('user','group')),
  ADD COLUMN escalate_to TEXT NULL,
  ADD COLUMN escalated_at TIMESTAMPTZ NULL,
  ADD CHECK ((escalates_at IS NULL) = (escalate_to IS NULL));
