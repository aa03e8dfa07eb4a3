/**
 * Owns `raft.db`: who this member is, its hard state, its base, its entries. Every write is one
 * transaction, synced before the next one begins; every row carries a checksum, verified on every read.
 * Refuses to own: what to write and when (node.ts, driver.ts). It never cuts a bad tail: SQLite
 * takes back a torn last commit, and anything else that fails its checksum may have been acknowledged
 * (wal-guard.ts tells the two apart where SQLite would not).
 */
import { Database, SQLiteError } from "bun:sqlite";
import { RAFT_DDL, RAFT_FORMAT, RAFT_FROM_1_DDL } from "../../shared/schema.ts";
import { emptyLog, type LogShape, withTerms } from "./log-shape.ts";
import {
  decodeMembership,
  encodeMembership,
  foundedBy,
  type Membership,
  type MembershipAt,
} from "./membership.ts";
import type { Restored } from "./node.ts";
import { type HardState, type LogEntry, type NodeId, nodeId, type SnapshotFacts } from "./types.ts";
import { walDamage } from "./wal-guard.ts";
import { SYNCS_FROM_OUTSIDE, WalSync } from "./wal-sync.ts";

/** Who a data directory belongs to; written once, when it is made. */
export interface Identity {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Made with the directory, so that a copy of the name is not taken for a copy of the data. */
  readonly incarnation: string;
}
/** What stands for everything up to `index`. */
export interface Base extends SnapshotFacts {
  /** A state that was received and must replace `state.db` before anything else. */
  readonly installing: string | null;
}
export interface Install {
  readonly snapshot: SnapshotFacts;
  readonly keepLog: boolean;
  readonly file: string;
}

/** The data directory cannot be used; the message says why and what to do. */
export class DataDirectoryUnusable extends Error {}

interface EntryRow {
  idx: number;
  term: number;
  kind: string;
  time_ms: number;
  payload: string;
  checksum: number;
}
interface HardStateRow {
  term: number;
  voted_for: string | null;
  commit_index: number;
  checksum: number;
}
interface BaseRow {
  idx: number;
  term: number;
  time_ms: number;
  membership: string;
  installing: string | null;
  checksum: number;
}
interface MemberRow {
  format: number;
  cluster_id: string;
  node_id: string;
  incarnation: string;
}
/** The identity in the first format, whose sole voter was written beside it. */
type FirstMemberRow = Omit<MemberRow, "incarnation"> & { voters: string };

const NO_HARD_STATE: HardState = { term: 0, votedFor: null, commitIndex: 0 };
/** The commit index on disk only has to be true, not new: the state's bookmark says how far was applied. */
const COMMIT_INDEX_SLACK = 1_000;
/** Compacted entries removed in one go, so that no pause comes near an election timeout. */
const SWEEP_ENTRIES = 1_000;
/** The log is written at its end and cut at its beginning. */
const CACHE_KIB = 2_048;
const NO_BASE: Base = {
  index: 0,
  lastTerm: 0,
  timeMs: 0,
  membership: { members: [], removed: [] },
  installing: null,
};

export class RaftLog {
  readonly #db: Database;
  /** Null where SQLite syncs each commit itself. */
  readonly #wal: WalSync | null;
  readonly #statements: ReturnType<typeof prepare>;
  #saved = NO_HARD_STATE;
  #lastIndex = 0;
  readonly #commit: (work: () => void) => void;

