/** Owns what a tenant's registry keeps of automations, as plain data that crosses a thread. */
import type { Actor } from "@concert/service-kit/identity";
import type {
  Automation,
  AutomationDefinition,
  AutomationDelivery,
  AutomationLogEntry,
  AutomationRun,
  Blueprint,
  DeliveryStatus,
  InboxItem,
  InboxView,
  RunStatus,
} from "../protocol/index.ts";
import type { Remembered } from "./stored-session.ts";

export interface StoredAutomation extends Automation {
  /** Its runs have this person's identity. */
  readonly owner: Actor;
  /** Heartbeats count from here. */
  readonly anchorAt: number;
  /** Every tick up to here is accounted for. */
  readonly cursorAt: number;
}

/** What a run does, as it was when it came to be: a later change of the automation does not change it. */
export interface RunPlan
  extends Pick<AutomationDefinition, "name" | "execution" | "delivery" | "tools"> {
  readonly prompt: string;
  readonly retries: AutomationDefinition["retries"];
  readonly limits: AutomationDefinition["limits"];
  readonly owner: Actor;
}

export interface StoredRun extends AutomationRun {
  readonly plan: RunPlan;
  /** While it runs: when it is stopped. Time in which it waits for a person does not count. */
  readonly deadlineAt: number | null;
  readonly createdAt: number;
}

/** What a receiver is told, the same at every attempt. */
export type DeliveryMessage =
  | { readonly secretRef: string; readonly body: string }
  | {
      readonly payload: Readonly<Record<string, unknown>>;
      /** In whose name Concord is asked. */
      readonly owner: Actor;
      readonly dueAt: number;
    };

export interface StoredDelivery extends AutomationDelivery {
  readonly message: DeliveryMessage;
}

/** Where a page of a list ends; lists are in the order things came to be. */
export interface Placed<T> {
  readonly place: number;
  readonly value: T;
}

interface OfTenant {
  readonly tenantId: string;
}
interface Keyed {
  readonly log: AutomationLogEntry;
  readonly remembered: Remembered | null;
  readonly nowMs: number;
}
interface Paging {
  readonly beforePlace: number | null;
  readonly limit: number;
}

export interface SaveAutomation extends OfTenant, Keyed {
  readonly kind: "save_automation";
  readonly automation: StoredAutomation;
  /** The version it replaces; null for a new one. */
  readonly replaces: number | null;
  readonly countMax: number;
}
export type AutomationSaved = "saved" | "stale" | "too_many";

/** Accounts for ticks: whoever is first moves the cursor, and with it come the runs. */
export interface AdvanceAutomation extends OfTenant {
  readonly kind: "advance_automation";
  readonly automationId: string;
  readonly version: number;
  readonly fromCursorAt: number;
  readonly cursorAt: number;
  readonly nextDueAt: number | null;
  readonly runs: readonly StoredRun[];
}

export interface AddRun extends OfTenant, Keyed {
  readonly kind: "add_run";
  readonly run: StoredRun;
  /** An item of the inbox that is done with it. */
  readonly doneItemId: string | null;
}

/** What changed about an open run; nothing happens unless it is open and at this attempt. */
export interface ChangeRun extends OfTenant {
  readonly kind: "change_run";
  readonly runId: string;
  readonly attempt: number;
  readonly patch: Partial<Omit<StoredRun, "runId" | "automationId" | "plan" | "cause" | "dueAt">>;
  readonly item: InboxItem | null;
  /** How it ended, for the count of failures in a row. */
  readonly counts: "success" | "failure" | "neither";
  /** The automation pauses itself when so many runs have failed in a row; 0: at once. */
  readonly pause: {
    readonly reason: "failures" | "owner";
    readonly failuresMax: number;
    readonly item: InboxItem;
    readonly log: AutomationLogEntry;
  } | null;
  /** Told outside, with the end of the run. Absent in what an older gateway has written. */
  readonly deliveries?: readonly StoredDelivery[];
  readonly nowMs: number;
}
export interface RunChanged {
  readonly run: StoredRun;
  readonly automation: StoredAutomation | null;
  readonly items: readonly InboxItem[];
}

export interface TriageItem extends OfTenant {
  readonly kind: "triage_item";
  readonly itemId: string;
  readonly patch: Partial<Pick<InboxItem, "state" | "snoozedUntil">>;
  readonly remembered: Remembered | null;
  readonly nowMs: number;
}

export interface DeleteAutomation extends OfTenant, Keyed {
  readonly kind: "delete_automation";
  readonly automationId: string;
}

/** What came of an attempt; nothing happens unless it is pending and so many attempts had been made. */
export interface ChangeDelivery extends OfTenant {
  readonly kind: "change_delivery";
  readonly deliveryId: string;
  readonly attempts: number;
  readonly patch: Partial<Omit<AutomationDelivery, "deliveryId" | "automationId" | "runId">>;
  readonly item: InboxItem | null;
}
export interface DeliveryChanged {
  readonly delivery: StoredDelivery;
  readonly item: InboxItem | null;
}

export interface Redeliver extends OfTenant {
  readonly kind: "redeliver";
  readonly deliveryId: string;
  readonly remembered: Remembered | null;
  readonly nowMs: number;
}

export interface SaveBlueprint extends OfTenant, Keyed {
  readonly kind: "save_blueprint";
  readonly blueprint: Blueprint;
  /** The version it replaces; null for a new one. */
  readonly replaces: number | null;
  readonly countMax: number;
}
export type BlueprintSaved = AutomationSaved | "name_taken";

