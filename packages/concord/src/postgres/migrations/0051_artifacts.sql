-- Up Migration
-- Versions of artifacts, bodies that lie elsewhere, and who read what: the lineage of a result (spec §24).

ALTER TABLE concord.artifacts
  ADD COLUMN location TEXT NULL,
  ADD COLUMN parent_artifact_id UUID NULL REFERENCES concord.artifacts,
  ADD CONSTRAINT artifacts_status CHECK (status IN ('draft','created','validated','published','archived','deleted',
    'failed')),
  ADD CONSTRAINT artifacts_version CHECK ((version = 1) = (parent_artifact_id IS NULL));
-- One next version, so that nobody overwrites what somebody else has changed meanwhile.
CREATE UNIQUE INDEX artifacts_parent ON concord.artifacts (parent_artifact_id) WHERE parent_artifact_id IS NOT NULL;
CREATE INDEX artifacts_age ON concord.artifacts (artifact_type, created_at)
  WHERE status IN ('created','validated','published');

CREATE TABLE concord.artifact_reads (
  command_id UUID NOT NULL REFERENCES concord.commands,
  artifact_id UUID NOT NULL REFERENCES concord.artifacts,
  PRIMARY KEY (command_id, artifact_id)
);
CREATE INDEX artifact_reads_artifact ON concord.artifact_reads (artifact_id);

DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'concord_app') THEN
    GRANT SELECT, INSERT ON concord.artifact_reads TO concord_app;
    REVOKE UPDATE ON concord.artifact_reads FROM concord_app;
  END IF;
END $$;
