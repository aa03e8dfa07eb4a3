-- Up Migration
-- What was judged, each time a command was (POL-8): with the command's payload and facts it is all that a policy
-- saw, so that a changed policy can be replayed over it. Rows are added, never changed.

CREATE TABLE concord.policy_inputs (
  policy_input_id UUID PRIMARY KEY,
  command_id UUID NOT NULL REFERENCES concord.commands,
  -- risk, connectors, data touched, side effects: what the catalog said at that moment
  circumstances JSONB NOT NULL,
  inputs_hash TEXT NOT NULL,
  masked BOOLEAN NOT NULL DEFAULT false,
  created_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX policy_inputs_command ON concord.policy_inputs (command_id, created_at DESC);

ALTER TABLE concord.policy_decisions
  ADD COLUMN policy_input_id UUID NULL REFERENCES concord.policy_inputs,
  ADD COLUMN mode TEXT NOT NULL DEFAULT 'enforce' CHECK (mode IN ('enforce','shadow')),
  ADD COLUMN required_approvals JSONB NOT NULL DEFAULT '[]',
  ADD COLUMN redactions JSONB NOT NULL DEFAULT '[]';
CREATE INDEX policy_decisions_input ON concord.policy_decisions (policy_input_id);

DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'concord_app') THEN
    GRANT SELECT, INSERT ON concord.policy_inputs TO concord_app;
    REVOKE UPDATE ON concord.policy_inputs FROM concord_app;
  END IF;
END $$;
