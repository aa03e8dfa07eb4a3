/**
 * Owns `state.db` as a file: opening it, making it survive a power cut, and putting a received state in
 * its place so that a crash at any point leaves the old one or the new one (pitfall 22).
 * Refuses to own: rows (shared/store.ts), and what a snapshot stands for (raft/log.ts keeps that).
 */
import type { Database } from "bun:sqlite";
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { STATE_DDL } from "../shared/schema.ts";
import { claimState, KvStore } from "../shared/store.ts";
import { DataDirectoryUnusable, openDatabase } from "./raft/log.ts";

/** Room for the upper pages of 100,000 keys and the leaves of some 20,000. */
const CACHE_KIB = 16_384;

export class StateFile {
  readonly path: string;
  readonly store: KvStore;
  readonly #clusterId: string;
  #db: Database;
  #file: LentFile;

  /** Throws `DataDirectoryUnusable` when the file belongs to another cluster. */
  constructor(path: string, clusterId: string) {
    this.path = path;
    this.#clusterId = clusterId;
    this.#db = this.#open();
    this.#file = new LentFile(path);
    this.store = new KvStore(this.#db);
  }

  /** The present file, for reading whole pages; it stays open until it is given back. */
  lend(): { readonly handle: number; readonly giveBack: () => void } {
    return this.#file.lend();
  }

  /**
   * Resolves once what is applied now survives a power cut: what is not in the file yet is in the synced WAL.
   * The disk works beside the event loop meanwhile, and more may be applied.
   */
  async sync(): Promise<void> {
    this.store.commit();
    await syncLater(`${this.path}-wal`);
    await syncLater(dirname(this.path));
  }

  /** Takes a verified, synced file of the same directory in place of the present one. */
  replace(file: string): void {
    this.store.release();
    this.#db.close();
    this.#file.retire();
    moveInto(file, this.path);
    this.#db = this.#open();
    this.#file = new LentFile(this.path);
    this.store.swap(this.#db);
  }

  close(): void {
    this.store.release();
    this.#db.close();
    this.#file.retire();
  }

  /** Not exclusive: the snapshot worker reads beside it. `raft.db` keeps other processes out. */
  #open(): Database {
    const options = { synchronous: "NORMAL", exclusive: false } as const;
    const db = openDatabase(this.path, { ...options, cacheKib: CACHE_KIB, ddl: STATE_DDL });
    // What is deleted is blanked where the page is written anyway: it must not travel in copies (page-copy.ts).
    db.run("PRAGMA secure_delete = FAST");
    if (claimState(db, this.#clusterId) !== "foreign") return db;
    db.close();
    throw new DataDirectoryUnusable(
      `${this.path} is of another cluster or format than raft.db; move it away and it is rebuilt from the log`,
    );
  }
}

/**
 * A file beside SQLite's own use of it. It stays open as long as the database: closing any descriptor of a file takes
 * away all locks that the process has on it, and another program might then think it was alone.
 */
class LentFile {
  readonly #handle: number;
  #users = 1;

  constructor(path: string) {
    this.#handle = openSync(path, "r");
  }

  lend(): { readonly handle: number; readonly giveBack: () => void } {
    this.#users += 1;
    return { handle: this.#handle, giveBack: () => this.retire() };
  }

  /** Closes it after its last user. */
  retire(): void {
    this.#users -= 1;
    if (this.#users === 0) closeSync(this.#handle);
  }
}

/** Completes a replacement that a crash cut short. The file is gone when only the last step was missing. */
export function finishReplacement(statePath: string, file: string): void {
  if (existsSync(join(dirname(statePath), basename(file)))) moveInto(file, statePath);
}

function moveInto(file: string, statePath: string): void {
  const source = join(dirname(statePath), basename(file));
  for (const suffix of ["-wal", "-shm"]) rmSync(statePath + suffix, { force: true });
  renameSync(source, statePath);
  syncPath(dirname(statePath));
}

/** Makes a file's content, or a directory's names, survive a power cut. */
export function syncPath(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** The same without holding up the event loop. */
async function syncLater(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
