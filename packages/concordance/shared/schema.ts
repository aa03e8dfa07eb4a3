/**
 * Owns the tables of both databases of a member, and their format numbers. A change here alters what is
 * on disk: raise the format number and keep a reader for the old one.
 */

export const RAFT_FORMAT = 2;
export const STATE_FORMAT = 3;

/** `raft.db`: the durable log, synced on every commit. */
export const RAFT_DDL = `
CREATE TABLE IF NOT EXISTS member (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  format INTEGER NOT NULL,
  cluster_id TEXT NOT NULL,
  node_id TEXT NOT NULL,
  incarnation TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS base (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  idx INTEGER NOT NULL,
  term INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  membership TEXT NOT NULL,
  installing TEXT,
  checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS hard_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  term INTEGER NOT NULL,
  voted_for TEXT,
  commit_index INTEGER NOT NULL,
  checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS entries (
  idx INTEGER PRIMARY KEY,
  term INTEGER NOT NULL,
  kind TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  payload TEXT NOT NULL,
  checksum INTEGER NOT NULL
) STRICT;`;

/** Format 1 had one table less: its only member was its only voter, and nothing was ever compacted. */
export const RAFT_FROM_1_DDL = `
ALTER TABLE member ADD COLUMN incarnation TEXT NOT NULL DEFAULT 'founder';
ALTER TABLE member DROP COLUMN voters;`;

/** `state.db`: what the applied entries amount to. Rebuildable while the log is whole;
 * once the log is compacted it is the only copy here, and was synced before the log was cut. */
export const STATE_DDL = `
CREATE TABLE IF NOT EXISTS applied (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  format INTEGER NOT NULL,
  cluster_id TEXT NOT NULL,
  applied_index INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  compacted_revision INTEGER NOT NULL,
  changes_count INTEGER NOT NULL,
  changes_bytes INTEGER NOT NULL,
  version_floor INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS kv (
  namespace TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  version INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  updated_by TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (namespace, key)
) STRICT;
CREATE INDEX IF NOT EXISTS kv_sealed ON kv (substr(value, 1, 14)) WHERE substr(value, 1, 5) = 'enc1:';
CREATE INDEX IF NOT EXISTS kv_expiry ON kv (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS change_blocks (
  last_seq INTEGER PRIMARY KEY,
  last_revision INTEGER NOT NULL UNIQUE,
  namespaces TEXT,
  seals TEXT,
  weights TEXT NOT NULL,
  changes TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS change_blocks_sealed ON change_blocks (seals) WHERE seals IS NOT NULL;
CREATE TABLE IF NOT EXISTS tombstones (
  namespace TEXT NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  PRIMARY KEY (namespace, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tombstones_revision ON tombstones (revision);
CREATE TABLE IF NOT EXISTS requests (
  idx INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  fingerprint TEXT NOT NULL,
  outcome TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS usage (
  root TEXT PRIMARY KEY,
  keys INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  audited INTEGER NOT NULL,
  audit_floor INTEGER NOT NULL DEFAULT 0,
  audit_marks TEXT NOT NULL DEFAULT '[]'
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audit_blocks (
  root TEXT NOT NULL,
  last_seq INTEGER NOT NULL,
  lines TEXT NOT NULL,
  PRIMARY KEY (root, last_seq)
) STRICT;`;

/** Format 1 counted nothing and kept no audit history: what is held is counted, the history begins now. */
export const STATE_FROM_1_DDL = `
INSERT INTO usage (root, keys, bytes, audited)
  SELECT CASE WHEN substr(namespace, 1, 7) = 'tenant:'
      THEN substr(namespace, 1, instr(namespace || '/', '/') - 1) ELSE 'system' END AS root,
    count(*),
    sum(length(CAST(namespace || key || value AS BLOB))),
    0
  FROM kv GROUP BY root;`;

/** Format 2 had no floor, since it deleted what a history forgot, row by row. */
export const STATE_FROM_2_DDL = `
ALTER TABLE usage ADD COLUMN audit_floor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN audit_marks TEXT NOT NULL DEFAULT '[]';`;
