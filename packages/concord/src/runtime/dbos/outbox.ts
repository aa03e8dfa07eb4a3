/** Owns messages to DBOS that commit with Concord's rows: start a workflow, wake one that waits. */
import { randomUUID } from "node:crypto";
import type { DBOSClient } from "@dbos-inc/dbos-sdk";
import type { ClientBase } from "pg";
import type { Outbox } from "../../domain/store.ts";

export const APPLICATION_NAME = "concord";
/** The order of durable steps in the workflow; raise it only when that order changes. */
export const WORKFLOW_VERSION = "run-command-1";
export const RUN_COMMAND = "concord.run_command";
/** One topic for everything: a message says only "read your rows again". */
export const WAKE_TOPIC = "wake";

export function dbosOutbox(dbos: () => Promise<DBOSClient>, client: ClientBase): Outbox {
  return {
    start: async (workflowId, commandId, queue, principal) => {
      const options = {
        queueName: queue,
        workflowName: RUN_COMMAND,
        workflowID: workflowId,
        appVersion: WORKFLOW_VERSION,
        attributes: { tenant: principal.tenant },
      };
      await (await dbos()).enqueueInTransaction(client, options, commandId);
    },
    wake: async (workflowId) => {
      // A message to a missing run would abort the whole commit; the reconciler starts missing runs.
      const { rows } = await client.query(
        "SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid = $1",
        [workflowId],
      );
      if (rows.length === 0) return;
      await (await dbos()).sendInTransaction(client, workflowId, {}, WAKE_TOPIC, randomUUID());
    },
  };
}
