/**
 * Owns a copy of the state while someone reads it: its file is there until they are through, or take nothing for
 * long. Refuses to own: how many there may be (snapshots.ts).
 */
import { rmSync } from "node:fs";
import type { Copied, CopyJob } from "./copy-job.ts";
import type { CopyBegun } from "./snapshot-worker.ts";

/** More than a connection may be silent before the server ends it. */
const IDLE_MS = 300_000;

export class CopyLoan {
  readonly #job: CopyJob;
  readonly #returned: () => void;
  #usedMs = performance.now();
  #over = false;

  constructor(job: CopyJob, returned: () => void) {
    this.#job = job;
    this.#returned = returned;
    job.done.catch(() => this.giveBack());
  }

  get begun(): Promise<CopyBegun> {
    return this.#job.begun;
  }

  get done(): Promise<Copied> {
    return this.#job.done;
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    for await (const piece of this.#job.bytes()) {
      this.#usedMs = performance.now();
      if (this.#over) throw new Error("the copy was taken back: nothing of it was read for long");
      yield piece;
    }
  }

  endWhenIdle(): void {
    if (performance.now() - this.#usedMs > IDLE_MS) void this.giveBack();
  }

  /** Removes the file, once nobody writes to it any more. */
  async giveBack(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    await this.#job.done.catch(() => undefined);
    rmSync(this.#job.path, { force: true });
    this.#returned();
  }
}
