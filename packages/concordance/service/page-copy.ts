/**
 * Owns copying `state.db` page by page as of one transaction: the write-ahead log is brought into the file first,
 * and a reader that stays open keeps it from changing meanwhile. Free pages are blank in the copy, so that what
 * was deleted does not come along. Runs in the snapshot worker. Refuses to own: what the copy is for.
 */
import { Database } from "bun:sqlite";
import { closeSync, openSync, readSync, writeSync } from "node:fs";

/** How far a state had applied the log. */
export interface CopyPosition {
  readonly appliedIndex: number;
  readonly timeMs: number;
  readonly revision: number;
}
/** A reader that stays open, and the size of the file as it sees it. */
interface Pinned {
  readonly position: CopyPosition;
  readonly pageBytes: number;
  readonly pages: number;
}
interface Checkpointed {
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}

export interface PageCopyOrder {
  readonly source: Database;
  readonly statePath: string;
  readonly handle: number;
  readonly copyPath: string;
}
export interface PageCopyListener {
  readonly begun: (position: CopyPosition, bytes: number) => void;
  /** The piece is good until this returns. */
  readonly written: (piece: Uint8Array) => void;
}

/** The member commits twice a second; each try takes a few milliseconds. */
const PIN_TRIES = 5;
const PIN_WAIT_MS = 20;
const CHUNK_BYTES = 1_048_576;
/** Where SQLite's file header keeps things: https://www.sqlite.org/fileformat2.html#the_database_header */
const HEADER = { bytes: 100, versions: 18, firstTrunk: 32, freePages: 36 } as const;
/** The version of a file that needs no write-ahead log beside it. */
const WITHOUT_WAL = 1;

/**
 * Copies what `source` sees, and tells the position at once and then each piece written. False, with nothing
 * written, when something else keeps the log from being brought in; then only SQLite itself can copy.
 * `handle` is the state's file, opened by its owner: closing one here would take SQLite's locks away.
 */
export function copyPages(
  { source, statePath, handle, copyPath }: PageCopyOrder,
  told: PageCopyListener,
): boolean {
  const pinned = pin(source, statePath);
  if (pinned === null) return false;
  const bytes = pinned.pages * pinned.pageBytes;
  const free = freePages(handle, pinned);
  const target = openSync(copyPath, "wx", 0o600);
  try {
    told.begun(pinned.position, bytes);
    const buffer = Buffer.alloc(Math.max(CHUNK_BYTES, pinned.pageBytes));
    for (let at = 0; at < bytes; at += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, bytes - at));
      readWhole(handle, piece, at);
      if (at === 0) piece.fill(WITHOUT_WAL, HEADER.versions, HEADER.versions + 2);
      wipe(piece, at / pinned.pageBytes + 1, pinned.pageBytes, free);
      writeWhole(target, piece);
      told.written(piece);
    }
  } finally {
    closeSync(target);
    source.run("ROLLBACK");
  }
  return true;
}

/** A file from its beginning, in pieces that are good until the next. */
export function* piecesOf(path: string): Generator<Uint8Array> {
  const handle = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      const count = readSync(handle, buffer, 0, buffer.length, null);
      if (count === 0) return;
      yield buffer.subarray(0, count);
    }
  } finally {
    closeSync(handle);
  }
}

export function positionOf(db: Database): CopyPosition {
  const sql = "SELECT applied_index AS appliedIndex, time_ms AS timeMs, revision FROM applied";
  const row = db.query<CopyPosition, []>(sql).get();
  if (row === null) throw new Error("the state has no bookmark");
  return row;
}

/**
 * Begins to read once the file alone holds all that the reader sees. A checkpoint goes no further than the oldest
 * reader, so when it reports the whole log done, that includes this one's part and nothing after it; and nobody
 * may write to the file beyond it while this reader stays.
 */
function pin(source: Database, statePath: string): Pinned | null {
  const settler = new Database(statePath, { readwrite: true, strict: true });
  try {
    // Synced like the member's own: the log before its pages reach the file.
    settler.run("PRAGMA synchronous = NORMAL");
    const checkpoint = settler.query<Checkpointed, []>("PRAGMA wal_checkpoint(PASSIVE)");
    for (let attempt = 0; attempt < PIN_TRIES; attempt += 1) {
      source.run("BEGIN");
      const position = positionOf(source);
      const { busy, log, checkpointed } = checkpoint.get() ?? { busy: 1, log: 0, checkpointed: 0 };
      if (busy === 0 && log === checkpointed) {
        const [pages, pageBytes] = [pragma(source, "page_count"), pragma(source, "page_size")];
        return { position, pages, pageBytes };
      }
      source.run("ROLLBACK");
      Bun.sleepSync(PIN_WAIT_MS);
    }
    return null;
  } finally {
    settler.close();
  }
}

function pragma(db: Database, name: "page_count" | "page_size"): number {
  return db.query<Record<string, number>, []>(`PRAGMA ${name}`).get()?.[name] ?? 0;
}

/** Free pages by number, and how many bytes of each SQLite needs: its list, in those that carry it. */
function freePages(handle: number, { pages, pageBytes }: Pinned): ReadonlyMap<number, number> {
  const header = Buffer.alloc(HEADER.bytes);
  readWhole(handle, header, 0);
  const free = new Map<number, number>();
  const trunk = Buffer.alloc(pageBytes);
  let at = header.readUInt32BE(HEADER.firstTrunk);
  // No list is longer than its own count: one that runs in a circle ends here.
  for (let left = header.readUInt32BE(HEADER.freePages); at > 0 && left > 0; left -= 1) {
    if (at > pages) throw new Error("the list of free pages leads out of the file");
    readWhole(handle, trunk, (at - 1) * pageBytes);
    const count = Math.min(trunk.readUInt32BE(4), pageBytes / 4 - 2);
    free.set(at, 8 + 4 * count);
    for (let nth = 0; nth < count; nth += 1) free.set(trunk.readUInt32BE(8 + 4 * nth), 0);
    at = trunk.readUInt32BE(0);
  }
  return free;
}

/** Blanks what is free of a piece that begins with page `first`. */
function wipe(
  piece: Buffer,
  first: number,
  pageBytes: number,
  free: ReadonlyMap<number, number>,
): void {
  if (free.size === 0) return;
  for (let at = 0; at < piece.length; at += pageBytes) {
    const kept = free.get(first + at / pageBytes);
    if (kept !== undefined) piece.fill(0, at + kept, at + pageBytes);
  }
}

function readWhole(handle: number, buffer: Buffer, position: number): void {
  for (let at = 0; at < buffer.length; ) {
    const count = readSync(handle, buffer, at, buffer.length - at, position + at);
    if (count === 0) throw new Error("the state's file is shorter than its own count of pages");
    at += count;
  }
}

function writeWhole(handle: number, buffer: Buffer): void {
  for (let at = 0; at < buffer.length; ) at += writeSync(handle, buffer, at, buffer.length - at);
}
