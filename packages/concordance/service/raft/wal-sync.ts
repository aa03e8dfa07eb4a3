/**
 * Owns syncing SQLite's write-ahead log from outside of SQLite: at once, or beside the event loop while it serves
 * everything else. A database in `synchronous = NORMAL` writes a commit into that file and leaves it to the system;
 * synced, it survives a power cut (SQLite, "Write-Ahead Logging" §2.1). SQLite itself syncs the file before a
 * checkpoint and when it begins it anew. Refuses to own: what is written, and that nothing is until the sync is over.
 *
 * A disk that is quick is waited for: waking another thread and hearing of it would take longer, and three members on
 * two cores used 8 % more processor time for each put.
 */
import { closeSync, fdatasync, fdatasyncSync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";

/** Elsewhere `fdatasync` may leave data in the drive's cache, and SQLite knows the right call. */
export const SYNCS_FROM_OUTSIDE = process.platform === "linux";

/** From here on it is worth another thread. */
const SLOW_MS = 1.5;
/** Of the latest, in how long a sync usually takes. */
const LATEST_WEIGHT = 0.2;

export class WalSync {
  readonly #handle: number;
  #usualMs = 0;
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

  /** Whether the disk takes so long that others should be served meanwhile. */
  get isSlow(): boolean {
    return this.#usualMs >= SLOW_MS;
  }

  /** Throws when the disk refuses: what it holds then is for the next start to see (pitfall 3). */
  now(): void {
    const begunMs = performance.now();
    fdatasyncSync(this.#handle);
    this.#took(performance.now() - begunMs);
  }

  /** `done` hears of a disk that refuses. */
  later(done: (failure: Error | null) => void): void {
    this.#underWay += 1;
    const begunMs = performance.now();
    fdatasync(this.#handle, (failure) => {
      this.#took(performance.now() - begunMs);
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

  #took(ms: number): void {
    this.#usualMs += LATEST_WEIGHT * (ms - this.#usualMs);
  }

  #closeWhenIdle(): void {
    if (this.#isClosed && this.#underWay === 0) closeSync(this.#handle);
  }
}
