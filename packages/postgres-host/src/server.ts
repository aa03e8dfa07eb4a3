/**
 * Owns one running Postgres server. S1 it never outlives its host: a watcher that holds the other end of a
 * pipe sends it a fast shutdown as soon as the host is gone, however it died. Refuses to own: the data
 * directory (cluster.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { socketFolderOf } from "./socket.ts";

const READY_EVERY_MS = 50;
/** Reads until the pipe closes, then ends the server that the pid file names, if one is still there. */
const WATCHER = `cat >/dev/null; pid=$(head -n 1 "$0/postmaster.pid" 2>/dev/null) && kill -INT "$pid" 2>/dev/null`;

export interface Server {
  /** Rejects when the server ends without having been asked to; never resolves. */
  readonly crashed: Promise<never>;
  /** Fast shutdown: open transactions are rolled back, everything committed is on disk. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly binaries: Binaries;
  readonly account: Account;
  /** Where the server's own words go. */
  readonly output: "inherit" | "ignore";
}

export function startServer(options: ServerOptions): Server {
  const { dataDir, host, port, binaries, account, output } = options;
  const folder = socketFolderOf(dataDir, port);
  const socket = folder === undefined ? "" : `"${folder}"`;
  const args = ["-D", dataDir, "-p", String(port), "-h", host];
  args.push("-c", `unix_socket_directories=${socket}`, "-c", "unix_socket_permissions=0700");
  const [program, programArgs] = account.command(binaries.postgres, args);
  const child = spawn(program, programArgs, {
    ...account.options,
    cwd: "/",
    stdio: ["ignore", output, output],
  });
  const watcher = watch(dataDir);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`could not start: ${error.message}`));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  let asked = false;
  const crashed = new Promise<never>((_, reject) => {
    void ended.then((how) => {
      watcher.stdin?.end();
      if (!asked) reject(new Error(`the server ended: ${how}`));
    });
  });
  const stop = async () => {
    asked = true;
    child.kill("SIGINT");
    await ended;
  };
  return { crashed, stop };
}

/** Waits until `postgresUrl` answers and makes `database` when it is missing. Rejects on a wrong password. */
export async function ensureDatabase(postgresUrl: string, database: string): Promise<void> {
  const client = await connect(postgresUrl);
  try {
    const found = await client.query("select 1 from pg_database where datname = $1", [database]);
    if (found.rowCount === 0)
      await client.query(`create database ${pg.escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}

async function connect(postgresUrl: string): Promise<pg.Client> {
  for (;;) {
    const client = new pg.Client({ connectionString: postgresUrl });
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end();
      // 57P03: still starting; no SQL state at all: not listening yet.
      const state = error instanceof Error && "code" in error ? error.code : undefined;
      if (state === "28P01") {
        throw new Error(
          "the data directory has another password; restore the secrets.json it was made with",
        );
      }
      if (state !== "57P03" && state !== "ECONNREFUSED") throw error;
      await sleep(READY_EVERY_MS);
    }
  }
}

/** In a group of its own, so that what ends the host's group by force does not end the watcher first. */
function watch(dataDir: string): ChildProcess {
  return spawn("/bin/sh", ["-c", WATCHER, dataDir], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
}
