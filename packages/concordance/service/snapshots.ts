/**
 * Owns moving a whole state to a follower that lacks what was compacted: copied off the event loop, kept
 * for a while, fetched by the follower over HTTP, verified and synced there before Raft hears of it.
 * It runs apart from the commit path (pitfall 18). Refuses to own: when one is needed (raft/replication.ts).
 */
import { existsSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "./logger.ts";
import { TRANSFER_PREFIX } from "./member.ts";
import type { SnapshotFacts } from "./raft/types.ts";
import { Refusal } from "./refusal.ts";
import type { CopyAnswer, CopyOrder } from "./snapshot-worker.ts";
import { syncPath } from "./state-file.ts";
import type { Transport } from "./transport.ts";

/** How a follower finds and checks the bytes. */
export interface SnapshotFile {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}
export type Copied = Extract<CopyAnswer, { ok: true }>;
export interface Snapshot {
  readonly facts: SnapshotFacts;
  readonly file: SnapshotFile;
}

/** After its last use a copy is kept this long; meanwhile the log above it is not compacted. */
const KEPT_MS = 30_000;
const FETCH_TIMEOUT_MS = 120_000;

export class Snapshots {
  readonly #dataDir: string;
  readonly #log: Logger;
  readonly #factsOf: (index: number, timeMs: number) => SnapshotFacts | null;
  #ready: Snapshot | null = null;
  #usedMs = 0;
  #copying = false;
  #fetching = false;
  #made = 0;

  constructor(
    dataDir: string,
    log: Logger,
    factsOf: (index: number, timeMs: number) => SnapshotFacts | null,
  ) {
    this.#dataDir = dataDir;
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
    if (this.#ready === null || performance.now() - this.#usedMs < KEPT_MS) return;
    rmSync(join(this.#dataDir, this.#ready.file.name), { force: true });
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
      rmSync(join(this.#dataDir, name), { force: true });
      return null;
    } finally {
      this.#fetching = false;
    }
  }

  /** A verified copy for whoever asked, who removes it. Throws `overloaded` while another is being made. */
  async copyForBackup(): Promise<{ readonly path: string; readonly copy: Copied }> {
    if (this.#copying) throw new Refusal("overloaded", "Another copy is being made; ask again.");
    this.#copying = true;
    this.#made += 1;
    const path = join(this.#dataDir, `${TRANSFER_PREFIX}backup-${this.#made}.db`);
    try {
      const answer = await copied({ statePath: join(this.#dataDir, "state.db"), copyPath: path });
      if (answer.ok) return { path, copy: answer };
      rmSync(path, { force: true });
      throw new Error(`the state could not be copied: ${answer.why}`);
    } finally {
      this.#copying = false;
    }
  }

  async #copy(): Promise<void> {
    if (this.#copying) return;
    this.#copying = true;
    this.#made += 1;
    const name = `${TRANSFER_PREFIX}out-${this.#made}.db`;
    const copyPath = join(this.#dataDir, name);
    const answer = await copied({ statePath: join(this.#dataDir, "state.db"), copyPath });
    this.#copying = false;
    const facts = answer.ok ? this.#factsOf(answer.appliedIndex, answer.timeMs) : null;
    if (!answer.ok || facts === null) {
      rmSync(copyPath, { force: true });
      const why = answer.ok ? "the log was compacted past it meanwhile" : answer.why;
      this.#log.error("a snapshot could not be made; it is tried again when needed", { why });
      return;
    }
    if (this.#ready !== null) {
      rmSync(join(this.#dataDir, this.#ready.file.name), { force: true });
    }
    const { sha256, bytes } = answer;
    this.#ready = { facts, file: { name, sha256, bytes } };
    this.#usedMs = performance.now();
  }
}

function copied(order: CopyOrder): Promise<CopyAnswer> {
  const worker = new Worker(new URL("./snapshot-worker.ts", import.meta.url));
  return new Promise<CopyAnswer>((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<CopyAnswer>) => resolve(data);
    worker.onerror = ({ message }) => resolve({ ok: false, why: message });
    worker.postMessage(order);
  }).finally(() => worker.terminate());
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
