/**
 * Owns what commands do to automations, each in one transaction: the definition and the record of its change, the
 * cursor and the runs it brings, the end of a run, the word of it in the inbox, and what is to be told outside.
 */
import type { Database } from "bun:sqlite";
import { remember } from "./answers-table.ts";
import { logChange } from "./automation-log-table.ts";
import {
  dropRuns,
  forgetOldRuns,
  getRun,
  insertRun,
  updateOpenRun,
} from "./automation-run-tables.ts";
import {
  countAutomations,
  countEnd,
  dropAutomation,
  getAutomation,
  insertAutomation,
  moveCursor,
  pauseAfter,
  replaceAutomation,
} from "./automation-tables.ts";
import { deleteBlueprint, saveBlueprint } from "./blueprint-table.ts";
import {
  changeDelivery,
  dropDeliveries,
  forgetOldDeliveries,
  insertDelivery,
  redeliver,
} from "./delivery-table.ts";
import { finishItem, putItem, triageItem } from "./inbox-table.ts";
import type {
  AddRun,
  AdvanceAutomation,
  AutomationCommand,
  AutomationSaved,
  ChangeRun,
  DeleteAutomation,
  RunChanged,
  SaveAutomation,
  StoredRun,
} from "./stored-automations.ts";

export function performAutomation(database: Database, command: AutomationCommand): unknown {
  switch (command.kind) {
    case "save_automation":
      return save(database, command);
    case "advance_automation":
      return advance(database, command);
    case "add_run":
      return addRun(database, command);
    case "change_run":
      return changeRun(database, command);
    case "triage_item":
      return triageItem(database, command);
    case "delete_automation":
      return deleteAutomation(database, command);
    case "change_delivery":
      return changeDelivery(database, command);
    case "redeliver":
      return redeliver(database, command);
    case "save_blueprint":
      return saveBlueprint(database, command);
    case "delete_blueprint":
      return deleteBlueprint(database, command);
  }
}

function save(database: Database, command: SaveAutomation): AutomationSaved {
  const { automation, replaces, countMax, nowMs } = command;
  if (replaces === null) {
    if (countAutomations(database) >= countMax) return "too_many";
    insertAutomation(database, automation);
  } else if (!replaceAutomation(database, automation, replaces)) {
    return "stale";
  }
  logChange(database, command.log);
  if (command.remembered !== null) remember(database, command.remembered, nowMs);
  return "saved";
}

function advance(database: Database, command: AdvanceAutomation): boolean {
  if (!moveCursor(database, command)) return false;
  for (const run of command.runs) insertRun(database, run);
  return true;
}

function addRun(database: Database, command: AddRun): StoredRun {
  const { run, nowMs } = command;
  if (insertRun(database, run)) logChange(database, command.log);
  if (command.doneItemId !== null) finishItem(database, command.doneItemId, nowMs);
  if (command.remembered !== null) remember(database, command.remembered, nowMs);
  return getRun(database, run.runId) ?? run;
}

function changeRun(database: Database, command: ChangeRun): RunChanged | null {
  const { runId, attempt, patch, item, counts } = command;
  const before = getRun(database, runId);
  if (before === null) return null;
  const run: StoredRun = { ...before, ...patch };
  if (!updateOpenRun(database, run, attempt)) return null;
  const { automationId } = run;
  const items = item === null ? [] : [putItem(database, item)];
  if (counts !== "neither") countEnd(database, automationId, counts);
  const pauseItem = pauseIfNeeded(database, command, automationId);
  for (const delivery of command.deliveries ?? []) insertDelivery(database, delivery);
  if (run.endedAt !== null) {
    forgetOldRuns(database, automationId);
    forgetOldDeliveries(database, automationId);
  }
  const automation = getAutomation(database, automationId);
  return { run, automation, items: pauseItem === null ? items : [...items, pauseItem] };
}

function pauseIfNeeded(database: Database, { pause, nowMs }: ChangeRun, automationId: string) {
  if (pause === null || !pauseAfter(database, automationId, { ...pause, nowMs })) return null;
  logChange(database, pause.log);
  return putItem(database, pause.item);
}

/** What its runs have left in inboxes stays; what is still on its way outside is not sent any more. */
function deleteAutomation(database: Database, command: DeleteAutomation): boolean {
  const { automationId, nowMs } = command;
  if (!dropAutomation(database, automationId)) return false;
  dropRuns(database, automationId);
  dropDeliveries(database, automationId);
  logChange(database, command.log);
  if (command.remembered !== null) remember(database, command.remembered, nowMs);
  return true;
}
