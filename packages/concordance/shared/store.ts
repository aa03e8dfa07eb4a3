/**
 * Owns `state.db`: rows in, rows out, and the bookmark (`Position`) that says how far the log was applied; its history
 * is kept beside (change-log.ts, ledger.ts). Refuses to own: what a command means, versions, expiry rules
 * (service/fsm.ts). Values stay JSON text.
 */
import type { Database } from "bun:sqlite";
import { blocksFromRows, ChangeLog, type DroppedRevision } from "./change-log.ts";
import { Ledger, linesFromRows } from "./ledger.ts";
import { NameCache } from "./name-cache.ts";
import { RowCache } from "./row-cache.ts";
import { STATE_FORMAT, STATE_FROM_1_DDL, STATE_FROM_2_DDL } from "./schema.ts";
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

/** What judging a write takes is remembered of so many entries. */
const HELD_MAX = 8_192;

export class KvStore {
  #statements: ReturnType<typeof prepare>;
  #db: Database;
  #ledger: Ledger;
  #log: ChangeLog;
  #position: Position;
  #dirty = false;
  /** No tombstone is of an older revision; null when there is none, undefined when nobody looked. */
  #buriedFrom: number | null | undefined;
  readonly #cache = new RowCache();
  readonly #held = new NameCache<Held>(HELD_MAX);

