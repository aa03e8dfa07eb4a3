/**
 * Owns that one data directory is run by one supervisor at a time, and the state file that tells others
 * what runs. The lock is SQLite's own file lock: the operating system releases it however the holder died,
 * and no reused process id can be mistaken for it.
 */
import { Database, SQLiteError } from "bun:sqlite";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const BUSY_TIMEOUT_MS = 500;

export interface RunState {
  readonly supervisorPid: number;
  readonly startedAt: string;
  readonly services: Readonly<
    Record<
      string,
      {
        readonly pid: number | null;
        readonly url: string;
        readonly phase: string;
        readonly restarts: number;
      }
    >
  >;
}

/** Somebody else runs a stack on this data. */
export class AlreadyRunning extends Error {
  constructor(dataDir: string, state: RunState | undefined) {
    const who =
      state === undefined ? "" : ` (process ${state.supervisorPid}, since ${state.startedAt})`;
    const where = state?.services["console"]?.url;
    super(
      `a stack already runs on ${dataDir}${who}${where === undefined ? "" : `; its console is ${where}`}. Stop it first, or choose another --data-dir`,
    );
    this.name = "AlreadyRunning";
  }
}

export interface RunLock {
  /** Replaces the state file as a whole. */
  write(state: RunState): void;
  /** What the run before this one left behind, when it did not end properly. */
  readonly leftOver: RunState | undefined;
  /** Removes the state file and lets others start. */
  release(): void;
}

/** Takes the data directory. Throws `AlreadyRunning`, or a sentence when it cannot be made or written. */
export function takeRunLock(dataDir: string): RunLock {
  const lock = openLock(dataDir);
  try {
    // Somebody who only looks whether a stack runs holds the lock for a moment.
    lock.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    lock.run("PRAGMA locking_mode = EXCLUSIVE");
    lock.run("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if (!(error instanceof SQLiteError) || error.code !== "SQLITE_BUSY") throw error;
    throw new AlreadyRunning(dataDir, readRunState(dataDir));
  }
  const path = statePath(dataDir);
  return {
    leftOver: readRunState(dataDir),
    write: (state) => {
      writeFileSync(`${path}.new`, `${JSON.stringify(state, null, 2)}\n`);
      renameSync(`${path}.new`, path);
    },
    release: () => {
      rmSync(path, { force: true });
      lock.close();
    },
  };
}

function openLock(dataDir: string): Database {
  try {
    mkdirSync(dataDir, { recursive: true });
    return new Database(join(dataDir, "run.lock"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `the data folder ${dataDir} cannot be used (${reason}); choose another with --data-dir`,
    );
  }
}

/** The state of the stack that runs (or was cut) on `dataDir`, or undefined when there is none. */
export function readRunState(dataDir: string): RunState | undefined {
  const path = statePath(dataDir);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as RunState) : undefined;
}

/** Whether a supervisor holds `dataDir` at this moment. */
export function isRunning(dataDir: string): boolean {
  if (!existsSync(join(dataDir, "run.lock"))) return false;
  try {
    const probe = new Database(join(dataDir, "run.lock"));
    try {
      probe.run("BEGIN EXCLUSIVE");
      return false;
    } finally {
      probe.close();
    }
  } catch (error) {
    if (error instanceof SQLiteError && error.code === "SQLITE_BUSY") return true;
    throw error;
  }
}

function statePath(dataDir: string): string {
  return join(dataDir, "run.json");
}
