/**
 * Owns `state.db`: rows in, rows out, and the bookmark (`Position`) that says how far the log was applied.
 * Refuses to own: what a command means, versions, expiry rules (service/fsm.ts). Values stay JSON text.
 */
import type { Database } from "bun:sqlite";
import { Ledger } from "./ledger.ts";
import { RowCache } from "./row-cache.ts";
import { STATE_FORMAT, STATE_FROM_1_DDL } from "./schema.ts";
import { prepare } from "./store-sql.ts";

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
  /** Set on the way out, never stored: the value is there but cannot be opened here. */
  readonly unavailable?: true;
}
/** The facts of a row that judging a write takes. */
export interface Held {
  /** Where this state keeps it; says nothing in another one. */
  readonly row: number;
  readonly version: number;
  readonly expiresAt: number | null;
  readonly valueBytes: number;
}
export interface StoredRequest {
  readonly fingerprint: string;
  readonly outcome: string;
}
export interface SealedRows {
  readonly entries: readonly StoredEntry[];
  readonly changes: readonly StoredChange[];
}
export interface PageLimits {
  readonly itemsMax: number;
  readonly bytesMax: number;
}

export class KvStore {
  #statements: ReturnType<typeof prepare>;
  #db: Database;
  #ledger: Ledger;
  #position: Position;
  #dirty = false;
  readonly #cache = new RowCache();

  constructor(db: Database) {
    this.#db = db;
    this.#statements = prepare(db);
    this.#ledger = new Ledger(db);
    this.#position = readPosition(db);
    this.#statements.begin.run();
  }

  /** The tables by tenant, of the present state. */
  get ledger(): Ledger {
    return this.#ledger;
  }

  get position(): Position {
    return this.#position;
  }

  /** Goes on with another state; the owner of the old one has closed it. */
  swap(db: Database): void {
    this.#db = db;
    this.#statements = prepare(db);
    this.#ledger = new Ledger(db);
    this.#position = readPosition(db);
    this.#dirty = false;
    this.#cache.clear();
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
      this.#cache.clear();
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
    const kept = this.#cache.get(namespace, key);
    if (kept !== undefined) return kept;
    const row = this.#statements.row.get(namespace, key);
    if (row !== null) this.#cache.add(row);
    return row;
  }

  /** What is held under a name, expired or not, without reading the value. */
  held(namespace: string, key: string): Held | null {
    return this.#statements.held.get(namespace, key);
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
    const rows = this.#statements.list.iterate(namespace, prefix, above, afterKey, timeMs);
    return pageOf(rows, limits);
  }

  /** Live entries of a namespace and all beneath it, whose key starts with `prefix`. */
  listUnder(
    namespace: string,
    prefix: string,
    limits: PageLimits,
  ): { readonly items: readonly StoredEntry[]; readonly more: boolean } {
    const above = `${prefix}\u{10ffff}`;
    const { timeMs } = this.#position;
    return pageOf(this.#statements.listUnder.iterate(namespace, prefix, above, timeMs), limits);
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

  /** `held`: what is there already; its row is found again without its name. */
  put(entry: StoredEntry, held: Held | null): void {
    const { namespace, key, value, version, revision, updatedBy, updatedAt, expiresAt } = entry;
    const facts = [value, version, revision, updatedBy, updatedAt, expiresAt] as const;
    const found = held !== null && this.#statements.overwrite.run(...facts, held.row).changes > 0;
    if (!found) this.#statements.put.run(namespace, key, ...facts);
    this.#cache.written(entry);
  }

  /** Forgets that a key was deleted, once it exists again and carries its version itself. */
  dropTombstone(namespace: string, key: string): void {
    this.#statements.dropTombstone.run(namespace, key);
  }

  remove(namespace: string, key: string, version: number, revision: number): void {
    this.#statements.remove.run(namespace, key);
    this.#cache.drop(namespace, key);
    this.#statements.bury.run(namespace, key, version, revision);
  }

  record(change: StoredChange, bytes: number): void {
    const { seq, revision, namespace, key, op, value, version, actor, at } = change;
    const facts = [op, value, version, actor, at, bytes] as const;
    this.#statements.record.run(seq, revision, namespace, key, ...facts);
  }

  /** Entries and retained changes whose value is sealed, but not under `keyId`. */
  sealedOtherwise(keyId: string, limit: number): SealedRows {
    const like = `enc1:${keyId}:`;
    const entries = this.#statements.sealedEntries.all(like, limit);
    const room = limit - entries.length;
    return { entries, changes: room > 0 ? this.#statements.sealedChanges.all(like, room) : [] };
  }

  /** How many `sealedOtherwise` would answer without a limit. */
  countSealedOtherwise(keyId: string): { readonly entries: number; readonly changes: number } {
    return this.#statements.countSealed.get(`enc1:${keyId}:`) ?? { entries: 0, changes: 0 };
  }

  /** Puts another sealed text in the place of an entry's, if it still has this version. */
  resealEntry(namespace: string, key: string, version: number, value: string): boolean {
    this.#cache.drop(namespace, key);
    return this.#statements.resealEntry.run(value, namespace, key, version).changes > 0;
  }

  resealChange(seq: number, value: string): boolean {
    return this.#statements.resealChange.run(value, seq).changes > 0;
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
    const { revision, count, bytes } = oldest;
    this.#statements.dropChanges.run(revision);
    return { revision, count, bytes, versionFloor: this.#dropTombstones(revision) };
  }

  /** Answers the highest version among them; nearly always there are none. */
  #dropTombstones(throughRevision: number): number {
    const { version } = this.#statements.buriedThrough.get(throughRevision) ?? { version: null };
    if (version === null) return 0;
    this.#statements.dropTombstones.run(throughRevision);
    return version;
  }
}

/** Creates the bookmark of a fresh state database, or checks that it is of this cluster and format. */
export function claimState(db: Database, clusterId: string): "fresh" | "ours" | "foreign" {
  const row = db
    .query<{ format: number; cluster_id: string }, []>("SELECT format, cluster_id FROM applied")
    .get();
  if (row !== null) {
    if (row.cluster_id !== clusterId || row.format > STATE_FORMAT) return "foreign";
    if (row.format === 1) db.transaction(() => db.run(STATE_FROM_1_DDL))();
    return "ours";
  }
  const insert = db.query("INSERT INTO applied VALUES (1, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0)");
  insert.run(STATE_FORMAT, clusterId);
  return "fresh";
}

/** As many rows as one page may hold; one always fits. */
function pageOf(rows: Iterable<StoredEntry>, { itemsMax, bytesMax }: PageLimits) {
  const items: StoredEntry[] = [];
  let bytes = 0;
  for (const row of rows) {
    const full = items.length >= itemsMax || bytes + row.value.length > bytesMax;
    if (full && items.length > 0) return { items, more: true };
    items.push(row);
    bytes += row.value.length;
  }
  return { items, more: false };
}

function readPosition(db: Database): Position {
  const sql = `SELECT applied_index AS appliedIndex, revision, seq, time_ms AS timeMs,
    compacted_revision AS compactedRevision, changes_count AS changesCount,
    changes_bytes AS changesBytes, version_floor AS versionFloor FROM applied`;
  const row = db.query<Position, []>(sql).get();
  if (row === null) throw new Error("the state database was not claimed for a cluster");
  return row;
}
