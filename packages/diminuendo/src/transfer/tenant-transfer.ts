/**
 * Owns how a tenant moves from one gateway to another: its registry and its sessions as one folder that can be copied,
 * with a manifest of what is in it. What is brought in begins a new epoch: nobody can know whether the other gateway
 * went on numbering, so every client reads its sessions anew instead of trusting a number that may stand for two events.
 */
import type { Database } from "bun:sqlite";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import * as Schema from "effect/Schema";
import { lockDataDir } from "../db/data-dir-lock.ts";
import { databasePath, openForReading, openForWriting, SAFE_NAME } from "../db/database-files.ts";
import { foldJournal } from "../db/event-journal.ts";
import { migrate } from "../db/migrations.ts";
import type { DatabaseName } from "../db/storage.ts";

const Manifest = Schema.Struct({
  format: Schema.Literal(1),
  tenantId: Schema.String.check(Schema.isPattern(SAFE_NAME)),
  files: Schema.Array(
    Schema.Struct({
      shape: Schema.Literals(["registry", "session"]),
      id: Schema.String.check(Schema.isPattern(SAFE_NAME)),
      sha256: Schema.String,
    }),
  ),
});
type Manifest = typeof Manifest.Type;

export interface Moved {
  readonly tenantId: string;
  readonly sessions: number;
}

/** A move that cannot be made; the message says why and what to do. */
export class TransferError extends Error {}

/** Writes the tenant into the new folder `to`. The gateway must not be running. Throws `TransferError`. */
export function exportTenant(dataDir: string, tenantId: string, to: string): Moved {
  const unlock = lock(dataDir);
  try {
    const registry: DatabaseName = { shape: "registry", id: tenantId };
    if (!SAFE_NAME.test(tenantId) || !existsSync(databasePath(dataDir, registry))) {
      throw new TransferError(`there is no tenant "${tenantId.slice(0, 60)}" in ${dataDir}`);
    }
    if (existsSync(to)) throw new TransferError(`${to} exists already; name a new folder`);
    foldJournal(dataDir, Date.now());
    const names = [registry, ...sessionsOf(dataDir, tenantId)];
    const files = names.map((name) => ({ ...name, sha256: copyOut(dataDir, name, to) }));
    const manifest: Manifest = { format: 1, tenantId, files };
    writeFileSync(join(to, "manifest.json"), JSON.stringify(manifest, null, 2));
    return { tenantId, sessions: files.length - 1 };
  } finally {
    unlock();
  }
}

/** Brings a tenant in from `from`. Whole or not at all: what exists is never touched. Throws `TransferError`. */
export function importTenant(dataDir: string, from: string): Moved {
  const manifest = readManifest(from);
  const unlock = lock(dataDir);
  const staging = join(dataDir, `importing-${manifest.tenantId}`);
  try {
    rmSync(staging, { recursive: true, force: true });
    for (const file of manifest.files) {
      if (existsSync(databasePath(dataDir, file))) {
        throw new TransferError(`${file.shape} ${file.id} is in ${dataDir} already`);
      }
      takeIn(from, staging, file);
    }
    // The registry comes last: until then nobody can find the sessions.
    for (const file of manifest.files.toReversed()) {
      const target = dirname(databasePath(dataDir, file));
      mkdirSync(dirname(target), { recursive: true });
      renameSync(dirname(databasePath(staging, file)), target);
    }
    return { tenantId: manifest.tenantId, sessions: manifest.files.length - 1 };
  } finally {
    rmSync(staging, { recursive: true, force: true });
    unlock();
  }
}

function sessionsOf(dataDir: string, tenantId: string): readonly DatabaseName[] {
  const registry = openForReading(databasePath(dataDir, { shape: "registry", id: tenantId }));
  try {
    return (
      registry
        .query<{ session_id: string }, []>("SELECT session_id FROM sessions ORDER BY session_id")
        .all()
        .map(({ session_id: id }) => ({ shape: "session" as const, id }))
        // A session that nobody has opened has no database yet.
        .filter((name) => existsSync(databasePath(dataDir, name)))
    );
  } finally {
    registry.close();
  }
}

/** One file, with what its write-ahead log still held. */
function copyOut(dataDir: string, name: DatabaseName, to: string): string {
  const target = databasePath(to, name);
  mkdirSync(dirname(target), { recursive: true });
  const source = openForReading(databasePath(dataDir, name));
  source.run("PRAGMA query_only = OFF");
  source.query("VACUUM INTO ?").run(target);
  source.close();
  return digestOf(target);
}

function takeIn(from: string, staging: string, file: Manifest["files"][number]): void {
  const source = databasePath(from, file);
  if (!existsSync(source) || digestOf(source) !== file.sha256) {
    throw new TransferError(`${file.shape} ${file.id} is missing or not what was exported`);
  }
  const target = databasePath(staging, file);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(source, target);
  const database: Database = openForWriting(target);
  migrate(database, file.shape);
  if (file.shape === "session") {
    const epoch = `epoch_${crypto.randomUUID().replaceAll("-", "")}`;
    database.query("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)").run(epoch);
  }
  database.close();
}

function readManifest(from: string): Manifest {
  try {
    const text = readFileSync(join(from, "manifest.json"), "utf8");
    return Schema.decodeUnknownSync(Manifest)(JSON.parse(text));
  } catch (error) {
    throw new TransferError(`${from} holds no exported tenant: ${String(error)}`);
  }
}

function lock(dataDir: string): () => void {
  try {
    return lockDataDir(dataDir);
  } catch (error) {
    throw new TransferError(error instanceof Error ? error.message : String(error));
  }
}

const digestOf = (path: string): string =>
  createHash("sha256").update(readFileSync(path)).digest("hex");
