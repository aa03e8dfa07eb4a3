/** Owns how many database handles a worker keeps open; the one unused longest is closed first. */
import type { Database } from "bun:sqlite";

export class DbLruCache {
  readonly #handles = new Map<string, Database>();
  readonly #handlesMax: number;

  constructor(handlesMax: number) {
    this.#handlesMax = handlesMax;
  }

  /** The open handle of `path`, or the one that `open` makes. */
  get(path: string, open: (path: string) => Database): Database {
    const handle = this.#handles.get(path) ?? open(path);
    this.#handles.delete(path);
    this.#handles.set(path, handle); // Maps keep insertion order: the newest is last.
    if (this.#handles.size > this.#handlesMax) this.#closeOldest();
    return handle;
  }

  /** Closes one handle, if it is open. */
  close(path: string): void {
    this.#handles.get(path)?.close();
    this.#handles.delete(path);
  }

  closeAll(): void {
    for (const handle of this.#handles.values()) handle.close();
    this.#handles.clear();
  }

  #closeOldest(): void {
    const oldest = this.#handles.entries().next().value;
    if (oldest === undefined) return;
    this.#handles.delete(oldest[0]);
    oldest[1].close();
  }
}
