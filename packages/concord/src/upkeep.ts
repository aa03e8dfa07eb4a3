/**
 * Owns what Concord does for itself on schedule (SCH-2, APR-14, AUD-10, OPS-7): closing overdue approvals, forgetting runs
 * that ended long ago, archiving artifacts that have had their time. Each is a command like any other, over an internal connector, so it is judged, recorded and
 * explained. Refuses to own: when ticks happen.
 */
import type { ClientBase, Pool } from "pg";
import { encodeId } from "./core/ids.ts";
import type { JsonObject } from "./core/json.ts";
import type { Policy } from "./core/policy.ts";
import { NO_RETRY } from "./core/retry.ts";
import { eventOf } from "./domain/audit.ts";
import type { ConnectorResult, OperationDefinition } from "./domain/connectors.ts";
import {
  type EventRetention,
  type ForgetRule,
  forgetEvents,
  forgetRules,
} from "./domain/event-retention.ts";
import type { Kit } from "./domain/kit.ts";
import { expireApprovals } from "./domain/open-questions.ts";
import { wake } from "./domain/runs.ts";
import type { Store } from "./domain/store.ts";
import { oldEvents, tenantsWithOldEvents } from "./postgres/projections/old-events.ts";
import {
  type OldArtifact,
  oldArtifacts,
  overdueCommands,
  type Retention,
  tenantsWithOldArtifacts,
  tenantsWithOverdueApprovals,
} from "./postgres/projections/upkeep.ts";
import { forgetDeliveries } from "./postgres/webhook-feed.ts";
import { type Contracts, defineContracts } from "./registry/define-contracts.ts";
import type { DurableRuntime } from "./runtime/protocol/index.ts";

export interface UpkeepParts {
  readonly pool: Pool;
  readonly store: Store;
  readonly kit: Kit;
  readonly runtime: DurableRuntime<ClientBase>;
  /** How long the runtime remembers runs that ended; the record of their commands stays. */
  readonly runRetentionDays: number;
  /** Which events are kept for how long; those that no rule speaks of are kept for ever. */
  readonly eventRetention: readonly EventRetention[];
}

const ONLY_SCHEDULES: Policy = {
  name: "concord.only_the_scheduler",
  version: "1",
  category: "permission",
  evaluate: ({ requester }) =>
    requester.roles.includes("system")
      ? { decision: "allow", reasons: ["the scheduler asks"], requiredApprovals: [] }
      : {
          decision: "deny",
          reasons: ["upkeep is asked for by the scheduler only"],
          requiredApprovals: [],
        },
};

const DAY_MS = 86_400_000;
const BATCH = 200;
const TIMEOUT_MS = 300_000;
const SYSTEM_TENANT = "system";
const inputSchema = {
  type: "object",
  required: ["due_at"],
  additionalProperties: false,
  properties: { due_at: { type: "string", format: "date-time" }, tenant: { type: "string" } },
} as const;

/** The parts exist only once the catalog does, so they are asked for at the time of use. */
export function upkeepContracts(parts: () => UpkeepParts): Contracts {
  return defineContracts((catalog) => {
    catalog.policy(ONLY_SCHEDULES);
    catalog.connector({
      name: "concord",
      connectorType: "internal",
      riskLevel: "low",
      auth: { mode: "none" },
      operations: {
        expire_approvals: operation(
          "Close approvals that nobody decided in time.",
          "expire",
          (input) => expireOverdue(parts(), String(input["tenant"])),
        ),
        forget_runs: operation("Forget runs that ended long ago.", "forget", () =>
          forgetRuns(parts()),
        ),
        archive_artifacts: operation(
          "Archive artifacts that have had their time.",
          "archive",
          (input) => archiveOld(parts(), String(input["tenant"])),
        ),
        forget_events: operation(
          "Forget events whose time is over.",
          "forget_events",
          (input, traceId) => {
            const { pool, store, kit } = parts();
            const [tenant, rules] = [String(input["tenant"]), rulesOf(parts())];
            return forgetEvents(
              store,
              kit,
              { tenant, traceId, rules },
              oldEvents(pool, tenant, rules),
            );
          },
        ),
      },
    });
    catalog.task(task("expire_approvals", "Close approvals that nobody decided in time."));
    catalog.task(task("forget_runs", "Forget runs that ended long ago."));
    catalog.task(task("archive_artifacts", "Archive artifacts that have had their time."));
    catalog.task(task("forget_events", "Forget events whose time is over."));
    catalog.schedule({
      name: "forget_old_events",
      description: "Forgets events as --event-retention says; their digests stay.",
      task: "forget_events",
      cron: "45 3 * * *",
      tenants: () => tenantsWithOldEvents(parts().pool, rulesOf(parts())),
    });
    catalog.schedule({
      name: "expire_pending_approvals",
      description: "Closes approvals that nobody decided in time.",
      task: "expire_approvals",
      cron: "*/5 * * * *",
      tenants: () => {
        const { pool, kit } = parts();
        return tenantsWithOverdueApprovals(pool, kit.nowMs());
      },
    });
    catalog.schedule({
      name: "forget_ended_runs",
      description: "Forgets runs that ended long ago; what they did stays on record.",
      task: "forget_runs",
      cron: "30 3 * * *",
      tenants: [SYSTEM_TENANT],
    });
    catalog.schedule({
      name: "archive_old_artifacts",
      description: "Archives artifacts whose type says for how long they are current.",
      task: "archive_artifacts",
      cron: "15 3 * * *",
      tenants: () => tenantsWithOldArtifacts(parts().pool, retentionsOf(parts())),
    });
  });
}

