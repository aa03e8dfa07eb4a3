/**
 * Owns what clients see of automations (docs/automations.md): definitions, runs, inbox items, the log of changes. A
 * definition that a client sends is checked whole by automations/core/check-definition.ts, not here.
 */
import * as Schema from "effect/Schema";
import { CarriedObject, Count, EpochMs, Id } from "./values.ts";

const nullable = <S extends Schema.Top>(schema: S) => Schema.NullOr(schema);

/** When it is due: at wall-clock times of a time zone, or at even intervals whatever the clocks show. */
export const AutomationSchedule = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("cron"),
    /** Five fields: minute, hour, day of month, month, day of week. */
    cron: Schema.String,
    /** IANA name, e.g. `Europe/Berlin`. */
    timeZone: Schema.String,
  }),
  Schema.Struct({ kind: Schema.Literal("heartbeat"), everyMinutes: Count }),
]);
export type AutomationSchedule = typeof AutomationSchedule.Type;

/** Where its turns run: always in one session, or each run in a session of its own. */
export const AutomationExecution = Schema.Union([
  Schema.Struct({ mode: Schema.Literal("main"), sessionId: Id }),
  Schema.Struct({ mode: Schema.Literal("isolated"), agentType: Schema.String }),
]);
export type AutomationExecution = typeof AutomationExecution.Type;

/** Which ends of runs go there. */
const when = Schema.Literals(["always", "problems"]);
export const WebhookTarget = Schema.Struct({ url: Schema.String, secretRef: Schema.String, when });
export type WebhookTarget = typeof WebhookTarget.Type;
export const TaskTarget = Schema.Struct({
  name: Schema.String,
  /** What the task is given; in its texts `{{name}}` stands for what is known of the run. */
  payload: CarriedObject,
  when,
});
export type TaskTarget = typeof TaskTarget.Type;

export const AutomationDefinition = Schema.Struct({
  name: Schema.String,
  schedule: AutomationSchedule,
  /** What the agent is told; `{{name}}` stands for a variable. */
  prompt: Schema.String,
  /** Values for the prompt's own variables. */
  variables: Schema.Record(Schema.String, Schema.String),
  execution: AutomationExecution,
  /** The only tools that its agent may use; absent: all that its owner's rights allow. */
  tools: Schema.optionalKey(Schema.Array(Schema.String)),
  delivery: Schema.Struct({
    /** Which ends of runs become items of the owner's inbox. */
    inbox: Schema.Literals(["always", "problems", "never"]),
    /** A session that is told how each run ended. */
    sessionId: nullable(Id),
    /** An address that is told, signed with the secret that `secretRef` names. */
    webhook: Schema.optionalKey(WebhookTarget),
    /** A task of Concord's that is asked for, e.g. one that notifies somebody. */
    task: Schema.optionalKey(TaskTarget),
  }),
  /** A failed run is tried again, first after `backoffSeconds`, then after twice as long, and so on. */
  retries: Schema.Struct({ max: Count, backoffSeconds: Count }),
  /** Ticks while nobody was there: left out, made up for by one run, or by the newest `max`. */
  missed: Schema.Struct({
    policy: Schema.Literals(["skip", "run_once", "catch_up"]),
    max: Count,
  }),
  /** A tick while the run before goes on: left out, or run after it. */
  overlap: Schema.Literals(["skip", "queue"]),
  limits: Schema.Struct({
    /** A run that takes longer is stopped. */
    runMinutes: Count,
    /** Runs within any 24 hours. */
    runsPerDay: Count,
    /** After so many failed runs in a row it pauses itself; 0: never. */
    failuresInARow: Count,
  }),
});
export type AutomationDefinition = typeof AutomationDefinition.Type;

/** Why it does not run: somebody paused it, it failed too often, or its owner may not run it any more. */
export const PauseReason = Schema.Literals(["person", "failures", "owner"]);
export type PauseReason = typeof PauseReason.Type;

export const Automation = Schema.Struct({
  automationId: Id,
  /** Grows with each change of the definition. */
  version: Count,
  definition: AutomationDefinition,
  /** Who saved it last: its turns run as this person, with this person's rights and the tenant's credits. */
  ownerId: Id,
  paused: nullable(PauseReason),
  createdAt: EpochMs,
  updatedAt: EpochMs,
  /** Null while it is paused. */
  nextDueAt: nullable(EpochMs),
  failuresInARow: Count,
});
export type Automation = typeof Automation.Type;

