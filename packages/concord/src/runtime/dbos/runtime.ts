/**
 * Owns the life of DBOS in this process behind the port: configure, register, launch, queues, take-over, stop.
 * DBOS is one per process, so is a started runtime; a second one is refused.
 */
import { DBOS, DBOSClient } from "@dbos-inc/dbos-sdk";
import type { ClientBase, Pool } from "pg";
import type { Logger } from "pino";
import type { Json } from "../../core/json.ts";
import { QUEUES, type QueueName } from "../../core/vocabulary.ts";
import { readRun } from "../../postgres/executors.ts";
import { namingPool } from "../../postgres/naming-client.ts";
import { commandsWithoutRun } from "../../postgres/projections/runs.ts";
import type {
  DurableRuntime,
  RuntimeCapability,
  WorkflowBody,
  WorkflowOutcome,
} from "../protocol/index.ts";
import { dbosContext } from "./context.ts";
import { migrateAsOwner, PgDataSource } from "./data-source.ts";
import { type Addressing, messagesAlone, messagesWithin } from "./messages.ts";
import { attach } from "./queue-bell.ts";
import { type DbosSchedules, dbosSchedules } from "./schedules.ts";
import { createTakeOver } from "./take-over.ts";

export interface DbosOptions {
  readonly databaseUrl: string;
  readonly pool: Pool;
  /** Who owns the tables; absent: `databaseUrl` does, and makes them. */
  readonly ownerDatabaseUrl?: string | undefined;
  /** Stable per slot: a restart with the same id continues the runs of the one that died. */
  readonly executorId: string;
  /** The order of durable steps in the workflows; a run is continued only by executors of its own version. */
  readonly version?: string | undefined;
  /** Put before the names of the queues, e.g. `staging`; then only those are served (QUE-6). */
  readonly queuePrefix?: string | undefined;
  readonly log: Logger;
}

/** Raise it only when the order of durable steps in a workflow changes; a build does not strand work. */
export const WORKFLOW_VERSION = "run-command-3";
const APPLICATION_NAME = "concord";
/**
 * How often each queue is looked at when nobody rings for it (queue-bell.ts): that finds what another process has left
 * behind. No concurrency limits: runs wait for people and for children, and a waiting run would hold its slot.
 */
const QUEUE_POLL_MS: Readonly<Record<QueueName, number>> = {
  connector_calls: 250,
  agent_runs: 250,
  concord_default: 250,
  swarm_children: 500,
  high_risk_operations: 500,
  notifications: 500,
  scheduled_maintenance: 1_000,
};
/** For a DBOS that cannot be rung for. */
const UNRUNG_POLL_MS = 20;
const SCHEDULES_POLL_MS = 2_000;
const RESULT_POLL_MS = 50;
const DBOS_POOL_SIZE = 10;
const IDLE_TRANSACTION_MS = 60_000;
/** For steps in flight; runs that wait stay waiting, and continue with the next start. */
const STOP_WITHIN_MS = 1_000;

/** RUN-3. Signals are messages to a run; there are no queries of a running workflow's state. */
const CAPABILITIES: ReadonlySet<RuntimeCapability> = new Set([
  "durable_workflows",
  "durable_steps",
  "queues",
  "schedules",
  "signals",
  "subworkflows",
  "effect_interception",
]);

let running = false;

export function createDbosRuntime(options: DbosOptions): DurableRuntime<ClientBase> {
  const { pool, log, version = WORKFLOW_VERSION, executorId } = options;
  const bodies = new Map<string, WorkflowBody<ClientBase>>();
  const to: Addressing = { version, queueName: (name) => queueNameOf(options, name) };
  const takeOver = createTakeOver({ pool, executorId, version, log });
  const client = laterClient();
  const schedules = dbosSchedules(to.queueName);
  let system: Pool | undefined;
  let isStopping = false;
  return {
    name: "dbos",
    capabilities: CAPABILITIES,
    defineWorkflow: (name, body) => {
      bodies.set(name, body);
    },
    start: async () => {
      if (running) throw new Error("only one Concord can run in a process; stop the other first");
      running = true;
      await takeOver.begin();
      system = systemPool(options);
      isStopping = false;
      await launch(
        { ...options, system, isStopping: () => isStopping },
        version,
        bodies,
        schedules,
      );
      client.set(
        await DBOSClient.create({
          systemDatabaseUrl: options.databaseUrl,
          systemDatabasePool: pool,
          applicationName: APPLICATION_NAME,
          logger: quiet(log),
        }),
      );
      takeOver.watch([...bodies.keys()]);
    },
    stop: async () => {
      takeOver.pause();
      isStopping = true;
      await DBOS.shutdown({ deregister: true, workflowCompletionTimeoutMS: STOP_WITHIN_MS });
      await takeOver.end();
      await client.peek()?.destroy();
      await system?.end();
      running = false;
    },
    messages: (connection) => messagesWithin(client.get, connection, to),
    submitWorkflow: (spec) => messagesAlone(client.get, pool, to).submit(spec),
    signal: (id, topic, payload) => messagesAlone(client.get, pool, to).signal(id, topic, payload),
    waitForResult: async (workflowId, timeoutMs) =>
      outcomeOf(await client.get(), workflowId, timeoutMs),
    cancel: async (workflowId) => (await client.get()).cancelWorkflow(workflowId),
    inspect: (workflowId) => readRun(pool, workflowId),
    stranded: (limit) => commandsWithoutRun(pool, version, limit),
    forgetEnded,
    schedules,
  };
}

