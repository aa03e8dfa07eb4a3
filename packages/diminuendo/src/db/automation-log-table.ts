/** Owns the SQL of the record of who changed which automation: rows are added, and the database refuses anything else. */
import type { Database } from "bun:sqlite";
import type { AutomationLogEntry } from "../protocol/index.ts";
import type { Placed } from "./stored-automations.ts";

export function logChange(database: Database, entry: AutomationLogEntry): void {
  database
    .query(
      `INSERT INTO automation_log (at, actor, automation_id, action, detail, trace_id)
       VALUES (?, ?, ?, ?, ?, ?)`,
    )
    .run(
      entry.at,
      entry.actor,
      entry.automationId,
      entry.action,
      JSON.stringify(entry.detail),
      entry.traceId,
    );
}

export function automationLog(
  database: Database,
  page: {
    readonly automationId: string | null;
    readonly beforePlace: number | null;
    readonly limit: number;
  },
): readonly Placed<AutomationLogEntry>[] {
  return database
    .query<LogColumns, [number, string | null, number]>(
      `SELECT * FROM automation_log WHERE place < ?1 AND (?2 IS NULL OR automation_id = ?2)
       ORDER BY place DESC LIMIT ?3`,
    )
    .all(page.beforePlace ?? Number.MAX_SAFE_INTEGER, page.automationId, page.limit)
    .map(({ place, automation_id: automationId, detail, trace_id: traceId, ...row }) => ({
      place,
      value: { ...row, automationId, detail: JSON.parse(detail), traceId },
    }));
}

interface LogColumns {
  readonly place: number;
  readonly at: number;
  readonly actor: string;
  readonly automation_id: string;
  readonly action: string;
  readonly detail: string;
  readonly trace_id: string;
}
