/**
 * Owns the life of DBOS in this process: configure, register, launch, queues, reconcile, stop. DBOS is one per
 * process, so is a started runtime; a second one is refused.
 */
import { DBOS, DBOSClient } from "@dbos-inc/dbos-sdk";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { QUEUES } from "../../core/vocabulary.ts";
import type { AgentRuntime } from "../../domain/agents.ts";
import type { SecretResolver } from "../../domain/connectors.ts";
import type { Kit } from "../../domain/kit.ts";
import { RateGate } from "../../domain/RateGate.ts";
import { createPgStore, type PgStore } from "../../postgres/store.ts";
import { migrateAsOwner, PgDataSource } from "./data-source.ts";
import { APPLICATION_NAME, dbosOutbox, WORKFLOW_VERSION } from "./outbox.ts";
import { reconcile } from "./reconcile.ts";

import { createTakeOver } from "./take-over.ts";
import { registerWorkflows } from "./workflows.ts";

export interface RuntimeOptions {
  readonly databaseUrl: string;
  readonly pool: Pool;
  /** Who owns the tables; absent: `databaseUrl` does, and makes them. */
  readonly ownerDatabaseUrl: string | undefined;
  readonly kit: Kit;
  readonly secrets: SecretResolver;
  readonly agentRuntime: AgentRuntime | undefined;
  /** Stable per slot: a restart with the same id continues the runs of the one that died. */
  readonly executorId: string;
  readonly log: Logger;
}

export interface DurableRuntime {
  readonly store: PgStore;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** No concurrency limits: runs wait for people and for children, and a waiting run would hold its slot. */
const QUEUE_POLL_MS = 20;
const RECONCILE_EVERY_MS = 30_000;
const DBOS_POOL_SIZE = 20;
/** For steps in flight; runs that wait stay waiting, and continue with the next start. */
const STOP_WITHIN_MS = 1_000;

let running = false;

export function createDbosRuntime(options: RuntimeOptions): DurableRuntime {
  const { pool, kit, log, databaseUrl } = options;
  let timer: NodeJS.Timeout | undefined;
  const takeOver = createTakeOver(pool, options.executorId, log);
  const client = laterClient();
  const store = createPgStore(pool, kit.newId, (connection) => dbosOutbox(client.get, connection));
  const sweep = async () => {
    const count = await reconcile(pool, store);
    if (count > 0) log.warn({ count }, "commands without a run were started again");
  };
  return {
    store,
    start: async () => {
      if (running) throw new Error("only one Concord can run in a process; stop the other first");
      running = true;
      await takeOver.begin();
      await launch(options, store);
      client.set(
        await DBOSClient.create({
          systemDatabaseUrl: databaseUrl,
          systemDatabasePool: pool,
          applicationName: APPLICATION_NAME,
          logger: quiet(log),
        }),
      );
      await sweep();
      takeOver.watch();
      timer = setInterval(() => {
        sweep().catch((error) => log.error({ err: error }, "could not look for lost commands"));
      }, RECONCILE_EVERY_MS);
    },
    stop: async () => {
      clearInterval(timer);
      takeOver.pause();
      await DBOS.shutdown({ deregister: true, workflowCompletionTimeoutMS: STOP_WITHIN_MS });
      await takeOver.end();
      await client.peek()?.destroy();
      running = false;
    },
  };
}

/**
 * Recovered runs and early requests may want to send a message while DBOS is still launching: they wait for
 * the client instead of failing.
 */
function laterClient() {
  let known: DBOSClient | undefined;
  let tell: (client: DBOSClient) => void = () => undefined;
  const told = new Promise<DBOSClient>((resolve) => {
    tell = resolve;
  });
  return {
    get: () => told,
    peek: () => known,
    set: (client: DBOSClient) => {
      known = client;
      tell(client);
    },
  };
}

async function launch(options: RuntimeOptions, store: PgStore): Promise<void> {
  const { pool, kit, secrets, log, agentRuntime, databaseUrl, ownerDatabaseUrl, executorId } =
    options;
  if (ownerDatabaseUrl !== undefined) await migrateAsOwner(ownerDatabaseUrl);
  DBOS.setConfig({
    name: APPLICATION_NAME,
    applicationVersion: WORKFLOW_VERSION,
    executorID: executorId,
    systemDatabaseUrl: databaseUrl,
    systemDatabasePoolSize: DBOS_POOL_SIZE,
    runMigrations: ownerDatabaseUrl === undefined,
    logger: quiet(log),
  });
  registerWorkflows({
    dataSource: new PgDataSource(pool, ownerDatabaseUrl === undefined),
    store,
    kit,
    vendors: { secrets, gate: new RateGate() },
    agentRuntime,
    onError: (error, commandId) => log.error({ err: error, command_id: commandId }, "a run failed"),
  });
  await DBOS.launch();
  for (const name of QUEUES) {
    await DBOS.registerQueue(name, {
      minPollingIntervalMs: QUEUE_POLL_MS,
      onConflict: "always_update",
    });
  }
}

/** DBOS speaks through our log; its routine lines are debug detail for us. */
function quiet(log: Logger) {
  return {
    info: (entry: unknown) => log.debug({ dbos: true }, String(entry)),
    debug: (entry: unknown) => log.trace({ dbos: true }, String(entry)),
    warn: (entry: unknown) => log.warn({ dbos: true }, String(entry)),
    error: (entry: unknown, metadata?: { error?: unknown }) =>
      log.error({ dbos: true, err: metadata?.error }, String(entry)),
  };
}