function queueNameOf({ queuePrefix }: Pick<DbosOptions, "queuePrefix">, name: string): string {
  return queuePrefix === undefined ? name : `${queuePrefix}.${name}`;
}

async function outcomeOf(
  client: DBOSClient,
  workflowId: string,
  timeoutMs: number,
): Promise<WorkflowOutcome> {
  const deadlineMs = Date.now() + timeoutMs;
  const handle = client.retrieveWorkflow<Json>(workflowId);
  for (;;) {
    const status = await handle.getStatus();
    if (status?.status === "SUCCESS")
      return { state: "succeeded", value: await handle.getResult() };
    if (status?.status === "CANCELLED") return { state: "cancelled" };
    if (status?.status === "ERROR" || status?.status === "MAX_RECOVERY_ATTEMPTS_EXCEEDED") {
      const error: unknown = status.error;
      return { state: "failed", message: error instanceof Error ? error.message : String(error) };
    }
    if (Date.now() >= deadlineMs) return { state: "running" };
    await new Promise((resolve) => setTimeout(resolve, RESULT_POLL_MS));
  }
}

/** DBOS keeps ended runs until somebody deletes them (RUN retention). */
async function forgetEnded(before: Date, limit: number): Promise<number> {
  const ended = await DBOS.listWorkflows({
    status: ["SUCCESS", "ERROR", "CANCELLED"],
    completedBefore: before.toISOString(),
    limit,
    loadInput: false,
    loadOutput: false,
  });
  if (ended.length > 0) await DBOS.deleteWorkflows(ended.map((one) => one.workflowID));
  return ended.length;
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

/** DBOS' own connections, as it would make them, but that their statements are named and a begin is not waited for. */
function systemPool({ databaseUrl, executorId, log }: DbosOptions): Pool {
  const pool = namingPool({
    connectionString: databaseUrl,
    max: DBOS_POOL_SIZE,
    pipeline: true,
    application_name: `dbos ${executorId}`,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_MS,
  });
  pool.on("error", (error) => log.warn({ reason: error.message }, "a connection of DBOS failed"));
  return pool;
}

async function launch(
  options: DbosOptions & { readonly system: Pool; readonly isStopping: () => boolean },
  version: string,
  bodies: ReadonlyMap<string, WorkflowBody<ClientBase>>,
  schedules: DbosSchedules,
): Promise<void> {
  const { pool, log, databaseUrl, ownerDatabaseUrl, executorId } = options;
  if (ownerDatabaseUrl !== undefined) await migrateAsOwner(ownerDatabaseUrl);
  DBOS.setConfig({
    name: APPLICATION_NAME,
    applicationVersion: version,
    executorID: executorId,
    systemDatabaseUrl: databaseUrl,
    systemDatabasePool: options.system,
    runMigrations: ownerDatabaseUrl === undefined,
    schedulerPollingIntervalMs: SCHEDULES_POLL_MS,
    ...(options.queuePrefix === undefined
      ? {}
      : { listenQueues: QUEUES.map((name) => queueNameOf(options, name)) }),
    logger: quiet(log),
  });
  const context = dbosContext(
    new PgDataSource(pool, ownerDatabaseUrl === undefined),
    options.isStopping,
  );
  for (const [name, body] of bodies) {
    DBOS.registerWorkflow((input: Json) => body(context, input), { name });
  }
  schedules.register();
  const isRungFor = attach();
  if (!isRungFor)
    log.warn("DBOS cannot be woken for what is submitted here: its queues are polled often");
  await DBOS.launch();
  for (const name of QUEUES) {
    await DBOS.registerQueue(queueNameOf(options, name), {
      minPollingIntervalMs: isRungFor ? QUEUE_POLL_MS[name] : UNRUNG_POLL_MS,
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
