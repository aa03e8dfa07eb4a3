/**
 * Owns a database that is a copy of what its delegate keeps: which entry of the delegate's log it has, entries applied
 * each once and whole, and the file itself as bytes. Called inside the writer's thread. Refuses to own: the log.
 */
import type { Database } from "bun:sqlite";
import { rmSync, writeFileSync } from "node:fs";
import { Superseded } from "./claims.ts";
import type { Applied, ApplyEntry } from "./storage.ts";

const TABLE = "CREATE TABLE IF NOT EXISTS replica (position INTEGER NOT NULL)";
/** The machine failed, not the entry: another machine, or a later try, would do it. */
const MACHINE_FAILURES = /SQLITE_(FULL|IOERR|BUSY|CORRUPT|READONLY|CANTOPEN|NOMEM|LOCKED|NOTADB)/;

/** The last entry that the database has. */
export function positionOf(database: Database): number {
  database.run(TABLE);
  const row = database.query<{ position: number }, []>("SELECT position FROM replica").get();
  return row?.position ?? 0;
}

/**
 * Does what the entry says and notes its place, in one transaction. An entry that cannot be done is noted all the same: it
 * is refused alike on every copy, because doing it depends on nothing but the entry and the database. Throws if the
 * machine failed.
 */
export function applyEntry(
  database: Database,
  { position, commands }: ApplyEntry,
  perform: (one: ApplyEntry["commands"][number]) => unknown,
): Applied {
  const known = positionOf(database);
  if (position !== known + 1) throw new Error(`entry ${position} does not follow ${known}`);
  const note = () => {
    database.run("DELETE FROM replica");
    database.query("INSERT INTO replica VALUES (?)").run(position);
  };
  try {
    const answers = database
      .transaction(() => {
        note();
        return commands.map(perform);
      })
      .immediate();
    return { kind: "applied", answers };
  } catch (error) {
    if (isMachines(error)) throw error;
    database.transaction(note).immediate();
    return { kind: "refused", reason: String(error), superseded: error instanceof Superseded };
  }
}

const isMachines = (error: unknown): boolean =>
  error instanceof Error && "code" in error && MACHINE_FAILURES.test(String(error.code));

/** Puts `bytes` in the place of the database at `path`, whose handles are closed. */
export function putFile(path: string, bytes: Uint8Array): void {
  for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
  writeFileSync(path, bytes);
}
