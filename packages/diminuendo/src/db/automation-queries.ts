/** Owns what is asked of automations in a tenant's registry: which table answers. */
import type { Database } from "bun:sqlite";
import { automationLog } from "./automation-log-table.ts";
import {
  countOpenRuns,
  earliestAttempt,
  getRun,
  listRuns,
  openRuns,
  runHistory,
} from "./automation-run-tables.ts";
import {
  dueAutomations,
  earliestDue,
  getAutomation,
  listAutomations,
} from "./automation-tables.ts";
import { isReservationClosed } from "./billing-tables.ts";
import { getBlueprint, listBlueprints } from "./blueprint-table.ts";
import { dueDeliveries, earliestDelivery, getDelivery, listDeliveries } from "./delivery-table.ts";
import { getItem, listInbox } from "./inbox-table.ts";
import type { RegistryAutomationQuery } from "./stored-automations.ts";

export function answerAutomation(database: Database, ask: RegistryAutomationQuery): unknown {
  switch (ask.kind) {
    case "get_automation":
      return getAutomation(database, ask.automationId);
    case "list_automations":
      return listAutomations(database, ask);
    case "due_automations":
      return dueAutomations(database, ask.nowMs);
    case "automation_wake":
      return wakeOf(database);
    case "open_runs":
      return openRuns(database);
    case "get_run":
      return getRun(database, ask.runId);
    case "list_runs":
      return listRuns(database, ask);
    case "run_history":
      return runHistory(database, ask.automationId, ask.sinceMs);
    case "list_inbox":
      return listInbox(database, ask);
    case "get_item":
      return getItem(database, ask.itemId);
    case "reservation_closed":
      return isReservationClosed(database, ask.turnId);
    case "automation_log":
      return automationLog(database, ask);
    case "due_deliveries":
      return dueDeliveries(database, ask);
    case "get_delivery":
      return getDelivery(database, ask.deliveryId);
    case "list_deliveries":
      return listDeliveries(database, ask);
    case "get_blueprint":
      return getBlueprint(database, ask.blueprintId);
    case "list_blueprints":
      return listBlueprints(database, ask);
  }
}

/** Ticks, and attempts to come, wake a tenant at their time; open turns are looked at again and again. */
function wakeOf(database: Database) {
  const times = [earliestDue(database), earliestAttempt(database)].filter((at) => at !== null);
  const atMs = times.length === 0 ? null : Math.min(...times);
  return { atMs, openRuns: countOpenRuns(database), deliverAtMs: earliestDelivery(database) };
}

const NO_PAGE = new Set<RegistryAutomationQuery["kind"]>([
  "list_automations",
  "due_automations",
  "open_runs",
  "list_runs",
  "automation_log",
  "due_deliveries",
  "list_deliveries",
  "list_blueprints",
]);

/** What a tenant without a registry answers. */
export function noAutomations({ kind }: RegistryAutomationQuery): unknown {
  if (NO_PAGE.has(kind)) return [];
  if (kind === "automation_wake") return { atMs: null, openRuns: 0, deliverAtMs: null };
  if (kind === "run_history") return { open: 0, begun: 0, lastResult: "" };
  if (kind === "reservation_closed") return false;
  return kind === "list_inbox" ? { items: [], unread: 0 } : null;
}
