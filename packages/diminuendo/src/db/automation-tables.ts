/**
 * Owns the SQL of automations. A tick is accounted for by moving the cursor, once: who comes second finds it moved.
 * Called inside the writer's transactions.
 */
import type { Database } from "bun:sqlite";
import type { AdvanceAutomation, Placed, StoredAutomation } from "./stored-automations.ts";

export function insertAutomation(database: Database, automation: StoredAutomation): void {
  database
    .query(
      `INSERT INTO automations (automation_id, version, definition, owner, paused, created_at, updated_at, anchor_at,
         cursor_at, next_due_at, failures) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(automation.automationId, automation.version, ...valuesOf(automation));
}

/** A scheduler may meanwhile have gone further; then its place counts. */
export function replaceAutomation(
  database: Database,
  automation: StoredAutomation,
  replaces: number,
): boolean {
  const { changes } = database
    .query(
      `UPDATE automations SET version = ?, definition = ?, owner = ?, paused = ?, created_at = ?, updated_at = ?,
         anchor_at = ?, cursor_at = MAX(cursor_at, ?), next_due_at = ?, failures = ?
       WHERE automation_id = ? AND version = ?`,
    )
    .run(automation.version, ...valuesOf(automation), automation.automationId, replaces);
  return changes > 0;
}

function valuesOf(automation: StoredAutomation) {
  return [
    JSON.stringify(automation.definition),
    JSON.stringify(automation.owner),
    automation.paused,
    automation.createdAt,
    automation.updatedAt,
    automation.anchorAt,
    automation.cursorAt,
    automation.nextDueAt,
    automation.failuresInARow,
  ] as const;
}

export function countAutomations(database: Database): number {
  const count = database.query<{ n: number }, []>("SELECT count(*) AS n FROM automations").get();
  return count?.n ?? 0;
}

/** False when somebody else was first, or it is paused. */
export function moveCursor(database: Database, command: AdvanceAutomation): boolean {
  const { automationId, version, fromCursorAt, cursorAt, nextDueAt } = command;
  const { changes } = database
    .query(
      `UPDATE automations SET cursor_at = ?, next_due_at = ?
       WHERE automation_id = ? AND version = ? AND cursor_at = ? AND paused IS NULL`,
    )
    .run(cursorAt, nextDueAt, automationId, version, fromCursorAt);
  return changes > 0;
}

export function dropAutomation(database: Database, automationId: string): boolean {
  const { changes } = database
    .query("DELETE FROM automations WHERE automation_id = ?")
    .run(automationId);
  return changes > 0;
}

export function countEnd(
  database: Database,
  automationId: string,
  ended: "success" | "failure",
): void {
  const failures = ended === "success" ? "0" : "failures + 1";
  database
    .query(`UPDATE automations SET failures = ${failures} WHERE automation_id = ?`)
    .run(automationId);
}

/** Pauses it if so many runs have failed in a row. */
export function pauseAfter(
  database: Database,
  automationId: string,
  { reason, failuresMax, nowMs }: { reason: string; failuresMax: number; nowMs: number },
): boolean {
  const { changes } = database
    .query(
      `UPDATE automations SET paused = ?, next_due_at = NULL, updated_at = ?
       WHERE automation_id = ? AND paused IS NULL AND failures >= ?`,
    )
    .run(reason, nowMs, automationId, failuresMax);
  return changes > 0;
}

export function earliestDue(database: Database): number | null {
  const due = database
    .query<{ at: number | null }, []>("SELECT MIN(next_due_at) AS at FROM automations")
    .get();
  return due?.at ?? null;
}

interface Columns {
  readonly place: number;
  readonly automation_id: string;
  readonly version: number;
  readonly definition: string;
  readonly owner: string;
  readonly paused: StoredAutomation["paused"];
  readonly created_at: number;
  readonly updated_at: number;
  readonly anchor_at: number;
  readonly cursor_at: number;
  readonly next_due_at: number | null;
  readonly failures: number;
}

export function getAutomation(database: Database, automationId: string): StoredAutomation | null {
  const row = database
    .query<Columns, [string]>("SELECT * FROM automations WHERE automation_id = ?")
    .get(automationId);
  return row === null ? null : fromColumns(row);
}

export function listAutomations(
  database: Database,
  { afterPlace, limit }: { readonly afterPlace: number; readonly limit: number },
): readonly Placed<StoredAutomation>[] {
  return database
    .query<Columns, [number, number]>(
      "SELECT * FROM automations WHERE place > ? ORDER BY place LIMIT ?",
    )
    .all(afterPlace, limit)
    .map((row) => ({ place: row.place, value: fromColumns(row) }));
}

export function dueAutomations(database: Database, nowMs: number): readonly StoredAutomation[] {
  return database
    .query<Columns, [number]>(
      `SELECT * FROM automations WHERE next_due_at IS NOT NULL AND next_due_at <= ?
       ORDER BY next_due_at`,
    )
    .all(nowMs)
    .map(fromColumns);
}

function fromColumns(row: Columns): StoredAutomation {
  const owner = JSON.parse(row.owner);
  return {
    automationId: row.automation_id,
    version: row.version,
    definition: JSON.parse(row.definition),
    owner,
    ownerId: owner.user,
    paused: row.paused,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    anchorAt: row.anchor_at,
    cursorAt: row.cursor_at,
    nextDueAt: row.next_due_at,
    failuresInARow: row.failures,
  };
}
