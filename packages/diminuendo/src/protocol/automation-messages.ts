/**
 * Owns the messages about automations, blueprints, deliveries and inboxes, in both directions (docs/automations.md). The three notices,
 * `automation`, `automation_run` and `inbox_changed`, also come unasked, when something has changed.
 */
import * as Schema from "effect/Schema";
import {
  Automation,
  AutomationDelivery,
  AutomationLogEntry,
  AutomationRun,
  Blueprint,
  DeliveryStatus,
  InboxItem,
  InboxView,
  RunStatus,
} from "./automation-values.ts";
import { AUTOMATIONS_PAGE_MAX } from "./limits.ts";
import { CarriedObject, Count, EpochMs, Id } from "./values.ts";

const requestId = Schema.optionalKey(Id);
const idempotencyKey = Schema.optionalKey(Id);
const message = <const T extends string, F extends Schema.Struct.Fields>(type: T, fields: F) =>
  Schema.Struct({ type: Schema.tag(type), requestId, ...fields });

/** `cursor` of the page before; absent means the beginning of the list. */
const page = {
  cursor: Schema.optionalKey(Id),
  limit: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: AUTOMATIONS_PAGE_MAX })),
  ),
};
/** Where the next page is read from; absent on the last one. */
const next = { cursor: Schema.optionalKey(Id) };
/** A definition as docs/automations.md has it; every problem of it is answered at once. */
const definition = CarriedObject;

export const ListAutomations = message("list_automations", page);
export const GetAutomation = message("get_automation", { automationId: Id });
/** A template that gives what the definition leaves out. */
const blueprintId = Schema.optionalKey(Id);
export const CreateAutomation = message("create_automation", {
  definition,
  blueprintId,
  idempotencyKey,
});
export const UpdateAutomation = message("update_automation", {
  automationId: Id,
  /** The whole definition; whoever saves it is its owner from then on. */
  definition,
  /** The version it is made from: a newer one is not overwritten. */
  version: Count,
  idempotencyKey,
});
export const DeleteAutomation = message("delete_automation", { automationId: Id, idempotencyKey });
export const ControlAutomation = message("control_automation", {
  automationId: Id,
  /** `run` asks for a run now, paused or not. */
  action: Schema.Literals(["pause", "resume", "run"]),
  idempotencyKey,
});
/** What a definition would do: its problems, or its next ticks. Nothing is kept. */
export const PreviewAutomation = message("preview_automation", { definition, blueprintId });
export const ListAutomationRuns = message("list_automation_runs", {
  /** Absent: of every automation of the tenant. */
  automationId: Schema.optionalKey(Id),
  status: Schema.optionalKey(RunStatus),
  ...page,
});
export const GetAutomationLog = message("get_automation_log", {
  automationId: Schema.optionalKey(Id),
  ...page,
});
export const ListAutomationDeliveries = message("list_automation_deliveries", {
  automationId: Schema.optionalKey(Id),
  runId: Schema.optionalKey(Id),
  status: Schema.optionalKey(DeliveryStatus),
  ...page,
});
/** Sends it again from the first attempt on, whatever became of it, under the same id. */
export const RedeliverAutomation = message("redeliver_automation", {
  deliveryId: Id,
  idempotencyKey,
});
export const ListBlueprints = message("list_blueprints", page);
export const GetBlueprint = message("get_blueprint", { blueprintId: Id });
/** `{name, description?, template}`; every problem of it is answered at once. */
const blueprint = CarriedObject;
export const CreateBlueprint = message("create_blueprint", { blueprint, idempotencyKey });
export const UpdateBlueprint = message("update_blueprint", {
  blueprintId: Id,
  blueprint,
  /** The version it is made from: a newer one is not overwritten. */
  version: Count,
  idempotencyKey,
});
/** Automations that were made from it stay as they are. */
export const DeleteBlueprint = message("delete_blueprint", { blueprintId: Id, idempotencyKey });
export const ListInbox = message("list_inbox", {
  /** Absent: `open`. */
  view: Schema.optionalKey(InboxView),
  automationId: Schema.optionalKey(Id),
  /** Absent: one's own; `tenant` needs automation:manage. */
  of: Schema.optionalKey(Schema.Literals(["me", "tenant"])),
  ...page,
});
export const TriageInbox = message("triage_inbox", {
  itemId: Id,
  /** `retry` runs the item's run again and is done with the item. */
  action: Schema.Literals(["read", "unread", "done", "reopen", "snooze", "retry"]),
  /** Of `snooze`: until when. */
  until: Schema.optionalKey(EpochMs),
  idempotencyKey,
});

export const AUTOMATION_MESSAGES = [
  ListAutomations,
  GetAutomation,
  CreateAutomation,
  UpdateAutomation,
  DeleteAutomation,
  ControlAutomation,
  PreviewAutomation,
  ListAutomationRuns,
  GetAutomationLog,
  ListAutomationDeliveries,
  RedeliverAutomation,
  ListBlueprints,
  GetBlueprint,
  CreateBlueprint,
  UpdateBlueprint,
  DeleteBlueprint,
  ListInbox,
  TriageInbox,
] as const;

/** In the order they were made. */
export const AutomationList = message("automation_list", {
  automations: Schema.Array(Automation),
  ...next,
});
export const AutomationTold = message("automation", { automation: Automation });
export const AutomationDeleted = message("automation_deleted", { automationId: Id });
export const AutomationPreview = message("automation_preview", { dueAt: Schema.Array(EpochMs) });
/** The newest first. */
export const AutomationRuns = message("automation_runs", {
  runs: Schema.Array(AutomationRun),
  ...next,
});
export const AutomationRunTold = message("automation_run", { run: AutomationRun });
/** The newest first. */
export const AutomationLog = message("automation_log", {
  entries: Schema.Array(AutomationLogEntry),
  ...next,
});
/** The newest first. */
export const AutomationDeliveries = message("automation_deliveries", {
  deliveries: Schema.Array(AutomationDelivery),
  ...next,
});
export const AutomationDeliveryTold = message("automation_delivery", {
  delivery: AutomationDelivery,
});
/** In the order they were made. */
export const BlueprintList = message("blueprint_list", {
  blueprints: Schema.Array(Blueprint),
  ...next,
});
export const BlueprintTold = message("blueprint", { blueprint: Blueprint });
export const BlueprintDeleted = message("blueprint_deleted", { blueprintId: Id });
/** The newest first. */
export const Inbox = message("inbox", {
  items: Schema.Array(InboxItem),
  /** Items nobody has looked at and that are not snoozed, on all pages. */
  unread: Count,
  ...next,
});
export const InboxItemTold = message("inbox_item", { item: InboxItem });
/** Something in this person's inbox is new or different; what, `list_inbox` tells. */
export const InboxChanged = message("inbox_changed", { userId: Id, itemId: Id });

export const AUTOMATION_ANSWERS = [
  AutomationList,
  AutomationTold,
  AutomationDeleted,
  AutomationPreview,
  AutomationRuns,
  AutomationRunTold,
  AutomationLog,
  AutomationDeliveries,
  AutomationDeliveryTold,
  BlueprintList,
  BlueprintTold,
  BlueprintDeleted,
  Inbox,
  InboxItemTold,
  InboxChanged,
] as const;