export const RUN_STATUSES = [
  "due",
  "running",
  "waiting",
  "retrying",
  "succeeded",
  "failed",
  "cancelled",
  "timed_out",
  "skipped",
  "missed",
] as const;
export const RunStatus = Schema.Literals(RUN_STATUSES);
export type RunStatus = typeof RunStatus.Type;

export const AutomationRun = Schema.Struct({
  runId: Id,
  automationId: Id,
  /** `tick`: it was due; `manual`: somebody asked for it; `again`: somebody asked for a run to be run again. */
  cause: Schema.Literals(["tick", "manual", "again"]),
  /** The tick, or when it was asked for. Of `missed` ticks the first. */
  dueAt: EpochMs,
  status: RunStatus,
  /** Of `missed`: how many ticks, and the last of them. */
  missed: nullable(Schema.Struct({ count: Count, throughAt: EpochMs })),
  /** 1 for the first. */
  attempt: Count,
  /** Of `retrying`. */
  nextAttemptAt: nullable(EpochMs),
  sessionId: nullable(Id),
  turnId: nullable(Id),
  /** Concord's command. */
  commandId: nullable(Id),
  startedAt: nullable(EpochMs),
  endedAt: nullable(EpochMs),
  /** How the agent's last words begin. */
  summary: Schema.String,
  error: nullable(Schema.Struct({ code: Schema.String, message: Schema.String })),
  /** What its turns have cost. */
  microcredits: Count,
});
export type AutomationRun = typeof AutomationRun.Type;

export const DELIVERY_STATUSES = ["pending", "delivered", "failed"] as const;
export const DeliveryStatus = Schema.Literals(DELIVERY_STATUSES);
export type DeliveryStatus = typeof DeliveryStatus.Type;

/** How a run ended, on its way to somebody outside. */
export const AutomationDelivery = Schema.Struct({
  /** Of a webhook also the `webhook-id`: the same however often it is sent. */
  deliveryId: Id,
  automationId: Id,
  runId: Id,
  to: Schema.Literals(["webhook", "task"]),
  /** The address, or the task's name. */
  target: Schema.String,
  status: DeliveryStatus,
  attempts: Count,
  /** Of `pending`. */
  nextAttemptAt: nullable(EpochMs),
  /** What the receiver answered last. */
  responseCode: nullable(Count),
  /** What Concord made of it; what became of that, its timeline tells. */
  commandId: nullable(Id),
  error: nullable(Schema.String),
  createdAt: EpochMs,
  endedAt: nullable(EpochMs),
});
export type AutomationDelivery = typeof AutomationDelivery.Type;

/** A template of automations: what a definition that is made from it need not say. */
export const Blueprint = Schema.Struct({
  blueprintId: Id,
  /** Grows with each change. */
  version: Count,
  /** One of a kind in the tenant. */
  name: Schema.String,
  description: Schema.String,
  /** Fields of a definition, each whole. */
  template: CarriedObject,
  /** Names in the prompt that a definition made from it has to bring as variables. */
  needs: Schema.Array(Schema.String),
  createdBy: Id,
  createdAt: EpochMs,
  updatedAt: EpochMs,
});
export type Blueprint = typeof Blueprint.Type;

export const InboxItem = Schema.Struct({
  itemId: Id,
  /** Whose inbox. */
  userId: Id,
  kind: Schema.Literals(["result", "failure", "attention"]),
  automationId: Id,
  runId: nullable(Id),
  sessionId: nullable(Id),
  title: Schema.String,
  summary: Schema.String,
  state: Schema.Literals(["unread", "read", "done"]),
  /** Out of the way until then. */
  snoozedUntil: nullable(EpochMs),
  createdAt: EpochMs,
  updatedAt: EpochMs,
});
export type InboxItem = typeof InboxItem.Type;

/** Which items: `open` are those not done and not snoozed. */
export const InboxView = Schema.Literals(["open", "unread", "snoozed", "done", "all"]);
export type InboxView = typeof InboxView.Type;

export const AutomationLogEntry = Schema.Struct({
  at: EpochMs,
  /** A person, or `system:automations`. */
  actor: Schema.String,
  automationId: Id,
  /** `created`, `updated`, `paused`, `resumed`, `triggered`, `deleted`, `paused_itself`. */
  action: Schema.String,
  /** E.g. the definition that was saved. */
  detail: Schema.Unknown,
  traceId: Schema.String,
});
export type AutomationLogEntry = typeof AutomationLogEntry.Type;
