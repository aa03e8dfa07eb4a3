/**
 * Owns the SQL of runs. A run is named by what it stands for, so that it exists once; an open one changes only at the
 * attempt that whoever changes it has seen. Called inside the writer's transactions.
 */
import type { Database } from "bun:sqlite";
import type { RunStatus } from "../protocol/index.ts";
import type { Placed, StoredRun } from "./stored-automations.ts";

/** Ended runs of one automation that are kept. */
const KEPT_RUNS = 500;

/** False when there is such a run already. */
export function insertRun(database: Database, run: StoredRun): boolean {
  const { changes } = database
    .query(
      `INSERT INTO automation_runs (run_id, automation_id, cause, due_at, plan, created_at, status, attempt,
         next_attempt_at, session_id, turn_id, command_id, started_at, ended_at, summary, error, microcredits, missed,
         deadline_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    )
    .run(
      run.runId,
      run.automationId,
      run.cause,
      run.dueAt,
      JSON.stringify(run.plan),
      run.createdAt,
      ...changingOf(run),
    );
  return changes > 0;
}

const OPEN = "('due', 'running', 'waiting', 'retrying')";

function changingOf(run: StoredRun) {
  return [
    run.status,
    run.attempt,
    run.nextAttemptAt,
    run.sessionId,
    run.turnId,
    run.commandId,
    run.startedAt,
    run.endedAt,
    run.summary,
    run.error === null ? null : JSON.stringify(run.error),
    run.microcredits,
    run.missed === null ? null : JSON.stringify(run.missed),
    run.deadlineAt,
  ] as const;
}

/** False unless the run is open and at `attempt`. */
export function updateOpenRun(database: Database, run: StoredRun, attempt: number): boolean {
  const { changes } = database
    .query(
      `UPDATE automation_runs SET status = ?, attempt = ?, next_attempt_at = ?, session_id = ?, turn_id = ?,
         command_id = ?, started_at = ?, ended_at = ?, summary = ?, error = ?, microcredits = ?, missed = ?,
         deadline_at = ?
       WHERE run_id = ? AND attempt = ? AND status IN ${OPEN}`,
    )
    .run(...changingOf(run), run.runId, attempt);
  return changes > 0;
}

export function countOpenRuns(database: Database): number {
  const open = database
    .query<{ n: number }, []>(`SELECT count(*) AS n FROM automation_runs WHERE status IN ${OPEN}`)
    .get();
  return open?.n ?? 0;
}

export function earliestAttempt(database: Database): number | null {
  const next = database
    .query<{ at: number | null }, []>(
      "SELECT MIN(next_attempt_at) AS at FROM automation_runs WHERE status = 'retrying'",
    )
    .get();
  return next?.at ?? null;
}

export function dropRuns(database: Database, automationId: string): void {
  database.query("DELETE FROM automation_runs WHERE automation_id = ?").run(automationId);
}

/** The cursor has long passed what is forgotten: it cannot come back. */
export function forgetOldRuns(database: Database, automationId: string): void {
  database
    .query(
      `DELETE FROM automation_runs WHERE automation_id = ?1 AND status NOT IN ${OPEN} AND place <=
         (SELECT place FROM automation_runs WHERE automation_id = ?1 ORDER BY place DESC LIMIT 1 OFFSET ?2)`,
    )
    .run(automationId, KEPT_RUNS);
}

interface Columns {
  readonly place: number;
  readonly run_id: string;
  readonly automation_id: string;
  readonly cause: StoredRun["cause"];
  readonly due_at: number;
  readonly plan: string;
  readonly created_at: number;
  readonly status: RunStatus;
  readonly attempt: number;
  readonly next_attempt_at: number | null;
  readonly session_id: string | null;
  readonly turn_id: string | null;
  readonly command_id: string | null;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly summary: string;
  readonly error: string | null;
  readonly microcredits: number;
  readonly missed: string | null;
  readonly deadline_at: number | null;
}

export function getRun(database: Database, runId: string): StoredRun | null {
  const row = database
    .query<Columns, [string]>("SELECT * FROM automation_runs WHERE run_id = ?")
    .get(runId);
  return row === null ? null : fromColumns(row);
}

export function openRuns(database: Database): readonly StoredRun[] {
  return database
    .query<Columns, []>(`SELECT * FROM automation_runs WHERE status IN ${OPEN} ORDER BY place`)
    .all()
    .map(fromColumns);
}

export function listRuns(
  database: Database,
  page: {
    readonly automationId: string | null;
    readonly status: RunStatus | null;
    readonly beforePlace: number | null;
    readonly limit: number;
  },
): readonly Placed<StoredRun>[] {
  return database
    .query<Columns, [number, string | null, string | null, number]>(
      `SELECT * FROM automation_runs
       WHERE place < ?1 AND (?2 IS NULL OR automation_id = ?2) AND (?3 IS NULL OR status = ?3)
       ORDER BY place DESC LIMIT ?4`,
    )
    .all(page.beforePlace ?? Number.MAX_SAFE_INTEGER, page.automationId, page.status, page.limit)
    .map((row) => ({ place: row.place, value: fromColumns(row) }));
}

/** Open runs, those begun since a time, and what the last one that succeeded said. */
export function runHistory(database: Database, automationId: string, sinceMs: number) {
  const counted = database
    .query<{ open: number; begun: number }, [string, number]>(
      `SELECT COALESCE(SUM(status IN ${OPEN}), 0) AS open,
         COALESCE(SUM(created_at > ?2 AND status NOT IN ('skipped', 'missed')), 0) AS begun
       FROM automation_runs WHERE automation_id = ?1`,
    )
    .get(automationId, sinceMs);
  const last = database
    .query<{ summary: string }, [string]>(
      `SELECT summary FROM automation_runs WHERE automation_id = ? AND status = 'succeeded'
       ORDER BY place DESC LIMIT 1`,
    )
    .get(automationId);
  return { open: counted?.open ?? 0, begun: counted?.begun ?? 0, lastResult: last?.summary ?? "" };
}

function fromColumns(row: Columns): StoredRun {
  return {
    runId: row.run_id,
    automationId: row.automation_id,
    cause: row.cause,
    dueAt: row.due_at,
    plan: JSON.parse(row.plan),
    createdAt: row.created_at,
    status: row.status,
    attempt: row.attempt,
    nextAttemptAt: row.next_attempt_at,
    sessionId: row.session_id,
    turnId: row.turn_id,
    commandId: row.command_id,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    summary: row.summary,
    error: row.error === null ? null : JSON.parse(row.error),
    microcredits: row.microcredits,
    missed: row.missed === null ? null : JSON.parse(row.missed),
    deadlineAt: row.deadline_at,
  };
}
