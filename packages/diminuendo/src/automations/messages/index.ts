/** Owns which handler a message about automations goes to. */
import type { Actor } from "@concert/service-kit/identity";
import type { Effect } from "effect/Effect";
import type { WorkerManager } from "../../db/WorkerManager.ts";
import type { AUTOMATION_MESSAGES, ServerMessage } from "../../protocol/index.ts";
import type { Sessions } from "../../session/Sessions.ts";
import type { Broadcaster } from "../../transport/Broadcaster.ts";
import type { Cause } from "../../transport/Reader.ts";
import type { RouteError } from "../../transport/Router.ts";
import type { PodiumClient } from "../../upstream/PodiumClient.ts";
import type { Outside } from "../Outside.ts";
import type { RunPorts } from "../RunPorts.ts";
import type { Scheduler } from "../Scheduler.ts";
import {
  createBlueprint,
  deleteBlueprint,
  getBlueprint,
  listBlueprints,
  updateBlueprint,
} from "./blueprints.ts";
import { controlAutomation } from "./control.ts";
import { listAutomationDeliveries, redeliverAutomation } from "./deliveries.ts";
import { listInbox, triageInbox } from "./inbox.ts";
import {
  getAutomation,
  getAutomationLog,
  listAutomationRuns,
  listAutomations,
  previewAutomation,
} from "./reading.ts";
import { createAutomation, deleteAutomation, updateAutomation } from "./saving.ts";

export type AutomationMessage = (typeof AUTOMATION_MESSAGES)[number]["Type"];
export type AutomationNeeds =
  | RunPorts
  | Scheduler
  | Sessions
  | Broadcaster
  | WorkerManager
  | Outside
  | PodiumClient;

export const aboutAutomations = (
  cause: Cause,
  actor: Actor,
  message: AutomationMessage,
): Effect<ServerMessage, RouteError, AutomationNeeds> => {
  switch (message.type) {
    case "list_automations":
      return listAutomations(actor, message);
    case "get_automation":
      return getAutomation(actor, message);
    case "create_automation":
      return createAutomation(cause, actor, message);
    case "update_automation":
      return updateAutomation(cause, actor, message);
    case "delete_automation":
      return deleteAutomation(cause, actor, message);
    case "control_automation":
      return controlAutomation(cause, actor, message);
    case "preview_automation":
      return previewAutomation(actor, message);
    case "list_automation_runs":
      return listAutomationRuns(actor, message);
    case "get_automation_log":
      return getAutomationLog(actor, message);
    case "list_automation_deliveries":
      return listAutomationDeliveries(actor, message);
    case "redeliver_automation":
      return redeliverAutomation(actor, message);
    case "list_blueprints":
      return listBlueprints(actor, message);
    case "get_blueprint":
      return getBlueprint(actor, message);
    case "create_blueprint":
      return createBlueprint(cause, actor, message);
    case "update_blueprint":
      return updateBlueprint(cause, actor, message);
    case "delete_blueprint":
      return deleteBlueprint(cause, actor, message);
    case "list_inbox":
      return listInbox(actor, message);
    case "triage_inbox":
      return triageInbox(cause, actor, message);
  }
};
