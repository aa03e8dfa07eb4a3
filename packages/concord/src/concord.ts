/**
 * Owns putting a Concord together: catalog, storage, runtime, services. The library's front door; the server
 * is one more caller of it.
 */
import { createHash } from "node:crypto";
import pg from "pg";
import { type Logger, pino } from "pino";
import { v7 as uuidv7 } from "uuid";
import { envSecrets } from "./adapters/connectors/secrets.ts";
import { celPolicy } from "./adapters/policies/cel.ts";
import { createWebhookSender } from "./adapters/webhooks/sender.ts";
import { createAlertWatch } from "./alert-watch.ts";
import type { ConcordOptions, RuntimeFactory } from "./concord-options.ts";
import type { Command, Principal } from "./core/command.ts";
import { Refusal } from "./core/errors.ts";
import { decodeId } from "./core/ids.ts";
import { compilePolicy, type RetryDeclaration } from "./core/retry.ts";
import { isResting } from "./core/vocabulary.ts";
import { createAgentActionService } from "./domain/agent-actions.ts";
import { ALERT_LIMITS, alertsOf } from "./domain/alerts.ts";
import { createApprovalService } from "./domain/approval-service.ts";
import { maySee } from "./domain/artifacts.ts";
import { type CommandService, createCommandService } from "./domain/command-service.ts";
import { costsOf, NO_TOKEN_COSTS, type TokenCosts } from "./domain/costs.ts";
import { explain } from "./domain/explain.ts";
import type { Concord } from "./domain/face.ts";
import { createIncidentService } from "./domain/incident-service.ts";
import { isoTime, type Kit } from "./domain/kit.ts";
import { createNotificationService } from "./domain/notifications.ts";
import { createPolicyService } from "./domain/policy-service.ts";
import type { EventFeed } from "./domain/reading.ts";
import { createRedactionService } from "./domain/redaction-service.ts";
import { createScheduleService, runTick } from "./domain/schedule-service.ts";
import type { Store } from "./domain/store.ts";
import type { TaskCatalog } from "./domain/tasks.ts";
import {
  createWebhookEndpointService,
  type WebhookServiceParts,
} from "./domain/webhook-service.ts";
import { packEvidence } from "./evidence/bundle.ts";
import { readHealth } from "./health.ts";
import { createAnnouncer } from "./postgres/announcer.ts";
import { sealAudit, verifyAudit } from "./postgres/audit-chain.ts";
import { isConnectionLost } from "./postgres/connection.ts";
import { createEventFeed } from "./postgres/event-feed.ts";
import { migrate, missingMigrations } from "./postgres/migrate.ts";
import { namingPool } from "./postgres/naming-client.ts";
import { readAlertFigures } from "./postgres/projections/alerts.ts";
import { readCosts } from "./postgres/projections/costs.ts";
import { readCounts } from "./postgres/projections/counts.ts";
import { readDashboards } from "./postgres/projections/dashboards.ts";
import { readEvidence } from "./postgres/projections/evidence.ts";
import { listIncidents } from "./postgres/projections/incidents.ts";
import { listInputs } from "./postgres/projections/inputs.ts";
import { readLineage } from "./postgres/projections/lineage.ts";
import { listApprovals, listCommands } from "./postgres/projections/lists.ts";
import { listNotifications, readNotification } from "./postgres/projections/notifications.ts";
import { readPolicyCases } from "./postgres/projections/policy-cases.ts";
import { listRecord } from "./postgres/projections/record.ts";
import { dueCommands } from "./postgres/projections/runs.ts";
import { readTimeline } from "./postgres/projections/timeline.ts";
import { tenantsWithCommands } from "./postgres/projections/upkeep.ts";
import { listDeliveries, listEndpoints } from "./postgres/projections/webhooks.ts";
import { createRateGate } from "./postgres/rate-gate.ts";
import { createPgStore, type OutboxFactory } from "./postgres/store.ts";
import { loadCatalog } from "./registry/define-contracts.ts";
import { describeConnectors } from "./registry/describe-connectors.ts";
import { describeTasks } from "./registry/describe-tasks.ts";
import { createDbosRuntime } from "./runtime/dbos/index.ts";
import { createDeadlines, type DueCommands } from "./runtime/deadlines.ts";
import { createWebhookDispatcher, defineDeliverWebhook } from "./runtime/deliver-webhook.ts";
import type { DurableRuntime, ScheduleSpec } from "./runtime/protocol/index.ts";
import { createReconciler, type Reconciler } from "./runtime/reconcile.ts";
import { defineRunCommand, outboxOver } from "./runtime/run-command.ts";
import { tracedAgent, tracedSubmit } from "./runtime/spans.ts";
import { upkeepContracts } from "./upkeep.ts";

