/**
 * Owns one copy of the state in the making, as the event loop sees it: a worker makes the file, and whoever wants
 * its bytes reads them as they come. Refuses to own: making it (page-copy.ts), what it is for (snapshots.ts).
 */
import { open } from "node:fs/promises";
import type { CopyBegun, CopyNews, CopyOrder } from "./snapshot-worker.ts";

const CHUNK_BYTES = 262_144;

export interface Copied extends CopyBegun {
  readonly sha256: string;
}

export class CopyJob {
  readonly path: string;
  /** Rejects, as does `done`, when the copy could not be made. */
  readonly begun: Promise<CopyBegun>;
  readonly done: Promise<Copied>;
  readonly #begun = Promise.withResolvers<CopyBegun>();
  readonly #done = Promise.withResolvers<string>();
  #writtenBytes = 0;
  #grown = Promise.withResolvers<void>();

  constructor(order: CopyOrder) {
    this.path = order.copyPath;
    this.begun = this.#begun.promise;
    const worker = new Worker(new URL("./snapshot-worker.ts", import.meta.url));
    worker.onmessage = ({ data }: MessageEvent<CopyNews>) => this.#hear(data);
    worker.onerror = ({ message }) => this.#hear({ kind: "failed", why: message });
    this.done = this.#whole().finally(() => worker.terminate());
    // Whoever waits is told; that nobody waits is no failure of the process.
    for (const one of [this.begun, this.done]) one.catch(() => undefined);
    worker.postMessage(order);
  }

  async #whole(): Promise<Copied> {
    const sha256 = await this.#done.promise;
    return { ...(await this.begun), sha256 };
  }

  /** All bytes, the first of them long before the copy is done. Throws when it cannot be. */
  async *bytes(): AsyncGenerator<Uint8Array> {
    const { bytes } = await this.begun;
    const file = await open(this.path, "r");
    try {
      for (let at = 0; at < bytes; ) {
        const length = Math.min(CHUNK_BYTES, (await this.#beyond(at)) - at);
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
        if (bytesRead === 0) throw new Error("the copy is shorter than it was said to be");
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  /** How much is written, once that is more than `at`. */
  async #beyond(at: number): Promise<number> {
    while (this.#writtenBytes <= at) await this.#grown.promise;
    return this.#writtenBytes;
  }

  #hear(news: CopyNews): void {
    if (news.kind === "begun") this.#begun.resolve(news.begun);
    else if (news.kind === "done") this.#done.resolve(news.sha256);
    else if (news.kind === "failed") this.#fail(new Error(news.why));
    else this.#grow(news.bytes);
  }

  #grow(bytes: number): void {
    this.#writtenBytes = bytes;
    this.#grown.resolve();
    this.#grown = Promise.withResolvers<void>();
  }

  #fail(error: Error): void {
    this.#begun.reject(error);
    this.#done.reject(error);
    this.#grown.promise.catch(() => undefined);
    this.#grown.reject(error);
  }
}
