/**
 * Owns the workspace of every instance: its files now, and each as it was. Every write and every deletion is an
 * iteration of the whole workspace, numbered 1, 2, 3 …; contents are kept once per tenant, under their SHA-256.
 * Refuses to own: transactions (`store/store.ts`), names (`files/file-path.ts`). Source: Chronicle's workspace.
 *
 * INVARIANT P14: an iteration never changes, and what it names is there as long as it is.
 */
import type { Database } from "bun:sqlite";
import { createHash } from "node:crypto";
import { ApiError } from "@concert/service-kit";
import type { Instance } from "./instances.ts";

/** What one workspace may hold; what is over is refused, nothing is thrown away to make room. */
export const WORKSPACE_LIMITS = {
  fileBytes: 262_144,
  files: 1_000,
  /** All iterations together, a content counted as often as it was written. */
  keptBytes: 134_217_728,
  iterations: 10_000,
} as const;
const HISTORY_MAX = 1_000;

export interface StoredFile {
  readonly path: string;
  readonly iteration: number;
  readonly content: Uint8Array;
}

export interface FileIteration {
  readonly iteration: number;
  /** Epoch ms. */
  readonly timestamp: number;
  readonly size: number;
  /** SHA-256 in hex; empty where the iteration is a deletion. */
  readonly hash: string;
  readonly deleted?: true;
}

export interface FileChange {
  readonly path: string;
  readonly change: "created" | "modified" | "deleted";
  readonly iteration: number;
}

/** Whose workspace: contents are kept apart by tenant. */
export type Owner = Pick<Instance, "instanceId" | "tenantId">;

interface IterationRow {
  iteration: number;
  timestamp: number;
  size: number;
  hash: string;
}

export class Workspaces {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Every file there is now, by path. */
  files(instanceId: string): { readonly path: string; readonly size: number }[] {
    return this.#db
      .query<{ path: string; size: number }, [string]>(
        "SELECT path, size FROM files WHERE instance_id = ? ORDER BY path",
      )
      .all(instanceId);
  }

  /** The file as it is. Throws `ApiError` 404 `unknown_file`. */
  read(owner: Owner, path: string): StoredFile {
    return this.at(owner, path, this.head(owner.instanceId));
  }

  /** The file as it was after iteration `n` of the workspace. Throws `ApiError` 404 `unknown_file`. */
  at(owner: Owner, path: string, n: number): StoredFile {
    const row = this.#db
      .query<{ iteration: number; hash: string }, [string, string, number]>(
        `SELECT iteration, hash FROM file_iterations
         WHERE instance_id = ? AND path = ? AND iteration <= ? ORDER BY iteration DESC LIMIT 1`,
      )
      .get(owner.instanceId, path, n);
    if (row === null || row.hash === "" || n > this.head(owner.instanceId)) throw unknownFile(path);
    return { path, iteration: row.iteration, content: this.#content(owner.tenantId, row.hash) };
  }

  /** Iterations of a file, the newest 1,000, oldest first. Throws `ApiError` 404 for a path that never was. */
  history(instanceId: string, path: string): FileIteration[] {
    const rows = this.#db
      .query<IterationRow, [string, string, number]>(
        `SELECT iteration, at_ms AS timestamp, size, hash FROM file_iterations
         WHERE instance_id = ? AND path = ? ORDER BY iteration DESC LIMIT ?`,
      )
      .all(instanceId, path, HISTORY_MAX);
    if (rows.length === 0) throw unknownFile(path);
    return rows.reverse().map((row) => (row.hash === "" ? { ...row, deleted: true } : row));
  }

  /** The number of the newest iteration; 0 before the first. */
  head(instanceId: string): number {
    return this.#totals(instanceId).iteration;
  }

  /** A new iteration of the file. Throws `ApiError` 409 or 413 before anything is changed. */
  write(owner: Owner, path: string, content: Uint8Array, atMs: number): FileChange {
    const { instanceId, tenantId } = owner;
    const size = content.length;
    const isNew = !this.#isFile(instanceId, path);
    refuseTooLarge(path, size);
    if (isNew) this.#refuseNew(instanceId, path);
    const iteration = this.#advance(instanceId, size);
    const hash = createHash("sha256").update(content).digest("hex");
    this.#db
      .query(
        "INSERT INTO objects (tenant_id, hash, content) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      )
      .run(tenantId, hash, content);
    this.#keep(instanceId, iteration, { path, atMs, size, hash });
    this.#db
      .query(
        `INSERT INTO files (instance_id, path, size) VALUES (?, ?, ?)
         ON CONFLICT (instance_id, path) DO UPDATE SET size = excluded.size`,
      )
      .run(instanceId, path, size);
    return { path, change: isNew ? "created" : "modified", iteration };
  }

  /** The file is gone from now on; its past stays. Throws `ApiError` 404 `unknown_file`. */
  remove({ instanceId }: Owner, path: string, atMs: number): FileChange {
    if (!this.#isFile(instanceId, path)) throw unknownFile(path);
    const iteration = this.#advance(instanceId, 0);
    this.#keep(instanceId, iteration, { path, atMs, size: 0, hash: "" });
    this.#db.query("DELETE FROM files WHERE instance_id = ? AND path = ?").run(instanceId, path);
    return { path, change: "deleted", iteration };
  }

  #isFile(instanceId: string, path: string): boolean {
    const row = this.#db
      .query("SELECT 1 FROM files WHERE instance_id = ? AND path = ?")
      .get(instanceId, path);
    return row !== null;
  }

  /** A name is a file or a folder, never both. */
  #refuseNew(instanceId: string, path: string): void {
    const files = this.files(instanceId);
    if (files.length >= WORKSPACE_LIMITS.files) {
      throw full(`has ${WORKSPACE_LIMITS.files} files; delete one first`);
    }
    const below = files.find((file) => file.path.startsWith(`${path}/`));
    const above = files.find((file) => path.startsWith(`${file.path}/`));
    if (below !== undefined) {
      throw new ApiError(409, "path_taken", `"${path}" is a folder: it holds "${below.path}".`);
    }
    if (above !== undefined) {
      throw new ApiError(409, "path_taken", `"${above.path}" is a file and holds no others.`);
    }
  }

  #totals(instanceId: string): { readonly iteration: number; readonly keptBytes: number } {
    const row = this.#db
      .query<{ iteration: number; keptBytes: number }, [string]>(
        "SELECT iteration, kept_bytes AS keptBytes FROM workspaces WHERE instance_id = ?",
      )
      .get(instanceId);
    return row ?? { iteration: 0, keptBytes: 0 };
  }