const AUDITORS = ["owner", "auditor"] as const;
const RUN_RETENTION_DAYS = 30;
const WEBHOOK_RETRY: RetryDeclaration = {
  attemptsMax: 8,
  waitsSeconds: [5, 30, 120, 600, 1_800, 7_200, 21_600],
};
/** How a webhook that leaves is called among operations. */
const DELIVERY = "webhooks.deliver";
const WEBHOOK_FAILURES_MAX = 5;
const SEAL_EVERY_MS = 5_000;
const POOL_SIZE = 20;
/** A database that does not answer is away, and is told as such. */
const CONNECT_WITHIN_MS = 5_000;
const DATABASE_WITHIN_MS = 30_000;
const DATABASE_RETRY_MS = 500;

/** Checks the contracts (throws `CatalogError` with every problem) and prepares; `start()` connects. */
export function createConcord(options: ConcordOptions): Concord {
  const log = options.log ?? pino({ level: "warn" });
  const pool = poolOf(options, log);
  const engine = engineOf(options, pool, log);
  const { given, runtime, catalog, kit, store, announcer, reconciler } = engine;
  const { secrets, outbox, sender } = engine;
  const events = createEventFeed(pool, announcer, (error) =>
    log.warn({ err: error }, "the event feed lost its connection"),
  );
  const service = createCommandService(store, kit);
  const commands = { ...service, submit: tracedSubmit(service.submit, options.spans) };
  const { newId } = kit;
  const dispatcher = createWebhookDispatcher({ pool, store, newId, outbox, runtime, events, log });
  const due: DueCommands = (...about) => dueCommands(pool, ...about);
  const deadlines = createDeadlines({ store, kit, due, log });
  const { schedules } = runtime;
  const everyTenant = () => tenantsWithCommands(pool);
  const scheduling = { kit, store, commands, schedules, everyTenant };
  schedules?.onTick((name, dueAt) => runTick(scheduling, name, dueAt));
  const { alertWatch, ...watching } = watch({ options, pool, kit, log, runtime, reconciler });
  const state: { isStarted: boolean; sealing?: NodeJS.Timeout } = { isStarted: false };
  return {
    commands: {
      ...commands,
      list: (principal, filter) => listCommands(pool, principal.tenant, filter),
      settled: (principal, id, timeoutMs) => settled(commands, events, principal, id, timeoutMs),
    },
    agentActions: createAgentActionService(store, kit, commands),
    approvals: {
      ...createApprovalService(store, kit),
      list: (principal, filter) => listApprovals(pool, principal.tenant, filter),
    },
    ...reads({ pool, store, kit, commands, runtime, tokenCosts: options.tokenCosts }),
    ...services({ pool, store, kit, catalog, secrets, sender }),
    schedules: createScheduleService(scheduling),
    webhooks: {
      find: catalog.webhook,
      secret: async ({ secretRef }) => secrets.resolve(secretRef),
    },
    events,
    tools: catalog.tools,
    ...watching,
    isUnavailable: isConnectionLost,
    missing: async () =>
      state.isStarted
        ? missing(pool, given.length > 0)
        : ["start: migrations and recovery are under way"],
    start: async () => {
      await reachable(pool, log);
      await migrateAs(options.ownerDatabaseUrl, pool);
      await runtime.start();
      await reconciler.start();
      await schedules?.apply(specsOf(catalog));
      await events.start();
      dispatcher.start();
      deadlines.start();
      alertWatch.start();
      state.sealing = setInterval(() => {
        sealAudit(pool, { isPatient: true }).catch((error) =>
          log.warn({ err: error }, "could not seal the record"),
        );
      }, SEAL_EVERY_MS);
      state.isStarted = true;
    },
    stop: async () => {
      state.isStarted = false;
      clearInterval(state.sealing);
      reconciler.stop();
      alertWatch.stop();
      await deadlines.stop();
      await dispatcher.stop();
      await events.stop();
      await runtime.stop();
      await engine.gate.close();
      await announcer.stop();
      await pool.end();
    },
  };
}

function poolOf({ databaseUrl }: ConcordOptions, log: Logger): pg.Pool {
  const pool = namingPool({
    connectionString: databaseUrl,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    // A statement may be sent before the one before it is answered (postgres/transaction.ts).
    pipeline: true,
  });
  pool.on("error", (error) => log.warn({ reason: error.message }, "a database connection failed"));
  return pool;
}

interface WatchParts {
  readonly options: ConcordOptions;
  readonly pool: pg.Pool;
  readonly kit: Kit;
  readonly log: Logger;
  readonly runtime: DurableRuntime<pg.ClientBase>;
  readonly reconciler: Reconciler;
}

