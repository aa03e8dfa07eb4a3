/** Owns the statements of the store, each prepared once. Refuses to own: when one is run (store.ts). */
import type { Database } from "bun:sqlite";
import type { Held, StoredEntry, StoredRequest } from "./store.ts";

const ENTRY = `namespace, key, value, version, revision,
  updated_by AS updatedBy, updated_at AS updatedAt, expires_at AS expiresAt`;
/** A sealed text names its key, and no JSON text begins like one; an index holds the sealed ones alone. */
const SEALED_OTHERWISE = "substr(value, 1, 5) = 'enc1:' AND substr(value, 1, 14) <> ?1";

/** Every statement that `KvStore` runs. */
export function prepare(db: Database) {
  return {
    begin: db.query("BEGIN IMMEDIATE"),
    commit: db.query("COMMIT"),
    rollback: db.query("ROLLBACK"),
    savePosition: db.query(
      `UPDATE applied SET applied_index = ?, revision = ?, seq = ?, time_ms = ?,
       compacted_revision = ?, changes_count = ?, changes_bytes = ?, version_floor = ?`,
    ),
    row: db.query<StoredEntry, [string, string]>(
      `SELECT ${ENTRY} FROM kv WHERE namespace = ? AND key = ?`,
    ),
    held: db.query<Held, [string, string]>(
      `SELECT rowid AS row, version, expires_at AS expiresAt, octet_length(value) AS valueBytes
       FROM kv WHERE namespace = ? AND key = ?`,
    ),
    list: db.query<StoredEntry, [string, string, string, string | null, number]>(
      `SELECT ${ENTRY} FROM kv WHERE namespace = ?1 AND key >= ?2 AND key < ?3
       AND (?4 IS NULL OR key > ?4) AND (expires_at IS NULL OR expires_at > ?5) ORDER BY key`,
    ),
    // `0` follows `/` in byte order, so this spans a namespace and all beneath it.
    listUnder: db.query<StoredEntry, [string, string, string, number]>(
      `SELECT ${ENTRY} FROM kv WHERE (namespace = ?1 OR (namespace >= ?1 || '/' AND namespace < ?1 || '0'))
       AND key >= ?2 AND key < ?3 AND (expires_at IS NULL OR expires_at > ?4) ORDER BY namespace, key`,
    ),
    sealedEntries: db.query<StoredEntry, [string, number]>(
      `SELECT ${ENTRY} FROM kv WHERE ${SEALED_OTHERWISE} LIMIT ?2`,
    ),
    countSealed: db.query<{ entries: number }, [string]>(
      `SELECT count(*) AS entries FROM kv WHERE ${SEALED_OTHERWISE}`,
    ),
    resealEntry: db.query(
      "UPDATE kv SET value = ? WHERE namespace = ? AND key = ? AND version = ?",
    ),
    expired: db.query<StoredEntry, [number, number]>(
      `SELECT ${ENTRY} FROM kv WHERE expires_at <= ? ORDER BY expires_at, namespace, key LIMIT ?`,
    ),
    tombstone: db.query<{ version: number }, [string, string]>(
      "SELECT version FROM tombstones WHERE namespace = ? AND key = ?",
    ),
    overwrite: db.query(
      `UPDATE kv SET value = ?, version = ?, revision = ?, updated_by = ?, updated_at = ?,
       expires_at = ? WHERE rowid = ?`,
    ),
    // In place: replacing would move the row and rewrite both indexes.
    put: db.query(
      `INSERT INTO kv VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
       value = excluded.value, version = excluded.version, revision = excluded.revision,
       updated_by = excluded.updated_by, updated_at = excluded.updated_at,
       expires_at = excluded.expires_at`,
    ),
    remove: db.query("DELETE FROM kv WHERE namespace = ? AND key = ?"),
    bury: db.query("INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?, ?)"),
    dropTombstone: db.query("DELETE FROM tombstones WHERE namespace = ? AND key = ?"),
    oldestBuried: db.query<{ revision: number | null }, []>(
      "SELECT min(revision) AS revision FROM tombstones",
    ),
    buriedThrough: db.query<{ version: number | null }, [number]>(
      "SELECT max(version) AS version FROM tombstones WHERE revision <= ?",
    ),
    request: db.query<StoredRequest, [string]>(
      "SELECT fingerprint, outcome FROM requests WHERE id = ?",
    ),
    remember: db.query("INSERT INTO requests VALUES (?, ?, ?, ?)"),
    forget: db.query("DELETE FROM requests WHERE idx <= ?"),
    dropTombstones: db.query("DELETE FROM tombstones WHERE revision <= ?"),
  };
}