function operation(
  description: string,
  verb: string,
  work: (input: JsonObject, traceId: string) => Promise<JsonObject>,
): OperationDefinition {
  return {
    description,
    sideEffect: true,
    keyTemplate: `${verb}:{due_at}`,
    timeoutMs: TIMEOUT_MS,
    retry: NO_RETRY,
    compensation: { notNeeded: "it ends only what is over; doing it again changes nothing" },
    call: async (input, { traceparent }): Promise<ConnectorResult> => {
      const [, traceId = ""] = traceparent.split("-");
      return { ok: true, output: await work(input, traceId) };
    },
  };
}

type Duty = "expire_approvals" | "forget_runs" | "archive_artifacts" | "forget_events";

function task(name: Duty, description: string) {
  return {
    name,
    description,
    inputSchema,
    ingressTypes: ["scheduled_trigger"],
    queue: "scheduled_maintenance",
    policies: [ONLY_SCHEDULES.name],
    steps: [
      {
        kind: "connector",
        id: "work",
        connector: "concord",
        operation: name,
        effectType: `concord.${name}`,
        input: ({ requester }: { readonly requester: { readonly tenant: string } }) => ({
          tenant: requester.tenant,
        }),
      },
    ],
    result: ({ results }: { readonly results: JsonObject }) => ({ done: results["work"] ?? null }),
  } as const;
}

/** Idempotent: only what is still pending and overdue is closed, each in a commit of its own. */
async function expireOverdue(
  { pool, store, kit }: UpkeepParts,
  tenant: string,
): Promise<JsonObject> {
  for (let expired = 0; ; ) {
    const due = await overdueCommands(pool, tenant, kit.nowMs(), BATCH);
    let count = 0;
    for (const id of due) {
      const isClosed = await store.transaction(async (tx) => {
        const command = await tx.commands.lock(id);
        if (command?.status !== "waiting_for_approval") return false;
        await expireApprovals(tx, kit, command);
        await wake(tx, kit, command);
        return true;
      });
      if (isClosed) count += 1;
    }
    expired += count;
    // What cannot be closed (its command moved on meanwhile) must not come again for ever.
    if (count === 0 || due.length < BATCH) return { expired };
  }
}

function retentionsOf({ kit }: UpkeepParts): readonly Retention[] {
  return kit.catalog
    .artifactTypes()
    .flatMap(({ name, retentionDays }) =>
      retentionDays === undefined
        ? []
        : [{ artifactType: name, before: new Date(kit.nowMs() - retentionDays * DAY_MS) }],
    );
}

/** ART-11: each with its event, in a commit of its own; what somebody moved meanwhile is left alone. */
async function archiveOld(parts: UpkeepParts, tenant: string): Promise<JsonObject> {
  const retentions = retentionsOf(parts);
  for (let archived = 0; ; ) {
    const old = await oldArtifacts(parts.pool, tenant, retentions, BATCH);
    let count = 0;
    for (const one of old) if (await archive(parts, one)) count += 1;
    archived += count;
    if (count === 0 || old.length < BATCH) return { archived };
  }
}

async function archive(
  { store }: UpkeepParts,
  { artifactId, commandId, status }: OldArtifact,
): Promise<boolean> {
  return store.transaction(async (tx) => {
    const command = await tx.commands.find(commandId);
    const isMoved =
      command !== undefined && (await tx.artifacts.move(artifactId, status, "archived"));
    if (!isMoved) return false;
    const id = encodeId("artifact", artifactId);
    const event = eventOf(
      command,
      "artifact_archived",
      { artifact_id: id, cancelled: false },
      { actor: "concord", target: { type: "artifact", id } },
    );
    await tx.events.append([event]);
    return true;
  });
}

function rulesOf({ eventRetention, kit }: UpkeepParts): readonly ForgetRule[] {
  return forgetRules(eventRetention, kit.nowMs());
}

/** Runs, and what became of webhook deliveries. */
async function forgetRuns({
  pool,
  kit,
  runtime,
  runRetentionDays,
}: UpkeepParts): Promise<JsonObject> {
  const before = new Date(kit.nowMs() - runRetentionDays * DAY_MS);
  const forgotten = await inBatches(() => runtime.forgetEnded(before, BATCH));
  return { forgotten, deliveries: await inBatches(() => forgetDeliveries(pool, before, BATCH)) };
}

/** Until a batch is not full; how many there were. */
async function inBatches(batch: () => Promise<number>): Promise<number> {
  for (let total = 0; ; ) {
    const count = await batch();
    total += count;
    if (count < BATCH) return total;
  }
}