  /** Opens or creates the file and takes it for this process. Throws `DataDirectoryUnusable`. */
  constructor(path: string) {
    const damage = walDamage(`${path}-wal`);
    if (damage !== null) throw damaged(`${damage} in its write-ahead log fails its checksum`);
    const options = { synchronous: "FULL", exclusive: true, cacheKib: CACHE_KIB } as const;
    this.#db = openDatabase(path, { ...options, ddl: RAFT_DDL });
    readable(() => upgrade(this.#db));
    this.#statements = readable(() => prepare(this.#db));
    this.#commit = this.#db.transaction((work: () => void) => work());
    this.#wal = SYNCS_FROM_OUTSIDE ? new WalSync(`${path}-wal`) : null;
    if (this.#wal !== null) this.#db.run("PRAGMA synchronous = NORMAL");
  }

  /** Who this log belongs to, or null in a fresh data directory. */
  identity(): Identity | null {
    const row = readable(() => this.#db.query<MemberRow, []>("SELECT * FROM member").get());
    if (row === null) return null;
    const { cluster_id: clusterId, node_id: id, incarnation } = row;
    return { clusterId, nodeId: nodeId(id), incarnation };
  }

  /**
   * Makes a fresh directory a member: of a cluster it founds, with nothing or with a restored state at its
   * base, or of one that has yet to tell it more.
   */
  claim(
    { clusterId, nodeId: id, incarnation }: Identity,
    membership: Membership,
    base: Omit<SnapshotFacts, "membership"> = NO_BASE,
  ): void {
    this.#durably(() => {
      const insert = this.#db.query("INSERT INTO member VALUES (1, ?, ?, ?, ?)");
      insert.run(RAFT_FORMAT, clusterId, id, incarnation);
      const { index, lastTerm, timeMs } = base;
      this.#saveBase({ index, lastTerm, timeMs, membership, installing: null });
    });
  }

  base(): Base {
    const row = this.#statements.base.get();
    return row === null ? NO_BASE : baseOf(row);
  }

  /** Reads and verifies everything. Throws `DataDirectoryUnusable` on a gap or a bad checksum. */
  restore(): Restored {
    return readable(() => this.#restore());
  }

  #restore(): Restored {
    const row = this.#statements.hardState.get();
    const hardState = row === null ? NO_HARD_STATE : hardStateOf(row);
    const base = this.base();
    let log: LogShape = emptyLog(base.index, base.lastTerm);
    let lastTimeMs = base.timeMs;
    const memberships: MembershipAt[] = [{ index: base.index, membership: base.membership }];
    for (const raw of this.#statements.all.iterate(base.index)) {
      const entry = entryOf(raw);
      if (entry.index !== log.lastIndex + 1) throw damaged(`entry ${log.lastIndex + 1} is missing`);
      log = withTerms(log, entry.index, [entry.term]);
      lastTimeMs = entry.timeMs;
      if (entry.kind !== "config") continue;
      memberships.push({ index: entry.index, membership: decodeMembership(entry.payload) });
    }
    if (hardState.commitIndex > log.lastIndex) {
      throw damaged(`it ends at entry ${log.lastIndex}, committed was ${hardState.commitIndex}`);
    }
    this.#saved = hardState;
    this.#lastIndex = log.lastIndex;
    return { hardState, log, lastTimeMs, memberships };
  }

  /** One synced transaction. Throws when the disk refuses: the caller must stop, not retry. */
  save(
    hardState: HardState | null,
    append: readonly LogEntry[],
    install: Install | null = null,
  ): void {
    this.#durably(() => this.#writeAll(hardState, append, install));
  }

  /** Whether `saveBeside` is possible, and the disk so slow that it is worth it. */
  get syncsBeside(): boolean {
    return this.#wal?.isSlow === true;
  }

  /**
   * One transaction, written when this returns and synced, beside the event loop, when `done` is called. Nothing else
   * may be written before. Throws, or tells `done`, when the disk refuses.
   */
  saveBeside(
    hardState: HardState,
    append: readonly LogEntry[],
    done: (failure: Error | null) => void,
  ): void {
    this.#commit(() => this.#writeAll(hardState, append, null));
    this.#wal?.later(done);
  }

  /** What is written is synced when this returns. */
  syncNow(): void {
    this.#wal?.now();
  }

  #durably(work: () => void): void {
    this.#commit(work);
    this.syncNow();
  }

  /** The received state took the place of the old one. */
  installed(): void {
    this.#durably(() => this.#saveBase({ ...this.base(), installing: null }));
  }

  /** Lets go of everything up to `facts.index`. The state must be synced through it already. */
  compact(facts: SnapshotFacts): void {
    this.#durably(() => this.#saveBase({ ...facts, installing: null }));
  }

  /** Removes some of what was compacted; answers whether there is more. */
  sweep(): boolean {
    const first = this.#statements.first.get()?.idx ?? null;
    const { index } = this.base();
    if (first === null || first > index) return false;
    const through = Math.min(index, first + SWEEP_ENTRIES - 1);
    this.#durably(() => this.#statements.sweep.run(through));
    return through < index;
  }

  /** Entries `from … through`, both included, verified. */
  read(from: number, through: number): readonly LogEntry[] {
    const entries = this.#statements.range.all(from, through).map(entryOf);
    if (entries.length !== through - from + 1)
      throw damaged(`entries ${from}…${through} have holes`);
    return entries;
  }

  close(): void {
    this.#wal?.close();
    this.#db.close();
  }

  #writeAll(
    hardState: HardState | null,
    append: readonly LogEntry[],
    install: Install | null,
  ): void {
    if (hardState !== null && this.#isNews(hardState)) {
      const { term, votedFor, commitIndex } = hardState;
      this.#statements.saveHardState.run(term, votedFor, commitIndex, hardStateSum(hardState));
      this.#saved = hardState;
    }
    if (install !== null) {
      this.#saveBase({ ...install.snapshot, installing: install.file });
      if (!install.keepLog) this.#statements.cut.run(0);
    }
    const first = append[0];
    if (first === undefined) return;
    if (first.index <= this.#lastIndex) this.#statements.cut.run(first.index);
    for (const entry of append) {
      const { index, term, kind, timeMs, payload } = entry;
      this.#statements.insert.run(index, term, kind, timeMs, payload, entrySum(entry));
      this.#lastIndex = index;
    }
  }

  /** Term and vote always count; the commit index alone is written now and then. */
  #isNews({ term, votedFor, commitIndex }: HardState): boolean {
    const same = term === this.#saved.term && votedFor === this.#saved.votedFor;
    return !same || commitIndex >= this.#saved.commitIndex + COMMIT_INDEX_SLACK;
  }

