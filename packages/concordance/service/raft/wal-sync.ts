/**
 * Owns syncing SQLite's write-ahead log from outside of SQLite: at once, or beside the event loop while it serves
 * everything else. A database in `synchronous = NORMAL` writes a commit into that file and leaves it to the system;
 * synced, it survives a power cut (SQLite, "Write-Ahead Logging" §2.1). SQLite itself syncs the file before a
 * checkpoint and when it begins it anew. Refuses to own: what is written, and that nothing is until the sync is over.
 */
import { closeSync, fdatasync, fdatasyncSync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";

/** Elsewhere `fdatasync` may leave data in the drive's cache, and SQLite knows the right call. */
export const SYNCS_FROM_OUTSIDE = process.platform === "linux";

export class WalSync {
  readonly #handle: number;
  #underWay = 0;
  #isClosed = false;

  /** `path` of a log that the database keeps open. What a process that was killed left unsynced is synced. */
  constructor(path: string) {
    this.#handle = openSync(path, "r");
    fdatasyncSync(this.#handle);
    const folder = openSync(dirname(path), "r");
    fsyncSync(folder);
    closeSync(folder);
  }

  /** Throws when the disk refuses: what it holds then is for the next start to see (pitfall 3). */
  now(): void {
    fdatasyncSync(this.#handle);
  }

  /** `done` hears of a disk that refuses. */
  later(done: (failure: Error | null) => void): void {
    this.#underWay += 1;
    fdatasync(this.#handle, (failure) => {
      this.#underWay -= 1;
      this.#closeWhenIdle();
      done(failure);
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (this.#isClosed && this.#underWay === 0) closeSync(this.#handle);
  }
}
