/**
 * Owns how many database handles a worker keeps open; the one unused longest is closed first. A handle that has been
 * used holds some 250 KB, a third of it pages and another third what opening costs: who is not used for a while gives
 * some back (`shrinkUnused`) or all (`closeUnused`).
 */
import type { Database } from "bun:sqlite";

interface Handle {
  readonly database: Database;
  usedAtMs: number;
  isShrunk: boolean;
}

export class DbLruCache {
  /** The one unused longest first. */
  readonly #handles = new Map<string, Handle>();
  readonly #handlesMax: number;

  constructor(handlesMax: number) {
    this.#handlesMax = handlesMax;
  }

  get size(): number {
    return this.#handles.size;
  }

  /** The open handle of `path`, or the one that `open` makes. */
  get(path: string, nowMs: number, open: (path: string) => Database): Database {
    const { database } = this.#handles.get(path) ?? { database: open(path) };
    this.#handles.delete(path);
    this.#handles.set(path, { database, usedAtMs: nowMs, isShrunk: false });
    if (this.#handles.size > this.#handlesMax) this.#closeOldest();
    return database;
  }

  /** Closes one handle, if it is open. */
  close(path: string): void {
    this.#handles.get(path)?.database.close();
    this.#handles.delete(path);
  }

  closeAll(): void {
    for (const { database } of this.#handles.values()) database.close();
    this.#handles.clear();
  }

  /** What has not been used since keeps its handle, not its pages. */
  shrinkUnused(sinceMs: number): void {
    for (const handle of this.#handles.values()) {
      if (handle.usedAtMs > sinceMs) return;
      if (!handle.isShrunk) handle.database.run("PRAGMA shrink_memory");
      handle.isShrunk = true;
    }
  }

  closeUnused(sinceMs: number): void {
    for (const [path, { usedAtMs }] of this.#handles) {
      if (usedAtMs > sinceMs) return;
      this.close(path);
    }
  }

  #closeOldest(): void {
    const [oldest = ""] = this.#handles.keys();
    this.close(oldest);
  }
}
