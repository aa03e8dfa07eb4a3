/**
 * Owns backups: one file that proves itself (a line of facts, the state, a line with its checksum), made from a
 * running member off its event loop and sent while it is made, and turned into the first member of a new cluster. The new cluster has a new id, so that
 * members and cursors of the old one are refused (pitfall 29). Values stay sealed: keep the encryption keys.
 * Refuses to own: routes (server.ts), copying (copy-job.ts).
 */
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { BackupFacts } from "../shared/protocol.ts";
import { STATE_FORMAT } from "../shared/schema.ts";
import type { CopyLoan } from "./copy-loan.ts";
import { DataDirectoryUnusable, RaftLog } from "./raft/log.ts";
import { foundedBy } from "./raft/membership.ts";
import { nodeId } from "./raft/types.ts";
import { syncPath } from "./state-file.ts";

const BACKUP_FORMAT = "concordance-backup-2";
/** The checksum stood among the facts, and nothing came after the state. */
const BACKUP_FORMAT_1 = "concordance-backup-1";
const FORMATS: readonly string[] = [BACKUP_FORMAT, BACKUP_FORMAT_1];
const HEADER_BYTES_MAX = 4_096;
const NEW_LINE = 0x0a;
/** The term of a cluster that begins with a restored state. */
const FIRST_TERM = 1;

/** The file is no backup, or not a whole one; nothing was changed. */
export class BackupUnusable extends Error {}

/** The facts as the first line has them. */
type FirstLine = Omit<BackupFacts, "sha256"> & { readonly sha256?: string };

export interface Restored {
  readonly facts: BackupFacts;
  readonly clusterId: string;
  readonly nodeId: string;
}

/** A backup as it travels: the facts, the copy as it is made, its checksum. The copy is given back at the end. */
export async function* backupBytes(
  facts: Omit<BackupFacts, "format" | "sha256">,
  loan: CopyLoan,
): AsyncGenerator<Uint8Array> {
  try {
    yield lineOf({ format: BACKUP_FORMAT, ...facts });
    yield* loan.bytes();
    yield lineOf({ sha256: (await loan.done).sha256 });
  } finally {
    await loan.giveBack();
  }
}

