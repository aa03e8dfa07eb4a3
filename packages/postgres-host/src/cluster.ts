/**
 * Owns one Postgres data directory on disk: making it whole or not at all, and ending a server that an
 * earlier, killed host left on it. Refuses to own: the running server (server.ts).
 */
import { spawnSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@concert/service-kit";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";

const FAST_STOP_MS = 10_000;
const LOOK_EVERY_MS = 50;

/** Makes the data directory when there is none. A cut in the middle leaves no half-made directory under its name. */
export function ensureCluster(
  dataDir: string,
  password: string,
  binaries: Binaries,
  account: Account,
): void {
  if (existsSync(join(dataDir, "PG_VERSION"))) return;
  const making = `${dataDir}.making`;
  rmSync(making, { recursive: true, force: true });
  const passwordFile = join(making, "password");
  const pgData = join(making, "data");
  mkdirSync(making, { recursive: true, mode: 0o700 });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (account.ids !== undefined) for (const path of [making, passwordFile]) own(path, account.ids);
  initdb(pgData, passwordFile, binaries, account);
  renameSync(pgData, dataDir);
  rmSync(making, { recursive: true });
}

/** Ends a live server on `dataDir`, and removes a pid file whose process id now belongs to somebody else. */
export async function clearStaleServer(dataDir: string, log: Logger): Promise<void> {
  const pidFile = join(dataDir, "postmaster.pid");
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, "utf8").split("\n")[0]);
  if (!isServerOn(pid, dataDir)) {
    log.warn({ pid }, "removing the pid file of a server that was killed");
    rmSync(pidFile, { force: true });
    return;
  }
  log.warn({ pid }, "ending the server that an earlier host left behind");
  await endServer(pid, dataDir);
}

async function endServer(pid: number, dataDir: string): Promise<void> {
  process.kill(pid, "SIGINT");
  const deadlineMs = Date.now() + FAST_STOP_MS;
  while (isServerOn(pid, dataDir)) {
    // Immediate shutdown: the log is replayed at the next start, so nothing committed is lost.
    if (Date.now() > deadlineMs) process.kill(pid, "SIGQUIT");
    await sleep(LOOK_EVERY_MS);
  }
}

function isServerOn(pid: number, dataDir: string): boolean {
  const listed = spawnSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" });
  return listed.status === 0 && listed.stdout.includes(dataDir);
}

function initdb(
  pgData: string,
  passwordFile: string,
  { initdb }: Binaries,
  account: Account,
): void {
  const args = [
    `--pgdata=${pgData}`,
    `--pwfile=${passwordFile}`,
    "--username=postgres",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // Built in, so that sorting does not depend on what the machine has installed.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
  ];
  const [program, programArgs] = account.command(initdb, args);
  const made = spawnSync(program, programArgs, { ...account.options, cwd: "/", encoding: "utf8" });
  if (made.status === 0) return;
  throw new Error(`initdb could not make ${pgData}: ${made.error?.message ?? made.stderr.trim()}`);
}

function own(path: string, { uid, gid }: NonNullable<Account["ids"]>): void {
  chownSync(path, uid, gid);
}
