/** Owns repositories over one connection, within one transaction. The outbox is handed in by the runtime. */
import type { ClientBase, Pool } from "pg";
import type { Outbox, Store, Tx } from "../domain/store.ts";
import { isConnectionLost } from "./connection.ts";
import { HeldRows } from "./held-rows.ts";
import { approvalRepository } from "./repositories/approvals.ts";
import { commandRepository } from "./repositories/commands.ts";
import { effectRepository } from "./repositories/effects.ts";
import { eventRepository } from "./repositories/events.ts";
import { incidentRepository } from "./repositories/incidents.ts";
import { notificationRepository } from "./repositories/notifications.ts";
import {
  artifactRepository,
  invocationRepository,
  policyDecisionRepository,
} from "./repositories/records.ts";
import { redactionRepository } from "./repositories/redactions.ts";
import { retentionRepository } from "./repositories/retention.ts";
import { turnRepository } from "./repositories/turns.ts";
import { dependencyRepository, inputRepository } from "./repositories/waits.ts";
import { webhookRepository } from "./repositories/webhooks.ts";
import { overClient } from "./schema.ts";
import { inTransaction, laterOver } from "./transaction.ts";

/** Makes the outbox of a transaction from its connection. */
export type OutboxFactory = (client: ClientBase) => Outbox;

export interface PgStore extends Store {
  /** Repositories over a connection whose transaction somebody else (the runtime) began. */
  over(client: ClientBase): Tx;
}

/** `announce` is called after each commit that wrote events. */
export function createPgStore(
  pool: Pool,
  newId: () => string,
  outbox: OutboxFactory,
  announce: () => void = () => undefined,
): PgStore {
  // Making them takes longer than many a query, and a connection is used again and again.
  const known = new WeakMap<ClientBase, Tx>();
  const over = (client: ClientBase): Tx => {
    const tx = known.get(client) ?? repositories(client);
    known.set(client, tx);
    return tx;
  };
  const repositories = (client: ClientBase): Tx => {
    const db = overClient(client);
    const held = new HeldRows(client);
    const later = laterOver(client);
    return {
      commands: commandRepository(db, client, held),
      effects: effectRepository(db, client, later),
      invocations: invocationRepository(client, later),
      approvals: approvalRepository(db),
      incidents: incidentRepository(db),
      inputs: inputRepository(db),
      dependencies: dependencyRepository(db, held),
      artifacts: artifactRepository(db),
      policyDecisions: policyDecisionRepository(later),
      notifications: notificationRepository(db),
      turns: turnRepository(db, client, held),
      webhooks: webhookRepository(db),
      redactions: redactionRepository(client),
      retention: retentionRepository(client),
      events: eventRepository(client, newId, announce),
      outbox: outbox(client),
    };
  };
  return {
    over,
    transaction: (work) => inTransaction(pool, (client) => work(over(client))),
    read: async (work) => {
      const client = await pool.connect();
      try {
        const value = await work(over(client));
        client.release();
        return value;
      } catch (error) {
        client.release(isConnectionLost(error));
        throw error;
      }
    },
  };
}
