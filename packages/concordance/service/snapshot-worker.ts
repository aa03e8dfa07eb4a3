/**
 * Owns copying a state away from the event loop, on connections of its own: one consistent file, and its
 * checksum. Told what to copy in one message, tells how it goes, and is ended by its owner.
 */
import { Database } from "bun:sqlite";
import { type CopyPosition, copyPages, piecesOf, positionOf } from "./page-copy.ts";

declare const self: Worker;

export interface CopyOrder {
  readonly statePath: string;
  /** The state's file, open. */
  readonly handle: number;
  readonly copyPath: string;
}
export interface CopyBegun extends CopyPosition {
  /** Of the whole copy. */
  readonly bytes: number;
}
/** `begun` first, then any number of `written`, then `done`; or `failed` at any point. */
export type CopyNews =
  | { readonly kind: "begun"; readonly begun: CopyBegun }
  /** So many bytes from the beginning are final. */
  | { readonly kind: "written"; readonly bytes: number }
  | { readonly kind: "done"; readonly sha256: string }
  | { readonly kind: "failed"; readonly why: string };

class Copy {
  readonly #order: CopyOrder;
  readonly #hasher = new Bun.CryptoHasher("sha256");
  #begun: CopyBegun | null = null;
  #bytes = 0;

  constructor(order: CopyOrder) {
    this.#order = order;
  }

  run(): void {
    const { statePath, copyPath } = this.#order;
    const source = new Database(statePath, { readonly: true, strict: true });
    try {
      const told = {
        begun: (position: CopyPosition, bytes: number) => this.#tellBegun({ ...position, bytes }),
        written: (piece: Uint8Array) => this.#tellWritten(piece),
      };
      if (!copyPages({ ...this.#order, source }, told)) this.#vacuum(source);
    } finally {
      source.close();
    }
    // Each commit moves the bookmark: it differs when anything is missing, or the state was replaced meanwhile.
    if (positionIn(copyPath).appliedIndex !== this.#begun?.appliedIndex) {
      throw new Error("the copy is not of the moment it was begun");
    }
    tell({ kind: "done", sha256: this.#hasher.digest("hex") });
  }

  /** By SQLite, which puts up with other readers, and takes three times as long. */
  #vacuum(source: Database): void {
    const { copyPath } = this.#order;
    source.query("VACUUM INTO ?").run(copyPath);
    this.#tellBegun({ ...positionIn(copyPath), bytes: Bun.file(copyPath).size });
    for (const piece of piecesOf(copyPath)) this.#tellWritten(piece);
  }

  #tellBegun(begun: CopyBegun): void {
    this.#begun = begun;
    tell({ kind: "begun", begun });
  }

  #tellWritten(piece: Uint8Array): void {
    this.#hasher.update(piece);
    this.#bytes += piece.length;
    tell({ kind: "written", bytes: this.#bytes });
  }
}

function positionIn(path: string): CopyPosition {
  const db = new Database(path, { readonly: true, strict: true });
  try {
    return positionOf(db);
  } finally {
    db.close();
  }
}

function tell(news: CopyNews): void {
  self.postMessage(news);
}

self.onmessage = ({ data }: MessageEvent<CopyOrder>) => {
  try {
    new Copy(data).run();
  } catch (error) {
    tell({ kind: "failed", why: String(error) });
  }
};