/** What operators look at, over all tenants. */
function watch({ options, pool, kit, log, runtime, reconciler }: WatchParts) {
  const limits = { ...ALERT_LIMITS, ...options.alertLimits };
  const alerts = async () => alertsOf(await readAlertFigures(pool, kit.nowMs(), limits), limits);
  const standsOn = {
    runtime,
    reconciler,
    ping: () => pool.query("SELECT 1"),
    migrationsMissing: () => missingMigrations(pool),
  };
  return {
    alerts,
    counts: () => readCounts(pool),
    health: () => readHealth(standsOn),
    alertWatch: createAlertWatch(alerts, log, options.alertsEveryMs),
  };
}

type Services = Pick<
  Concord,
  | "connectors"
  | "dashboards"
  | "incidents"
  | "inputs"
  | "notifications"
  | "policies"
  | "record"
  | "redactions"
  | "tasks"
  | "webhookEndpoints"
>;

interface ServiceParts extends Omit<WebhookServiceParts, "lists"> {
  readonly pool: pg.Pool;
  readonly catalog: TaskCatalog;
}

function services({ pool, store, kit, catalog, secrets, sender }: ServiceParts): Services {
  return {
    connectors: () => describeConnectors(catalog),
    tasks: () => describeTasks(catalog),
    dashboards: { read: (tenantId, since) => readDashboards(pool, tenantId, since) },
    notifications: createNotificationService({
      list: (principal, filter) => listNotifications(pool, principal, filter),
      read: (principal, id) => readNotification(pool, principal, id),
    }),
    policies: createPolicyService(
      catalog,
      (tenantId, filter) => readPolicyCases(pool, kit.hash, tenantId, filter),
      celPolicy,
    ),
    incidents: {
      ...createIncidentService(store, kit),
      list: (principal, filter) => listIncidents(pool, principal.tenant, filter),
    },
    inputs: { list: (principal, filter) => listInputs(pool, principal.tenant, filter) },
    record: (principal, filter) => listRecord(pool, principal.tenant, filter),
    redactions: createRedactionService(store, kit),
    webhookEndpoints: createWebhookEndpointService({
      store,
      kit,
      secrets,
      sender,
      lists: {
        endpoints: (principal, filter) => listEndpoints(pool, principal.tenant, filter),
        deliveries: (tenantId, filter) => listDeliveries(pool, tenantId, filter),
      },
    }),
  };
}

/** The catalog, checked against the runtime that is to carry it, and the storage both work on. */
function engineOf(options: ConcordOptions, pool: pg.Pool, log: Logger) {
  const secrets = options.secrets ?? envSecrets(process.env);
  const makeRuntime: RuntimeFactory = options.runtime ?? createDbosRuntime;
  const runtime = makeRuntime({
    databaseUrl: options.databaseUrl,
    ownerDatabaseUrl: options.ownerDatabaseUrl,
    pool,
    executorId: options.executorId ?? "concord-1",
    version: options.workflowVersion,
    queuePrefix: options.queuePrefix,
    log,
  });
  const given = "kind" in options.contracts ? [options.contracts] : options.contracts;
  const upkeep = upkeepContracts(() => ({
    pool,
    store,
    kit,
    runtime,
    runRetentionDays: options.runRetentionDays ?? RUN_RETENTION_DAYS,
    eventRetention: options.eventRetention ?? [],
  }));
  const catalog = loadCatalog([...given, upkeep], { runtime });
  const kit = createKit(catalog, options.nowMs ?? Date.now);
  const outbox: OutboxFactory = (client) => outboxOver(runtime.messages(client));
  const gate = createRateGate(options.databaseUrl, (error) =>
    log.warn({ err: error }, "the connection that keeps calls under their limits failed"),
  );
  const announcer = createAnnouncer(pool, (error) =>
    log.warn(
      { err: error },
      "could not tell other processes of new events; they will look themselves",
    ),
  );
  const store = createPgStore(pool, kit.newId, outbox, announcer.announce);
  const podium = options.agentRuntimes?.podium;
  defineRunCommand(runtime, {
    over: store.over,
    store,
    kit,
    vendors: { secrets, gate },
    agentRuntime: podium === undefined ? undefined : tracedAgent(podium, options.spans),
    spans: options.spans,
    onError: (error, commandId) => log.error({ err: error, command_id: commandId }, "a run failed"),
  });
  const { failuresMax = WEBHOOK_FAILURES_MAX } = options.webhooks ?? {};
  const retry = compilePolicy(DELIVERY, options.webhooks?.retry ?? WEBHOOK_RETRY);
  const sender = createWebhookSender(secrets, options.webhooks ?? {});
  defineDeliverWebhook(runtime, { store, kit, sender, retry, failuresMax, unit: Math.random });
  const reconciler = createReconciler(runtime, store, log);
  const links = { announcer, reconciler, secrets, outbox, sender, gate };
  return { given, runtime, catalog, kit, store, ...links };
}

