/**
 * Owns what the in-memory runtime stands on: transactions, and messages that arrive if and only if theirs commits.
 * Over Postgres those are NOTIFY; a message that comes while nobody listens is lost, and the reconciler finds the
 * command from its row.
 */
import type { ClientBase, Pool, PoolClient } from "pg";
import type { CommandId } from "../../core/ids.ts";
import { openCommands } from "../../postgres/projections/runs.ts";
import { inTransaction } from "../../postgres/transaction.ts";

export interface Ground<Connection> {
  transaction<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
  /** Carries `message` to `receive` when the transaction over `connection` commits. */
  send(connection: Connection, message: string): Promise<void>;
  /** Delivers from now on, until the returned function is called. */
  receive(deliver: (message: string) => void): Promise<() => Promise<void>>;
  /** Commands at work whose run is none of those `isKnown` knows, oldest first. */
  stranded(isKnown: (workflowId: string) => boolean, limit: number): Promise<readonly CommandId[]>;
}

const CHANNEL = "concord_memory_runtime";
const PAGE = 1_000;

export function postgresGround(pool: Pool): Ground<ClientBase> {
  return {
    transaction: (work) => inTransaction(pool, work),
    send: async (connection, message) => {
      await connection.query("SELECT pg_notify($1, $2)", [CHANNEL, message]);
    },
    receive: async (deliver) => {
      const client: PoolClient = await pool.connect();
      client.on("notification", ({ payload }) => deliver(payload ?? ""));
      client.on("error", () => undefined);
      await client.query(`LISTEN ${CHANNEL}`);
      return async () => client.release(true);
    },
    stranded: async (isKnown, limit) => {
      const found: CommandId[] = [];
      for (let after: CommandId | undefined; ; ) {
        const page = await openCommands(pool, after, PAGE);
        for (const { commandId, workflowId } of page) {
          if (workflowId === null || !isKnown(workflowId)) found.push(commandId);
          if (found.length === limit) return found;
        }
        if (page.length < PAGE) return found;
        after = page.at(-1)?.commandId;
      }
    },
  };
}