export interface DeleteBlueprint extends OfTenant, Keyed {
  readonly kind: "delete_blueprint";
  readonly blueprintId: string;
}

/** Commands of the writer, with what each answers. */
export interface AutomationCommands {
  readonly save_automation: [SaveAutomation, AutomationSaved];
  /** False when somebody else was first: look again. */
  readonly advance_automation: [AdvanceAutomation, boolean];
  /** The run as it now is: the one that was there before wins. */
  readonly add_run: [AddRun, StoredRun];
  readonly change_run: [ChangeRun, RunChanged | null];
  readonly triage_item: [TriageItem, InboxItem | null];
  readonly delete_automation: [DeleteAutomation, boolean];
  /** Null when somebody else was first. */
  readonly change_delivery: [ChangeDelivery, DeliveryChanged | null];
  readonly redeliver: [Redeliver, StoredDelivery | null];
  readonly save_blueprint: [SaveBlueprint, BlueprintSaved];
  readonly delete_blueprint: [DeleteBlueprint, boolean];
}

/** What became of a turn that an automation asked for. */
export type TurnOutcomeSeen =
  | { readonly kind: "unknown" }
  | { readonly kind: "open"; readonly commandId: string | null; readonly waits: boolean }
  | {
      readonly kind: "over";
      readonly outcome: "succeeded" | "cancelled" | "failed";
      readonly commandId: string | null;
      readonly text: string;
      readonly error: { readonly code: string; readonly message: string } | null;
      readonly microcredits: number;
    };

type Query<K extends string, F = unknown> = OfTenant & { readonly kind: K } & F;

/** Queries of the reader, with what each answers. */
export interface AutomationQueries {
  /** Every tenant that has a registry. */
  readonly tenants: [{ readonly kind: "tenants"; readonly ofTenant: null }, readonly string[]];
  readonly get_automation: [
    Query<"get_automation", { readonly automationId: string }>,
    StoredAutomation | null,
  ];
  /** In the order they were made. */
  readonly list_automations: [
    Query<"list_automations", { readonly afterPlace: number; readonly limit: number }>,
    readonly Placed<StoredAutomation>[],
  ];
  readonly due_automations: [
    Query<"due_automations", { readonly nowMs: number }>,
    readonly StoredAutomation[],
  ];
  /** When the tenant has to be looked at next; `openRuns` are looked at again and again. */
  readonly automation_wake: [
    Query<"automation_wake">,
    {
      readonly atMs: number | null;
      readonly openRuns: number;
      /** When somebody outside has to be told of a run. */
      readonly deliverAtMs: number | null;
    },
  ];
  /** Pending, those that have waited longest first. */
  readonly due_deliveries: [
    Query<"due_deliveries", { readonly nowMs: number; readonly limit: number }>,
    readonly StoredDelivery[],
  ];
  readonly get_delivery: [
    Query<"get_delivery", { readonly deliveryId: string }>,
    StoredDelivery | null,
  ];
  /** The newest first. */
  readonly list_deliveries: [
    Query<
      "list_deliveries",
      Paging & {
        readonly automationId: string | null;
        readonly runId: string | null;
        readonly status: DeliveryStatus | null;
      }
    >,
    readonly Placed<StoredDelivery>[],
  ];
  readonly get_blueprint: [
    Query<"get_blueprint", { readonly blueprintId: string }>,
    Blueprint | null,
  ];
  /** In the order they were made. */
  readonly list_blueprints: [
    Query<"list_blueprints", { readonly afterPlace: number; readonly limit: number }>,
    readonly Placed<Blueprint>[],
  ];
  /** Oldest first. */
  readonly open_runs: [Query<"open_runs">, readonly StoredRun[]];
  readonly get_run: [Query<"get_run", { readonly runId: string }>, StoredRun | null];
  /** The newest first. */
  readonly list_runs: [
    Query<
      "list_runs",
      Paging & { readonly automationId: string | null; readonly status: RunStatus | null }
    >,
    readonly Placed<StoredRun>[],
  ];
  /** What the next run is told of those before. */
  readonly run_history: [
    Query<"run_history", { readonly automationId: string; readonly sinceMs: number }>,
    { readonly open: number; readonly begun: number; readonly lastResult: string },
  ];
  /** The newest first; `userId` null: everybody's. */
  readonly list_inbox: [
    Query<
      "list_inbox",
      Paging & {
        readonly userId: string | null;
        readonly view: InboxView;
        readonly automationId: string | null;
        readonly nowMs: number;
      }
    >,
    { readonly items: readonly Placed<InboxItem>[]; readonly unread: number },
  ];
  readonly get_item: [Query<"get_item", { readonly itemId: string }>, InboxItem | null];
  readonly automation_log: [
    Query<"automation_log", Paging & { readonly automationId: string | null }>,
    readonly Placed<AutomationLogEntry>[],
  ];
  /** Whether credits were put aside under this id and are so no more. */
  readonly reservation_closed: [Query<"reservation_closed", { readonly turnId: string }>, boolean];
  readonly turn_outcome: [
    { readonly kind: "turn_outcome"; readonly sessionId: string; readonly turnId: string },
    TurnOutcomeSeen,
  ];
}

export type AutomationCommand = AutomationCommands[keyof AutomationCommands][0];
export type AutomationQuery = AutomationQueries[keyof AutomationQueries][0];
/** Those that are asked of one tenant's registry. */
export type RegistryAutomationQuery = Extract<AutomationQuery, OfTenant>;
