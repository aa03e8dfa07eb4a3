/**
 * Owns `state.db`: rows in, rows out, and the bookmark (`Position`) that says how far the log was applied.
 * Refuses to own: what a command means, versions, expiry rules (service/fsm.ts). Values stay JSON text.
 */
import type { Database } from "bun:sqlite";
import { STATE_FORMAT } from "./schema.ts";

/** Everything replicated that is not a row; saved in the transaction of the rows it describes. */
export interface Position {
  readonly appliedIndex: number;
  readonly revision: number;
  readonly seq: number;
  /** Replicated time, epoch milliseconds: reads judge expiry by it (pitfall 32). */
  readonly timeMs: number;
  /** Changes at or below this revision are gone. */
  readonly compactedRevision: number;
  readonly changesCount: number;
  readonly changesBytes: number;
  /** No key may take a version at or below this unless it had one: versions never repeat. */
  readonly versionFloor: number;
}

export interface StoredEntry {
  readonly namespace: string;
  readonly key: string;
  readonly value: string;
  readonly version: number;
  readonly revision: number;
  readonly updatedBy: string;
  readonly updatedAt: number;
  readonly expiresAt: number | null;
}
export interface StoredChange {
  readonly seq: number;
  readonly revision: number;
  readonly namespace: string;
  readonly key: string;
  readonly op: "set" | "delete";
  readonly value: string | null;
  readonly version: number;
  readonly actor: string;
  readonly at: number;
}
export interface StoredRequest {
  readonly fingerprint: string;
  readonly outcome: string;
}
export interface PageLimits {
  readonly itemsMax: number;
  readonly bytesMax: number;
}

const ENTRY = `namespace, key, value, version, revision,
  updated_by AS updatedBy, updated_at AS updatedAt, expires_at AS expiresAt`;
const CHANGE = "seq, revision, namespace, key, op, value, version, actor, at";
/** `0` follows `/` in byte order, so this spans a namespace and all beneath it. */
const COVERED = "(namespace = ? OR (namespace >= ? || '/' AND namespace < ? || '0'))";

export class KvStore {
  #statements: ReturnType<typeof prepare>;
  #db: Database;
  #position: Position;
  #dirty = false;

  constructor(db: Database) {
    this.#db = db;
    this.#statements = prepare(db);
    this.#position = readPosition(db);
    this.#statements.begin.run();
  }

  get position(): Position {
    return this.#position;
  }

  /** Goes on with another state; the owner of the old one has closed it. */
  swap(db: Database): void {
    this.#db = db;
    this.#statements = prepare(db);
    this.#position = readPosition(db);
    this.#dirty = false;
    this.#statements.begin.run();
  }

  /**
   * Runs `work`, which must not wait for anything, and takes the position it returns. Visible here at once;
   * on disk, with all else since the last one, at `commit`. When `work` throws, all of that is taken back.
   */
  transact(work: () => Position): void {
    this.#dirty = true;
    try {
      this.#position = work();
    } catch (error) {
      this.#statements.rollback.run();
      this.#position = readPosition(this.#db);
      this.#dirty = false;
      this.#statements.begin.run();
      throw error;
    }
  }