  constructor(db: Database) {
    this.#db = db;
    this.#statements = prepare(db);
    this.#position = readPosition(db);
    this.#ledger = new Ledger(db);
    this.#log = new ChangeLog(db, this.#position.compactedRevision);
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
    this.#position = readPosition(db);
    this.#ledger = new Ledger(db);
    this.#log = new ChangeLog(db, this.#position.compactedRevision);
    this.#forget();
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
      this.#ledger.reset();
      this.#log.reset(this.#position.compactedRevision);
      this.#forget();
      this.#statements.begin.run();
      throw error;
    }
  }

  #forget(): void {
    this.#dirty = false;
    this.#buriedFrom = undefined;
    this.#cache.clear();
    this.#held.clear();
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
    if (this.#dirty) this.#saveHistory();
    if (this.#dirty) this.#savePosition();
    this.#statements.commit.run();
    this.#dirty = false;
  }

  #saveHistory(): void {
    this.#log.flush();
    this.#ledger.flush();
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
    const known = this.#held.get(namespace, key);
    if (known !== undefined) return known;
    const held = this.#statements.held.get(namespace, key);
    if (held !== null) this.#held.set(namespace, key, held);
    return held;
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
    return this.#log.after(revision, namespace, limits, this.#position.revision);
  }

  /** Keys whose time has come by `timeMs`, soonest first. */
  expiredBy(timeMs: number, itemsMax: number): readonly StoredEntry[] {
    return this.#statements.expired.all(timeMs, itemsMax);
  }

  /** The version a deleted key ended at, while its deletion is still in the change log. */
  tombstone(namespace: string, key: string): number | null {
    return this.#statements.tombstone.get(namespace, key)?.version ?? null;
  }

  /** `held`: what is there already; its row is found again without its name. Answers what is there now. */
  put(entry: StoredEntry, held: Held | null): Held {
    const { namespace, key, value, version, revision, updatedBy, updatedAt, expiresAt } = entry;
    const facts = [value, version, revision, updatedBy, updatedAt, expiresAt] as const;
    const found = held !== null && this.#statements.overwrite.run(...facts, held.row).changes > 0;
    const row = found ? held.row : this.#insert(namespace, key, facts);
    this.#cache.written(entry);
    const now = { row, version, expiresAt, valueBytes: Buffer.byteLength(value) };
    this.#held.set(namespace, key, now);
    return now;
  }

  #insert(namespace: string, key: string, facts: readonly (string | number | null)[]): number {
    return Number(this.#statements.put.run(namespace, key, ...facts).lastInsertRowid);
  }

  /** Forgets that a key was deleted, once it exists again and carries its version itself. */
  dropTombstone(namespace: string, key: string): void {
    this.#statements.dropTombstone.run(namespace, key);
  }

  remove(namespace: string, key: string, version: number, revision: number): void {
    this.#statements.remove.run(namespace, key);
    this.#drop(namespace, key);
    this.#statements.bury.run(namespace, key, version, revision);
    if (this.#buriedFrom === null) this.#buriedFrom = revision;
  }

  record(change: StoredChange, bytes: number): void {
    this.#log.append(change, bytes);
  }

  #drop(namespace: string, key: string): void {
    this.#cache.drop(namespace, key);
    this.#held.delete(namespace, key);
  }

  /** Entries and retained changes whose value is sealed, but not under `keyId`. */
  sealedOtherwise(keyId: string, limit: number): SealedRows {
    const like = `enc1:${keyId}:`;
    const entries = this.#statements.sealedEntries.all(like, limit);
    const room = limit - entries.length;
    return { entries, changes: room > 0 ? this.#log.sealedOtherwise(keyId, room) : [] };
  }

  /** How many `sealedOtherwise` would answer without a limit. */
  countSealedOtherwise(keyId: string): { readonly entries: number; readonly changes: number } {
    const { entries } = this.#statements.countSealed.get(`enc1:${keyId}:`) ?? { entries: 0 };
    return { entries, changes: this.#log.countSealedOtherwise(keyId) };
  }

  /** Puts another sealed text in the place of an entry's, if it still has this version. */
  resealEntry(namespace: string, key: string, version: number, value: string): boolean {
    this.#drop(namespace, key);
    return this.#statements.resealEntry.run(value, namespace, key, version).changes > 0;
  }

  /** The same for values in the change log, by `seq`. */
  resealChanges(values: ReadonlyMap<number, string>): void {
    this.#log.reseal(values);
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

  /** Drops the oldest revision of the change log. Null when `newest` is the only one left. */
  dropOldestRevision(newest: number): (DroppedRevision & { versionFloor: number }) | null {
    const dropped = this.#log.dropOldest(newest);
    if (dropped === null) return null;
    return { ...dropped, versionFloor: this.#dropTombstones(dropped.revision) };
  }

  /** Answers the highest version among them; nearly always there are none. */
  #dropTombstones(throughRevision: number): number {
    if (this.#buriedFrom === undefined) {
      this.#buriedFrom = this.#statements.oldestBuried.get()?.revision ?? null;
    }
    if (this.#buriedFrom === null || this.#buriedFrom > throughRevision) return 0;
    const { version } = this.#statements.buriedThrough.get(throughRevision) ?? { version: null };
    this.#statements.dropTombstones.run(throughRevision);
    this.#buriedFrom = undefined;
    return version ?? 0;
  }
}

/** Creates the bookmark of a fresh state database, or checks that it is of this cluster and format. */
export function claimState(db: Database, clusterId: string): "fresh" | "ours" | "foreign" {
  const row = db
    .query<{ format: number; cluster_id: string }, []>("SELECT format, cluster_id FROM applied")
    .get();
  if (row !== null) {
    if (row.cluster_id !== clusterId || row.format > STATE_FORMAT) return "foreign";
    if (row.format < STATE_FORMAT) db.transaction(() => upgrade(db, row.format))();
    return "ours";
  }
  const insert = db.query("INSERT INTO applied VALUES (1, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0)");
  insert.run(STATE_FORMAT, clusterId);
  return "fresh";
}

/** Brings an older format up to this one. The tables that are new were created when the file was opened. */
function upgrade(db: Database, format: number): void {
  if (format === 1) db.run(STATE_FROM_1_DDL);
  else {
    db.run(STATE_FROM_2_DDL);
    linesFromRows(db);
  }
  blocksFromRows(db);
  db.query("UPDATE applied SET format = ?").run(STATE_FORMAT);
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
