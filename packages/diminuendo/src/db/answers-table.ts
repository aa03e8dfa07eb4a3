/**
 * Owns what idempotency keys stand for, in a registry and in a session alike: the first answer, told again. It is kept for
 * `KEPT_MS`; who sends a request again after that sends a new one. What is older goes as new answers come, a few with each.
 */
import type { Database } from "bun:sqlite";
import type { Remembered } from "./stored-session.ts";

/** Seven days: longer than a client stays away with a request that it does not know the end of. */
export const KEPT_MS = 7 * 86_400_000;
/** More than one, so that what has gathered goes; few, so that nobody waits for it. */
const FORGOTTEN_AT_ONCE = 20;

type Table = "answers" | "idempotency_keys";

/** The first answer under a key stays. */
export function remember(database: Database, remembered: Remembered, nowMs: number): void {
  const { userId, key, fingerprint, answer } = remembered;
  forgetOld(database, "answers", nowMs);
  database
    .query("INSERT INTO answers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
    .run(userId, key, fingerprint, answer, nowMs);
}

/** Before a key is looked up or kept: the oldest that are past their time go. */
export function forgetOld(database: Database, table: Table, nowMs: number): void {
  database
    .query(
      `DELETE FROM ${table} WHERE (user_id, key) IN
         (SELECT user_id, key FROM ${table} WHERE created_at <= ? ORDER BY created_at LIMIT ?)`,
    )
    .run(nowMs - KEPT_MS, FORGOTTEN_AT_ONCE);
}

export function recall(database: Database, userId: string, key: string): Remembered | null {
  return database
    .query<Remembered, [string, string]>(
      "SELECT user_id AS userId, key, fingerprint, answer FROM answers WHERE user_id = ? AND key = ?",
    )
    .get(userId, key);
}