type Reads = Pick<
  Concord,
  "artifacts" | "costs" | "evidence" | "explain" | "timeline" | "verifyAudit"
>;

interface ReadParts {
  readonly pool: pg.Pool;
  readonly store: Store;
  readonly kit: Kit;
  readonly commands: CommandService;
  readonly runtime: DurableRuntime<pg.ClientBase>;
  readonly tokenCosts: TokenCosts | undefined;
}

function reads({ pool, store, kit, commands, runtime, tokenCosts }: ReadParts): Reads {
  const artifact = async (principal: Principal, id: string) => {
    const artifactId = decodeId("artifact", id);
    const found =
      artifactId === undefined
        ? undefined
        : await store.read((tx) => tx.artifacts.find(artifactId, principal.tenant));
    if (found === undefined || !maySee(found, principal)) {
      throw new Refusal("not_found", "There is no such artifact.");
    }
    return found;
  };
  return {
    artifacts: {
      get: artifact,
      rendering: ({ artifactType }) => kit.catalog.artifactType(artifactType)?.rendering,
      lineage: async (principal, id) => readLineage(pool, await artifact(principal, id)),
    },
    costs: async (principal, id) => {
      const { commandId } = await commands.get(principal, id);
      return costsOf(await readCosts(pool, commandId), tokenCosts ?? NO_TOKEN_COSTS);
    },
    evidence: async (principal, id) => {
      const command = await commands.get(principal, id);
      const isAuditor = AUDITORS.some((role) => principal.roles.includes(role));
      if (!isAuditor && command.requestedBy !== principal.user) {
        const message = `Only the requester or ${AUDITORS.join(" or ")} may export the evidence.`;
        throw new Refusal("forbidden", message);
      }
      return packEvidence({
        command_id: id,
        tenant_id: command.tenantId,
        exported_at: isoTime(kit.nowMs()),
        exported_by: principal.user,
        ...(await readEvidence(pool, command.commandId)),
      });
    },
    explain: async (principal, id) => {
      const command = await commands.get(principal, id);
      const run = await runtime.inspect(command.workflowId);
      const reasons = await store.transaction((tx) => explain(tx, kit, command, run));
      return { command, reasons };
    },
    timeline: async (principal, id, { descendants = false } = {}) => {
      const command = await commands.get(principal, id);
      return { command, entries: await readTimeline(pool, command.commandId, descendants) };
    },
    verifyAudit: async (principal, { known } = {}) => {
      if (!AUDITORS.some((role) => principal.roles.includes(role))) {
        throw new Refusal("forbidden", `Only ${AUDITORS.join(" or ")} may check the record.`);
      }
      return verifyAudit(pool, principal.tenant, known);
    },
  };
}

async function migrateAs(ownerDatabaseUrl: string | undefined, pool: pg.Pool): Promise<void> {
  if (ownerDatabaseUrl === undefined) return migrate(pool);
  const owner = new pg.Pool({ connectionString: ownerDatabaseUrl, max: 1 });
  try {
    await migrate(owner);
  } finally {
    await owner.end();
  }
}

/** Processes may start in any order: a database that is not up yet is waited for. */
async function reachable(pool: pg.Pool, log: Logger): Promise<void> {
  const deadlineMs = Date.now() + DATABASE_WITHIN_MS;
  for (;;) {
    try {
      await pool.query("SELECT 1");
      return;
    } catch (error) {
      if (!isConnectionLost(error) || Date.now() > deadlineMs) throw error;
      log.info("waiting for the database");
      await new Promise((resolve) => setTimeout(resolve, DATABASE_RETRY_MS));
    }
  }
}

function createKit(catalog: TaskCatalog, nowMs: () => number): Kit {
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");
  return { catalog, hash, newId: () => uuidv7(), nowMs };
}

async function settled(
  commands: CommandService,
  events: EventFeed,
  principal: Principal,
  id: string,
  timeoutMs: number,
): Promise<Command> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const command = await commands.get(principal, id);
    const leftMs = deadlineMs - Date.now();
    if (isResting(command.status) || leftMs <= 0) return command;
    await events.changed(Math.min(leftMs, 200));
  }
}

function specsOf(catalog: TaskCatalog): readonly ScheduleSpec[] {
  return catalog.schedules().map(({ name, cron, missed = "skip" }) => ({ name, cron, missed }));
}

async function missing(pool: pg.Pool, hasContracts: boolean): Promise<readonly string[]> {
  const contracts = hasContracts ? [] : ["contracts: no task is registered"];
  try {
    const migrations = await missingMigrations(pool);
    return [...contracts, ...migrations.map((name) => `migration ${name}`)];
  } catch (error) {
    return [...contracts, `database: ${error instanceof Error ? error.message : String(error)}`];
  }
}