function lineOf(facts: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(facts)}\n`);
}

/**
 * Reads a backup to its end, and writes its state to `target` when that is given. Throws `BackupUnusable`
 * unless length and checksum are as its facts say.
 */
export async function readBackup(path: string, target: string | null): Promise<BackupFacts> {
  const source = Bun.file(path);
  if (!(await source.exists())) throw new BackupUnusable(`there is no file ${path}`);
  const { facts, begins } = await factsOf(path);
  const ends = begins + facts.bytes;
  const present = Math.max(0, source.size - begins);
  const cutShort = new BackupUnusable(
    `${path} is cut short: ${Math.min(present, facts.bytes)} of ${facts.bytes} bytes`,
  );
  if (present < facts.bytes) throw cutShort;
  const last = await source.slice(ends, ends + HEADER_BYTES_MAX).text();
  const sha256 = facts.sha256 ?? checksumIn(last);
  if (sha256 === null) throw last.endsWith("\n") ? damaged(path) : cutShort;
  const expected = facts.sha256 === undefined ? new TextDecoder().decode(lineOf({ sha256 })) : "";
  const computed = await copied(source.slice(begins, ends), target);
  if (computed !== sha256 || last !== expected) throw damaged(path);
  return { ...facts, sha256 };
}

function damaged(path: string): BackupUnusable {
  return new BackupUnusable(`${path} is damaged: its checksum differs`);
}

/** Its checksum, once it is synced at `target` where that is given. */
async function copied(state: Blob, target: string | null): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  const copy = target === null ? null : await open(target, "wx", 0o600);
  try {
    for await (const chunk of state.stream()) {
      hasher.update(chunk);
      if (copy !== null) await copy.write(chunk);
    }
    await copy?.sync();
  } finally {
    await copy?.close();
  }
  return hasher.digest("hex");
}

/** What the last line says, or null when it says no such thing. */
function checksumIn(line: string): string | null {
  return /^\{"sha256":"([0-9a-f]{64})"\}\n$/.exec(line)?.[1] ?? null;
}

/**
 * Makes `dataDir`, which must be empty or missing, the only member of a new cluster that holds what the backup
 * holds. Throws `BackupUnusable`, or `DataDirectoryUnusable` for the directory. A crash leaves a directory
 * that is refused: empty it and begin again.
 */
export async function restoreBackup(
  path: string,
  dataDir: string,
  member: { readonly nodeId: string; readonly clusterId: string; readonly incarnation: string },
): Promise<Restored> {
  const isFree = !existsSync(dataDir) || readdirSync(dataDir).length === 0;
  if (!isFree) {
    throw new DataDirectoryUnusable(`${dataDir} is not empty; restore into a new directory`);
  }
  mkdirSync(dataDir, { recursive: true });
  const [draft, statePath] = [join(dataDir, "restoring.db"), join(dataDir, "state.db")];
  try {
    const facts = await readBackup(path, draft);
    adopt(draft, facts, member.clusterId);
    renameSync(draft, statePath);
    // The log last: a directory with a state and no log is refused.
    const log = new RaftLog(join(dataDir, "raft.db"));
    const { appliedIndex: index, timeMs } = facts;
    const id = nodeId(member.nodeId);
    const identity = { ...member, nodeId: id };
    log.claim(identity, foundedBy([id], member.incarnation), {
      index,
      lastTerm: FIRST_TERM,
      timeMs,
    });
    log.save({ term: FIRST_TERM, votedFor: null, commitIndex: index }, []);
    log.close();
    syncPath(dataDir);
    return { facts, clusterId: member.clusterId, nodeId: member.nodeId };
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

async function factsOf(path: string): Promise<{ facts: FirstLine; begins: number }> {
  const head = await Bun.file(path).slice(0, HEADER_BYTES_MAX).bytes();
  const end = head.indexOf(NEW_LINE);
  const facts = end === -1 ? null : parsed(new TextDecoder().decode(head.subarray(0, end)));
  if (facts === null) throw new BackupUnusable(`${path} is no backup of Concordance`);
  const isKnown = FORMATS.includes(facts.format);
  const isWhole = (facts.format === BACKUP_FORMAT_1) === (facts.sha256 !== undefined);
  if (isKnown && isWhole) return { facts, begins: end + 1 };
  throw new BackupUnusable(
    `${path} is a backup of another kind (${facts.format}); this program reads ${FORMATS.join(", ")}`,
  );
}

function parsed(text: string): FirstLine | null {
  try {
    const facts = JSON.parse(text) as FirstLine;
    const names = ["format", "clusterId"] as const;
    const numbers = ["bytes", "appliedIndex", "revision", "timeMs"] as const;
    const whole =
      names.every((name) => typeof facts[name] === "string") &&
      numbers.every((name) => Number.isSafeInteger(facts[name]) && facts[name] >= 0);
    return whole ? facts : null;
  } catch {
    return null;
  }
}

/** Gives the copied state its new cluster, once it is what the facts say and whole by SQLite's own check. */
function adopt(path: string, facts: BackupFacts, clusterId: string): void {
  const db = new Database(path, { strict: true });
  try {
    const sql = `SELECT format, cluster_id AS clusterId, applied_index AS appliedIndex, revision,
      time_ms AS timeMs FROM applied`;
    const row = db.query<Record<string, unknown>, []>(sql).get();
    const agrees = (["clusterId", "appliedIndex", "revision", "timeMs"] as const).every(
      (name) => row?.[name] === facts[name],
    );
    const check = db.query<{ integrity_check: string }, []>("PRAGMA integrity_check").get();
    if (!agrees || check?.integrity_check !== "ok") {
      throw new BackupUnusable("the backup is damaged: its state is not what its first line says");
    }
    if (Number(row?.["format"]) > STATE_FORMAT) {
      throw new BackupUnusable("the backup was made by a newer program; restore it with that one");
    }
    db.query("UPDATE applied SET cluster_id = ?").run(clusterId);
  } finally {
    db.close();
  }
  syncPath(path);
}
