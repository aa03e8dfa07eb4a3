/**
 * Owns moving a whole state to a follower that lacks what was compacted: copied off the event loop, kept
 * for a while, fetched by the follower over HTTP, verified and synced there before Raft hears of it.
 * It runs apart from the commit path (pitfall 18). Refuses to own: when one is needed (raft/replication.ts).
 */
import { existsSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CopyJob } from "./copy-job.ts";
import { CopyLoan } from "./copy-loan.ts";
import type { Logger } from "./logger.ts";
import { TRANSFER_PREFIX } from "./member.ts";
import type { SnapshotFacts } from "./raft/types.ts";
import { Refusal } from "./refusal.ts";
import { type StateFile, syncPath } from "./state-file.ts";
import type { Transport } from "./transport.ts";

/** How a follower finds and checks the bytes. */
export interface SnapshotFile {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}
export interface Snapshot {
  readonly facts: SnapshotFacts;
  readonly file: SnapshotFile;
}

/** After its last use a copy is kept this long; meanwhile the log above it is not compacted. */
const KEPT_MS = 30_000;
const FETCH_TIMEOUT_MS = 120_000;
/** Copies that backups are being read from: so many times the state may lie on disk. */
const LOANS_MAX = 4;

export class Snapshots {
  readonly #state: Pick<StateFile, "path" | "lend">;
  readonly #dataDir: string;
  readonly #loans = new Set<CopyLoan>();
  readonly #log: Logger;
  readonly #factsOf: (index: number, timeMs: number) => SnapshotFacts | null;
  #ready: Snapshot | null = null;
  #usedMs = 0;
  #copying = false;
  #fetching = false;
  #made = 0;

  constructor(
    state: Pick<StateFile, "path" | "lend">,
    log: Logger,
    factsOf: (index: number, timeMs: number) => SnapshotFacts | null,
  ) {
    this.#state = state;
    this.#dataDir = dirname(state.path);
    this.#log = log;
    this.#factsOf = factsOf;
  }

  /** Entries above this serve a follower that takes the present copy. */
  get heldIndex(): number {
    const used = this.#ready !== null && performance.now() - this.#usedMs < KEPT_MS;
    return used ? (this.#ready?.facts.index ?? Infinity) : Infinity;
  }

  /** A copy that the log continues, or null while one is being made. */
  current(baseIndex: number): Snapshot | null {
    const usable = this.#ready !== null && this.#ready.facts.index >= baseIndex;
    if (usable) this.#usedMs = performance.now();
    else void this.#copy();
    return usable ? this.#ready : null;
  }

  /** The bytes of a copy, or null when it is gone. */
  body(name: string): Blob | null {
    if (this.#ready?.file.name !== name) return null;
    this.#usedMs = performance.now();
    const path = join(this.#dataDir, name);
    return existsSync(path) ? Bun.file(path) : null;
  }

  /** Removes a copy that nobody asked for lately. */
  forget(): void {
    for (const loan of this.#loans) loan.endWhenIdle();
    if (this.#ready === null || performance.now() - this.#usedMs < KEPT_MS) return;
    this.#remove(this.#ready.file.name);
    this.#ready = null;
  }

  /** Fetches and verifies; resolves the name of the synced file, or null when it failed or one is under way. */
  async fetch(
    url: string,
    { apiKey, dial }: { readonly apiKey: string; readonly dial: Transport["dial"] },
    file: SnapshotFile,
  ): Promise<string | null> {
    if (this.#fetching) return null;
    this.#fetching = true;
    this.#made += 1;
    const name = `${TRANSFER_PREFIX}in-${this.#made}.db`;
    try {
      await download(url, { apiKey, dial }, join(this.#dataDir, name), file);
      syncPath(this.#dataDir);
      return name;
    } catch (error) {
      this.#log.error("a snapshot could not be fetched; the leader will offer it again", {
        err: error,
      });
      this.#remove(name);
      return null;
    } finally {
      this.#fetching = false;
    }
  }

  /**
   * A copy for whoever asked, in the making; removed by `giveBack`, or when nothing of it was read for long. Throws
   * `overloaded` while another is being made, or too many are being read.
   */
  copyForBackup(): CopyLoan {
    if (this.#copying) throw new Refusal("overloaded", "Another copy is being made; ask again.");
    if (this.#loans.size >= LOANS_MAX) {
      throw new Refusal("overloaded", `${LOANS_MAX} backups are being read; ask again.`);
    }
    const loan = new CopyLoan(this.#begin("backup"), () => this.#loans.delete(loan));
    this.#loans.add(loan);
    return loan;
  }

  /** One at a time. */
  #begin(purpose: "backup" | "out"): CopyJob {
    this.#copying = true;
    this.#made += 1;
    const copyPath = join(this.#dataDir, `${TRANSFER_PREFIX}${purpose}-${this.#made}.db`);
    const { path: statePath } = this.#state;
    const { handle, giveBack } = this.#state.lend();
    const job = new CopyJob({ statePath, handle, copyPath });
    const over = () => {
      giveBack();
      this.#copying = false;
    };
    void job.done.then(over, over);
    return job;
  }

  async #copy(): Promise<void> {
    if (this.#copying) return;
    const job = this.#begin("out");
    try {
      const { appliedIndex, timeMs, sha256, bytes } = await job.done;
      const facts = this.#factsOf(appliedIndex, timeMs);
      if (facts === null) throw new Error("the log was compacted past it meanwhile");
      if (this.#ready !== null) this.#remove(this.#ready.file.name);
      this.#ready = { facts, file: { name: basename(job.path), sha256, bytes } };
      this.#usedMs = performance.now();
    } catch (error) {
      rmSync(job.path, { force: true });
      const why = error instanceof Error ? error.message : String(error);
      this.#log.error("a snapshot could not be made; it is tried again when needed", { why });
    }
  }

  #remove(name: string): void {
    rmSync(join(this.#dataDir, name), { force: true });
  }
}

async function download(
  url: string,
  { apiKey, dial }: { readonly apiKey: string; readonly dial: Transport["dial"] },
  path: string,
  { sha256, bytes }: SnapshotFile,
): Promise<void> {
  const headers = { authorization: `Bearer ${apiKey}` };
  const signal = AbortSignal.timeout(FETCH_TIMEOUT_MS);
  const response = await fetch(url, { headers, signal, ...dial });
  if (!response.ok || response.body === null) throw new Error(`it answered ${response.status}`);
  const hasher = new Bun.CryptoHasher("sha256");
  const target = await open(path, "wx");
  let received = 0;
  try {
    for await (const chunk of response.body) {
      received += chunk.length;
      if (received > bytes) throw new Error(`more than the ${bytes} bytes promised`);
      hasher.update(chunk);
      await target.write(chunk);
    }
    await target.sync();
  } finally {
    await target.close();
  }
  if (received !== bytes || hasher.digest("hex") !== sha256)
    throw new Error("the checksum differs");
}