  /** Writes all work since the last commit, rows and bookmark together (C3). */
  commit(): void {
    if (this.#dirty) this.between(() => undefined);
  }

  /** Commits, and runs `work` before the next transaction begins: only then can the file be checkpointed. */
  between<T>(work: () => T): T {
    this.release();
    const result = work();
    // Open at all times: a read that begins and ends its own costs several locks of the file.
    this.#statements.begin.run();
    return result;
  }

  /** Commits, and lets go of the file: for one that is about to be closed. */
  release(): void {
    if (this.#dirty) this.#savePosition();
    this.#statements.commit.run();
    this.#dirty = false;
  }

  #savePosition(): void {
    const { appliedIndex, revision, seq, timeMs } = this.#position;
    const { compactedRevision, changesCount, changesBytes, versionFloor } = this.#position;
    const clock = [appliedIndex, revision, seq, timeMs] as const;
    const kept = [compactedRevision, changesCount, changesBytes, versionFloor] as const;
    this.#statements.savePosition.run(...clock, ...kept);
  }

  /** The row, expired or not. */
  row(namespace: string, key: string): StoredEntry | null {
    return this.#statements.row.get(namespace, key);
  }

  /** The version of the row, expired or not; null when there is none. */
  version(namespace: string, key: string): number | null {
    return this.#statements.version.get(namespace, key)?.version ?? null;
  }

  /** A page of live entries whose key starts with `prefix` and follows `afterKey`, in byte order. */
  list(
    namespace: string,
    prefix: string,
    afterKey: string | null,
    limits: PageLimits,
  ): { readonly items: readonly StoredEntry[]; readonly more: boolean } {
    const above = `${prefix}\u{10ffff}`;
    const { timeMs } = this.#position;
    const items: StoredEntry[] = [];
    let bytes = 0;
    for (const row of this.#statements.list.iterate(namespace, prefix, above, afterKey, timeMs)) {
      const full = items.length >= limits.itemsMax || bytes + row.value.length > limits.bytesMax;
      if (full && items.length > 0) return { items, more: true };
      items.push(row);
      bytes += row.value.length;
    }
    return { items, more: false };
  }

  /**
   * Changes with a greater revision, in order, whole revisions only; `through` is the last revision the
   * page accounts for. `namespace` null means all.
   */
  changesAfter(
    revision: number,
    namespace: string | null,
    limits: PageLimits,
  ): { readonly items: readonly StoredChange[]; readonly through: number } {
    const rows =
      namespace === null
        ? this.#statements.changes.iterate(revision)
        : this.#statements.changesUnder.iterate(revision, namespace, namespace, namespace);
    const items: StoredChange[] = [];
    let bytes = 0;
    for (const row of rows) {
      const last = items.at(-1);
      const full = items.length >= limits.itemsMax || bytes >= limits.bytesMax;
      if (full && last !== undefined && last.revision !== row.revision) {
        return { items, through: last.revision };
      }
      items.push(row);
      bytes += row.value?.length ?? 0;
    }
    return { items, through: Math.max(revision, this.#position.revision) };
  }

  /** Keys whose time has come by `timeMs`, soonest first. */
  expiredBy(timeMs: number, itemsMax: number): readonly StoredEntry[] {
    return this.#statements.expired.all(timeMs, itemsMax);
  }

  /** The version a deleted key ended at, while its deletion is still in the change log. */
  tombstone(namespace: string, key: string): number | null {
    return this.#statements.tombstone.get(namespace, key)?.version ?? null;
  }

  put(entry: StoredEntry): void {
    const { namespace, key, value, version, revision, updatedBy, updatedAt, expiresAt } = entry;
    const facts = [version, revision, updatedBy, updatedAt, expiresAt] as const;
    this.#statements.put.run(namespace, key, value, ...facts);
  }

  /** Forgets that a key was deleted, once it exists again and carries its version itself. */
  dropTombstone(namespace: string, key: string): void {
    this.#statements.dropTombstone.run(namespace, key);
  }

  remove(namespace: string, key: string, version: number, revision: number): void {
    this.#statements.remove.run(namespace, key);
    this.#statements.bury.run(namespace, key, version, revision);
  }

  record(change: StoredChange, bytes: number): void {
    const { seq, revision, namespace, key, op, value, version, actor, at } = change;
    const facts = [op, value, version, actor, at, bytes] as const;
    this.#statements.record.run(seq, revision, namespace, key, ...facts);
  }

  /** What a request id was used for, while it is remembered. */
  request(id: string): StoredRequest | null {
    return this.#statements.request.get(id);
  }

  /** Remembers a request by the index of its entry, and forgets those at or below `forgetThrough`. */
  remember(index: number, id: string, request: StoredRequest, forgetThrough: number): void {
    this.#statements.remember.run(index, id, request.fingerprint, request.outcome);
    this.#statements.forget.run(forgetThrough);
  }

  /** Drops the oldest revision of the change log. Null when only one is left. */
  dropOldestRevision() {
    const oldest = this.#statements.oldest.get();
    if (oldest === null || oldest.revision >= oldest.newest) return null;
    const { revision } = oldest;
    const sums = this.#statements.weigh.get(revision) ?? { count: 0, bytes: 0 };
    this.#statements.dropChanges.run(revision);
    const floor = this.#statements.buriedThrough.get(revision)?.version ?? null;
    this.#statements.dropTombstones.run(revision);
    return { revision, count: sums.count, bytes: sums.bytes, versionFloor: floor ?? 0 };
  }
}

function prepare(db: Database) {
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
    version: db.query<{ version: number }, [string, string]>(
      "SELECT version FROM kv WHERE namespace = ? AND key = ?",
    ),
    list: db.query<StoredEntry, [string, string, string, string | null, number]>(
      `SELECT ${ENTRY} FROM kv WHERE namespace = ?1 AND key >= ?2 AND key < ?3
       AND (?4 IS NULL OR key > ?4) AND (expires_at IS NULL OR expires_at > ?5) ORDER BY key`,
    ),
    changes: db.query<StoredChange, [number]>(
      `SELECT ${CHANGE} FROM changes WHERE revision > ? ORDER BY revision, seq`,
    ),
    changesUnder: db.query<StoredChange, [number, string, string, string]>(
      `SELECT ${CHANGE} FROM changes WHERE revision > ? AND ${COVERED} ORDER BY revision, seq`,
    ),
    expired: db.query<StoredEntry, [number, number]>(
      `SELECT ${ENTRY} FROM kv WHERE expires_at <= ? ORDER BY expires_at, namespace, key LIMIT ?`,
    ),
    tombstone: db.query<{ version: number }, [string, string]>(
      "SELECT version FROM tombstones WHERE namespace = ? AND key = ?",
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
    record: db.query("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    oldest: db.query<{ revision: number; newest: number }, []>(
      "SELECT min(revision) AS revision, (SELECT max(revision) FROM changes) AS newest FROM changes",
    ),
    weigh: db.query<{ count: number; bytes: number }, [number]>(
      "SELECT count(*) AS count, sum(bytes) AS bytes FROM changes WHERE revision = ?",
    ),
    dropChanges: db.query("DELETE FROM changes WHERE revision = ?"),
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

/** Creates the bookmark of a fresh state database, or checks that it is of this cluster and format. */
export function claimState(db: Database, clusterId: string): "fresh" | "ours" | "foreign" {
  const row = db
    .query<{ format: number; cluster_id: string }, []>("SELECT format, cluster_id FROM applied")
    .get();
  if (row !== null) {
    return row.format === STATE_FORMAT && row.cluster_id === clusterId ? "ours" : "foreign";
  }
  const insert = db.query("INSERT INTO applied VALUES (1, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0)");
  insert.run(STATE_FORMAT, clusterId);
  return "fresh";
}

function readPosition(db: Database): Position {
  const sql = `SELECT applied_index AS appliedIndex, revision, seq, time_ms AS timeMs,
    compacted_revision AS compactedRevision, changes_count AS changesCount,
    changes_bytes AS changesBytes, version_floor AS versionFloor FROM applied`;
  const row = db.query<Position, []>(sql).get();
  if (row === null) throw new Error("the state database was not claimed for a cluster");
  return row;
}