  #saveBase(base: Base): void {
    const { index, lastTerm, timeMs, installing } = base;
    const membership = encodeMembership(base.membership);
    const sum = baseSum(base, membership);
    this.#statements.saveBase.run(index, lastTerm, timeMs, membership, installing, sum);
  }
}

export interface DatabaseOptions {
  readonly synchronous: "FULL" | "NORMAL";
  /** A lock that lasts as long as the process, so that two processes never share a data directory. */
  readonly exclusive: boolean;
  /** Pages kept in memory: what writes touch again and again should be among them. */
  readonly cacheKib: number;
  readonly ddl: string;
}

/** Opens a member's database in WAL mode at a strict sync level. Throws `DataDirectoryUnusable`. */
export function openDatabase(path: string, options: DatabaseOptions): Database {
  try {
    const db = new Database(path, { create: true, strict: true });
    db.run(`PRAGMA locking_mode = ${options.exclusive ? "EXCLUSIVE" : "NORMAL"}`);
    db.run("PRAGMA journal_mode = WAL");
    db.run(`PRAGMA synchronous = ${options.synchronous}`);
    db.run(`PRAGMA cache_size = -${options.cacheKib}`);
    db.run("PRAGMA fullfsync = ON"); // macOS: fsync alone stops at the drive's cache. No effect elsewhere.
    db.run("BEGIN IMMEDIATE");
    db.run(options.ddl);
    db.run("COMMIT");
    return db;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const why = /locked|busy/i.test(reason) ? "another process is using it" : reason;
    throw new DataDirectoryUnusable(`cannot open ${path}: ${why}`);
  }
}

