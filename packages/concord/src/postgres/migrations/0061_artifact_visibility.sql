-- Up Migration
-- Who may read an artifact (spec §24, §107), fixed when it is written: a type that opens up later opens nothing older.

ALTER TABLE concord.artifacts
  ADD COLUMN visibility TEXT NOT NULL DEFAULT 'tenant'
    CONSTRAINT artifacts_visibility CHECK (visibility IN ('tenant', 'requester'));
