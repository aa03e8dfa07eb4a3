/** Owns the messages that wait to be passed on to a runtime outside Postgres: written in a commit, taken in order. */
import type { ClientBase, Pool } from "pg";
import type { Json } from "../core/json.ts";
import { LOCK_KEYS } from "./lock-keys.ts";
import { inTransaction } from "./transaction.ts";

export interface WaitingMessage {
  readonly number: string;
  readonly workflowId: string;
  readonly message: Json;
}

const CHANNEL = "concord_runtime_messages";

export async function leaveMessage(
  connection: ClientBase,
  workflowId: string,
  message: Json,
): Promise<void> {
  await connection.query(
    "INSERT INTO concord.runtime_messages (workflow_id, message) VALUES ($1, $2)",
    [workflowId, JSON.stringify(message)],
  );
}

/**
 * Hands the oldest messages to `pass` and deletes them when it returns; when it throws they stay, and come again.
 * One process passes on at a time, so that what was committed in order arrives in order. Returns how many.
 */
export async function passOnMessages(
  pool: Pool,
  limit: number,
  pass: (messages: readonly WaitingMessage[]) => Promise<void>,
): Promise<number> {
  return inTransaction(pool, async (client) => {
    const lock = await client.query("SELECT pg_try_advisory_xact_lock($1) AS mine", [
      LOCK_KEYS.passOnMessages,
    ]);
    if (lock.rows[0]?.mine !== true) return 0;
    const { rows } = await client.query<{ message_no: string; workflow_id: string; message: Json }>(
      "SELECT message_no, workflow_id, message FROM concord.runtime_messages ORDER BY message_no LIMIT $1",
      [limit],
    );
    if (rows.length === 0) return 0;
    await pass(
      rows.map((row) => ({
        number: row.message_no,
        workflowId: row.workflow_id,
        message: row.message,
      })),
    );
    await client.query("DELETE FROM concord.runtime_messages WHERE message_no = ANY($1)", [
      rows.map((row) => row.message_no),
    ]);
    return rows.length;
  });
}

/** Calls `ring` after each commit that left messages, until the returned function is called or the connection ends. */
export async function listenForMessages(
  pool: Pool,
  ring: () => void,
  onEnd: (error: unknown) => void,
): Promise<() => void> {
  const client = await pool.connect();
  client.on("notification", ring);
  client.on("error", onEnd);
  await client.query(`LISTEN ${CHANNEL}`);
  return () => {
    client.removeAllListeners("error");
    client.on("error", () => undefined);
    client.release(true);
  };
}
