/** Owns what a session's database says became of a turn that somebody outside the session waits for. */
import type { Database } from "bun:sqlite";
import type { TurnOutcomeSeen } from "./stored-automations.ts";

interface Columns {
  readonly outcome: "succeeded" | "cancelled" | "failed" | null;
  readonly command_id: string | null;
  readonly cost: number | null;
}

export function turnOutcome(database: Database, turnId: string): TurnOutcomeSeen {
  const turn = database
    .query<Columns, [string]>(
      `SELECT outcome, command_id, cost FROM turns LEFT JOIN turn_usage USING (turn_id)
       WHERE turn_id = ?`,
    )
    .get(turnId);
  if (turn === null) return beforeItsTurn(database, turnId);
  const { outcome, command_id: commandId } = turn;
  if (outcome === null) return { kind: "open", commandId, waits: waits(database, turnId) };
  return {
    kind: "over",
    outcome,
    commandId,
    text: lastWords(database, turnId),
    error: outcome === "failed" ? failureOf(database, turnId) : null,
    microcredits: turn.cost ?? 0,
  };
}

/** A turn that waited and was taken off the queue has never been one. */
function beforeItsTurn(database: Database, turnId: string): TurnOutcomeSeen {
  const queued = database.query("SELECT 1 FROM waiting_turns WHERE turn_id = ?").get(turnId);
  if (queued !== null) return { kind: "open", commandId: null, waits: false };
  const accounted = database.query("SELECT 1 FROM turn_usage WHERE turn_id = ?").get(turnId);
  if (accounted === null) return { kind: "unknown" };
  const nothing = { commandId: null, text: "", error: null, microcredits: 0 };
  return { kind: "over", outcome: "cancelled", ...nothing };
}

function waits(database: Database, turnId: string): boolean {
  const pending = database
    .query("SELECT 1 FROM approvals WHERE turn_id = ? AND decision IS NULL LIMIT 1")
    .get(turnId);
  return pending !== null;
}

function lastWords(database: Database, turnId: string): string {
  const row = database
    .query<{ text: string }, [string]>(
      `SELECT text FROM messages WHERE turn_id = ? AND role = 'assistant' AND text <> ''
       ORDER BY rowid DESC LIMIT 1`,
    )
    .get(turnId);
  return row?.text ?? "";
}

/** Found near the end of the log: the turn has just failed. */
function failureOf(database: Database, turnId: string) {
  const row = database
    .query<{ frame: string }, [string]>(
      "SELECT frame FROM events WHERE type = 'turn_error' AND turn_id = ? ORDER BY seq DESC LIMIT 1",
    )
    .get(turnId);
  if (row === null) return { code: "failed", message: "The turn failed." };
  const { code, message } = JSON.parse(row.frame) as { code: string; message: string };
  return { code, message };
}
