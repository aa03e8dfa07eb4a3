/**
 * What tests of Concord and of what is built on it share: the contracts of a durable runtime, of a connector and of a host of
 * agents, and a real Postgres.
 *
 * Owns a real Postgres for tests: the server at `CONCORD_TEST_DATABASE_URL`, else an embedded one in a temporary
 * directory on a free port. Each call gives a database of its own.
 */
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { startTemporaryPostgres } from "@concert/postgres-host";
import pg from "pg";

export { freePort } from "@concert/postgres-host";
export {
  type AgentRuntimeCase,
  type AgentRuntimeSubject,
  agentRuntimeContract,
} from "./agent-runtime-contract.ts";
export {
  type ConnectorCase,
  type ConnectorSubject,
  connectorContract,
} from "./connector-contract.ts";
export { testContext } from "./context.ts";
export { findRestateServer, startTestRestate, type TestRestate } from "./restate.ts";
export {
  type ContractCase,
  defineContractWorkflows,
  type RuntimeSubject,
  runtimeContract,
} from "./runtime-contract.ts";

const ABANDONED_MS = 3_000;

export interface TestPostgres {
  readonly databaseUrl: string;
  /** The same by the server's local socket, as a stack is served; by TCP where there is none. */
  readonly localUrl: string;
  /** Drops the database, and ends the server if this call started it. */
  stop(): Promise<void>;
}

export async function startTestPostgres(): Promise<TestPostgres> {
  const given = process.env["CONCORD_TEST_DATABASE_URL"];
  const server =
    given === undefined
      ? await startTemporaryPostgres()
      : { url: given, localUrl: given, stop: async () => {} };
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await administer(server.url, `CREATE DATABASE ${name}`);
  const [databaseUrl, localUrl] = [server.url, server.localUrl].map((text) => {
    const url = new URL(text);
    url.pathname = `/${name}`;
    return url.href;
  }) as [string, string];
  return {
    databaseUrl,
    localUrl,
    stop: async () => {
      await abandoned(server.url, name);
      if (given !== undefined) {
        await administer(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }
      await server.stop();
    },
  };
}

/**
 * Waits until nobody is connected, or for some seconds: a pool that was ended says so before its last connections are
 * gone, and one that is cut off then raises an error that nobody hears any more.
 */
async function abandoned(url: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  // A server that is gone already has nobody connected.
  if (
    !(await client.connect().then(
      () => true,
      () => false,
    ))
  )
    return;
  const asked = "SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()";
  for (const endMs = performance.now() + ABANDONED_MS; performance.now() < endMs; ) {
    if ((await client.query(asked, [name])).rowCount === 0) break;
    await setTimeout(20);
  }
  await client.end();
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