/** Brings an older format up to this one, in one transaction. Throws for a newer one. */
function upgrade(db: Database): void {
  const row = db.query<{ format: number }, []>("SELECT format FROM member").get();
  if (row === null || row.format === RAFT_FORMAT) return;
  if (row.format !== 1) {
    throw new DataDirectoryUnusable(
      `raft.db has format ${row.format}, this program reads formats 1 to ${RAFT_FORMAT}; run the version that wrote it`,
    );
  }
  db.transaction(() => {
    const first = db.query<FirstMemberRow, []>("SELECT * FROM member").get();
    const voters = (JSON.parse(first?.voters ?? "[]") as string[]).map(nodeId);
    db.run(RAFT_FROM_1_DDL);
    const base = { ...NO_BASE, membership: foundedBy(voters, "founder") };
    const membership = encodeMembership(base.membership);
    const insert = db.query("INSERT INTO base VALUES (1, 0, 0, 0, ?, NULL, ?)");
    insert.run(membership, baseSum(base, membership));
    db.query("UPDATE member SET format = ?").run(RAFT_FORMAT);
  })();
}

function prepare(db: Database) {
  return {
    hardState: db.query<HardStateRow, []>("SELECT * FROM hard_state"),
    saveHardState: db.query("INSERT OR REPLACE INTO hard_state VALUES (1, ?, ?, ?, ?)"),
    base: db.query<BaseRow, []>("SELECT * FROM base"),
    saveBase: db.query("INSERT OR REPLACE INTO base VALUES (1, ?, ?, ?, ?, ?, ?)"),
    all: db.query<EntryRow, [number]>("SELECT * FROM entries WHERE idx > ? ORDER BY idx"),
    range: db.query<EntryRow, [number, number]>(
      "SELECT * FROM entries WHERE idx BETWEEN ? AND ? ORDER BY idx",
    ),
    cut: db.query("DELETE FROM entries WHERE idx >= ?"),
    first: db.query<{ idx: number | null }, []>("SELECT min(idx) AS idx FROM entries"),
    sweep: db.query("DELETE FROM entries WHERE idx <= ?"),
    insert: db.query("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)"),
  };
}

/** Pages that SQLite itself cannot make sense of are damage like any other. */
function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SQLiteError) throw damaged(error.message);
    throw error;
  }
}

function entryOf(row: EntryRow): LogEntry {
  const { idx: index, term, kind, time_ms: timeMs, payload } = row;
  if (kind !== "noop" && kind !== "command" && kind !== "config") {
    throw damaged(`entry ${index} is of no known kind`);
  }
  const entry: LogEntry = { index, term, kind, timeMs, payload };
  if (entrySum(entry) !== row.checksum) throw damaged(`entry ${index} fails its checksum`);
  return entry;
}

function hardStateOf(row: HardStateRow): HardState {
  const { term, voted_for: votedFor, commit_index: commitIndex } = row;
  const hardState = { term, votedFor: votedFor === null ? null : nodeId(votedFor), commitIndex };
  if (hardStateSum(hardState) !== row.checksum) throw damaged("the hard state fails its checksum");
  return hardState;
}

function baseOf(row: BaseRow): Base {
  const { idx: index, term: lastTerm, time_ms: timeMs, installing } = row;
  const facts = { index, lastTerm, timeMs, installing };
  if (baseSum(facts, row.membership) !== row.checksum) throw damaged("the base fails its checksum");
  return { ...facts, membership: decodeMembership(row.membership) };
}

function entrySum({ index, term, kind, timeMs, payload }: LogEntry): number {
  return Bun.hash.crc32(payload, Bun.hash.crc32(`${index}:${term}:${kind}:${timeMs}:`));
}

function hardStateSum({ term, votedFor, commitIndex }: HardState): number {
  return Bun.hash.crc32(`${term}:${votedFor ?? ""}:${commitIndex}`);
}

function baseSum(base: Omit<Base, "membership">, membership: string): number {
  const { index, lastTerm, timeMs, installing } = base;
  return Bun.hash.crc32(`${index}:${lastTerm}:${timeMs}:${installing ?? ""}:${membership}`);
}

function damaged(what: string): DataDirectoryUnusable {
  return new DataDirectoryUnusable(
    `raft.db is damaged: ${what}. Nothing was changed. Restore the directory from a backup; do not delete entries by hand`,
  );
}
