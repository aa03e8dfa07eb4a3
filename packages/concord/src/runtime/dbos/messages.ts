/** Owns messages to DBOS, alone or committing with Concord's rows: start a workflow, wake one that waits. */
import { randomUUID } from "node:crypto";
import type { DBOSClient } from "@dbos-inc/dbos-sdk";
import type { ClientBase, Pool } from "pg";
import { runExists } from "../../postgres/executors.ts";
import { openTransaction } from "../../postgres/transaction.ts";
import type { RuntimeMessages, WorkflowSpec } from "../protocol/index.ts";
import { ring } from "./queue-bell.ts";

/** The client is there when DBOS has launched; whoever comes earlier waits. */
export type LaterClient = () => Promise<DBOSClient>;

/** What a message to DBOS has to know besides what is said. */
export interface Addressing {
  readonly version: string;
  /** How DBOS calls the queue; others know it by its plain name (QUE-6). */
  readonly queueName: (name: string) => string;
}

export function messagesWithin(
  dbos: LaterClient,
  connection: ClientBase,
  to: Addressing,
): RuntimeMessages {
  return {
    submit: async (spec) => {
      const transaction = openTransaction(connection);
      const client = await dbos();
      // What the enqueue commits with is usually complete by now: it goes with the first of its statements.
      transaction?.send();
      await client.enqueueInTransaction(connection, enqueueOptions(spec, to), spec.input);
      transaction?.afterCommit(() => ring(to.queueName(spec.queue)));
    },
    signal: async (workflowId, topic, payload) => {
      // A message to a missing run would abort the whole commit; the reconciler starts missing runs.
      if (!(await runExists(connection, workflowId))) return;
      await (await dbos()).sendInTransaction(connection, workflowId, payload, topic, randomUUID());
    },
  };
}

export function messagesAlone(dbos: LaterClient, pool: Pool, to: Addressing): RuntimeMessages {
  return {
    submit: async (spec) => {
      await (await dbos()).enqueue(enqueueOptions(spec, to), spec.input);
      ring(to.queueName(spec.queue));
    },
    signal: async (workflowId, topic, payload) => {
      if (!(await runExists(pool, workflowId))) return;
      await (await dbos()).send(workflowId, payload, topic, randomUUID());
    },
  };
}

function enqueueOptions(spec: WorkflowSpec, { version, queueName }: Addressing) {
  return {
    queueName: queueName(spec.queue),
    workflowName: spec.workflow,
    workflowID: spec.workflowId,
    appVersion: version,
    attributes: { tenant: spec.tenant },
  };
}
