/** Owns the SQL of spending limits, and of what was spent in the last day. */
import type { Database } from "bun:sqlite";
import { DAY_MS, type SpendingLimits, type Spent } from "../domain/spending.ts";
import type { SetSpendingLimit, Spending } from "./stored-billing.ts";

/** So that one tenant's limits stay a page. */
const LIMITS_MAX = 10_000;

/** False when there are too many to add another. */
export function setSpendingLimit(database: Database, command: SetSpendingLimit): boolean {
  const { of, who, microcredits, setBy, nowMs } = command;
  if (microcredits === null) {
    database.query("DELETE FROM spending_limits WHERE of = ? AND who = ?").run(of, who);
    return true;
  }
  const { changes } = database
    .query(
      `INSERT INTO spending_limits SELECT ?1, ?2, ?3, ?4, ?5
       WHERE (SELECT COUNT(*) FROM spending_limits) < ?6
         OR EXISTS (SELECT 1 FROM spending_limits WHERE of = ?1 AND who = ?2)
       ON CONFLICT (of, who) DO UPDATE
       SET microcredits = excluded.microcredits, set_by = excluded.set_by, set_at = excluded.set_at`,
    )
    .run(of, who, microcredits, setBy, nowMs, LIMITS_MAX);
  return changes > 0;
}

export function limitsOf(database: Database): SpendingLimits {
  const rows = database
    .query<{ of: string; who: string; microcredits: number }, []>(
      "SELECT of, who, microcredits FROM spending_limits",
    )
    .all();
  const one = (kind: string) => rows.find(({ of }) => of === kind)?.microcredits ?? null;
  const users = rows
    .filter(({ of }) => of === "user")
    .map(({ who, microcredits }) => [who, microcredits] as const);
  return { tenant: one("tenant"), everybody: one("everybody"), users: Object.fromEntries(users) };
}

/** What is put aside counts as spent until it is known. */
export function spentOf(database: Database, userId: string, nowMs: number): Spent {
  const row = database
    .query<Spent, [string, number]>(
      `SELECT COALESCE(SUM(COALESCE(cost, held)), 0) AS tenant,
         COALESCE(SUM(CASE WHEN user_id = ? THEN COALESCE(cost, held) END), 0) AS user
       FROM reservations WHERE created_at > ?`,
    )
    .get(userId, nowMs - DAY_MS);
  return row ?? { tenant: 0, user: 0 };
}

export const spendingOf = (database: Database, userId: string, nowMs: number): Spending => ({
  limits: limitsOf(database),
  spent: spentOf(database, userId, nowMs),
});
