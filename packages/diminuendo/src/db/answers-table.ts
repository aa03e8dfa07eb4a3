/** Owns what idempotency keys stand for, in a registry and in a session alike: the first answer, told again. */
import type { Database } from "bun:sqlite";
import type { Remembered } from "./stored-session.ts";

/** The first answer under a key stays. */
export function remember(database: Database, remembered: Remembered, nowMs: number): void {
  const { userId, key, fingerprint, answer } = remembered;
  database
    .query("INSERT INTO answers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
    .run(userId, key, fingerprint, answer, nowMs);
}

export function recall(database: Database, userId: string, key: string): Remembered | null {
  return database
    .query<Remembered, [string, string]>(
      "SELECT user_id AS userId, key, fingerprint, answer FROM answers WHERE user_id = ? AND key = ?",
    )
    .get(userId, key);
}