  /** Counts one more iteration of `size` bytes and answers its number. */
  #advance(instanceId: string, size: number): number {
    const { iteration, keptBytes } = this.#totals(instanceId);
    if (iteration >= WORKSPACE_LIMITS.iterations) {
      throw full(`has been changed ${WORKSPACE_LIMITS.iterations} times, which is all it may`);
    }
    if (size > 0 && keptBytes + size > WORKSPACE_LIMITS.keptBytes) {
      throw full(`keeps ${keptBytes} bytes with its history; ${size} more are too many`);
    }
    this.#db
      .query(
        `INSERT INTO workspaces (instance_id, iteration, kept_bytes) VALUES (?1, 1, ?2)
         ON CONFLICT (instance_id) DO UPDATE SET iteration = iteration + 1, kept_bytes = kept_bytes + ?2`,
      )
      .run(instanceId, size);
    return iteration + 1;
  }

  #keep(
    instanceId: string,
    iteration: number,
    { path, atMs, size, hash }: { path: string; atMs: number; size: number; hash: string },
  ): void {
    this.#db
      .query(
        "INSERT INTO file_iterations (instance_id, iteration, path, at_ms, size, hash) VALUES (?, ?, ?, ?, ?, ?)",
      )
      .run(instanceId, iteration, path, atMs, size, hash);
  }

  /** What the tenant keeps under `hash`. Other bytes than were written are nobody's file: it throws. */
  #content(tenantId: string, hash: string): Uint8Array {
    const row = this.#db
      .query<{ content: Uint8Array }, [string, string]>(
        "SELECT content FROM objects WHERE tenant_id = ? AND hash = ?",
      )
      .get(tenantId, hash);
    if (row === null) throw new Error(`P14: nothing is kept under ${hash}`);
    if (createHash("sha256").update(row.content).digest("hex") !== hash) {
      throw new Error(`P14: what is kept under ${hash} is not what was written`);
    }
    return row.content;
  }
}

function refuseTooLarge(path: string, size: number): void {
  if (size <= WORKSPACE_LIMITS.fileBytes) return;
  const message = `"${path}" would have ${size} bytes; a file has at most ${WORKSPACE_LIMITS.fileBytes}.`;
  throw new ApiError(413, "file_too_large", message);
}

function full(why: string): ApiError {
  return new ApiError(409, "workspace_full", `The workspace ${why}.`);
}

function unknownFile(path: string): ApiError {
  return new ApiError(404, "unknown_file", `The workspace has no file "${path}" there.`);
}
