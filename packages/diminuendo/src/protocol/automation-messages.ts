/**
 * Owns the messages about automations and inboxes, in both directions (docs/automations.md). The three notices,
 * `automation`, `automation_run` and `inbox_changed`, also come unasked, when something has changed.
 */
import * as Schema from "effect/Schema";
import {
  Automation,
  AutomationLogEntry,
  AutomationRun,
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
export const CreateAutomation = message("create_automation", { definition, idempotencyKey });
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
export const PreviewAutomation = message("preview_automation", { definition });
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
  Inbox,
  InboxItemTold,
  InboxChanged,
] as const;
