/**
 * Owns a Postgres server for tests and measurements: in a folder of its own, on a free port, gone without a trace when
 * it is stopped. It ends with the process that started it, however that ends.
 */
import { randomUUID } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reaching, unprivilegedAccount } from "./account.ts";
import { binariesFor } from "./binaries.ts";
import { ensureCluster } from "./cluster.ts";
import { ensureDatabase, startServer } from "./server.ts";
import { overSocket, socketFolderOf } from "./socket.ts";

export interface TemporaryPostgres {
  /** Of the superuser, to the database `postgres`. */
  readonly url: string;
  /** The same by its local socket, or by TCP where there is none. */
  readonly localUrl: string;
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";

/** Resolves when it answers. Throws, saying what to do, when the platform or the account cannot run it. */
export async function startTemporaryPostgres(): Promise<TemporaryPostgres> {
  const parent = mkdtempSync(join(tmpdir(), "concert-postgres-"));
  // The account of the server has to be able to pass through the directory that we own.
  chmodSync(parent, 0o755);
  const account = reaching(unprivilegedAccount(), parent);
  const binaries = binariesFor(account);
  const [dataDir, password, port] = [join(parent, "data"), randomUUID(), await freePort()];
  ensureCluster(dataDir, password, binaries, account);
  const server = startServer({ dataDir, host: HOST, port, binaries, account, output: "ignore" });
  const url = `postgres://postgres:${password}@${HOST}:${port}/postgres`;
  await Promise.race([ensureDatabase(url, "postgres"), server.crashed]);
  const folder = socketFolderOf(dataDir, port);
  return {
    url,
    localUrl: folder === undefined ? url : overSocket(url, folder),
    stop: async () => {
      await server.stop();
      rmSync(parent, { recursive: true, force: true });
    },
  };
}

/** A port on loopback that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, HOST, () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
