/**
 * Owns the rows of turns: what was asked, by whom, which command it became, how it ended.
 * The claims of the asking person are kept, never the token that carried them.
 */
import type { Database } from "bun:sqlite";
import type { Actor } from "@concert/service-kit";
import type { TurnEnd } from "../runs/fold-feed.ts";
import type { FinishedTurn } from "../runs/history.ts";

/** The run of an automation that asked for a turn; Concord keeps it with the command. */
export interface TurnCause {
  readonly automation_id: string;
  readonly run_id: string;
  /** ISO 8601. */
  readonly due_at: string;
  /** The only tools that its agent may use; absent: all. */
  readonly tools?: readonly string[] | undefined;
}

export interface NewTurn {
  readonly instanceId: string;
  readonly turnId: string;
  readonly sessionId: string;
  readonly text: string;
  readonly actor: Actor;
  readonly traceId: string;
  /** Null for a turn that a person asked for. */
  readonly cause: TurnCause | null;
  /** The turns its history is made of, oldest first. */
  readonly historyTurnSeqs: readonly number[];
  readonly createdAt: string;
}

export interface Turn extends NewTurn {
  readonly turnSeq: number;
  readonly commandId: string | null;
  readonly status: "open" | TurnEnd["status"];
  /** Who asked to stop it; null while nobody has. */
  readonly stopActor: Actor | null;
  /** Concord has answered the cancellation: nothing is left to ask. */
  readonly cancelAnswered: boolean;
  readonly finalText: string | null;
}

interface TurnRow {
  turn_seq: number;
  instance_id: string;
  turn_id: string;
  session_id: string;
  text: string;
  actor: string;
  trace_id: string;
  history: string;
  cause: string | null;
  command_id: string | null;
  status: Turn["status"];
  stop_actor: string | null;
  cancel_answered: number;
  final_text: string | null;
  created_at: string;
}

export class Turns {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  get(instanceId: string, turnId: string): Turn | undefined {
    return this.#one("instance_id = ? AND turn_id = ?", instanceId, turnId);
  }

  ofCommand(commandId: string): Turn | undefined {
    return this.#one("command_id = ?", commandId);
  }

  bySeq(turnSeq: number): Turn | undefined {
    return this.#one("turn_seq = CAST(? AS INTEGER)", String(turnSeq));
  }

  /** Turns that have not ended, oldest first. */
  open(): Turn[] {
    return this.#all("status = 'open' ORDER BY turn_seq");
  }

  openCount(): number {
    const row = this.#db
      .query<{ count: number }, []>("SELECT count(*) AS count FROM turns WHERE status = 'open'")
      .get();
    return row?.count ?? 0;
  }

  openOf(instanceId: string): Turn[] {
    return this.#all("status = 'open' AND instance_id = ? ORDER BY turn_seq", instanceId);
  }

  /** Whether a turn of the tenant (of any, when absent) waits for Concord to name its command. */
  anyUnbound(tenantId?: string): boolean {
    const row = this.#db
      .query(
        `SELECT 1 FROM turns JOIN instances USING (instance_id)
         WHERE turns.status = 'open' AND command_id IS NULL AND (?1 IS NULL OR tenant_id = ?1) LIMIT 1`,
      )
      .get(tenantId ?? null);
    return row !== null;
  }

  insert(turn: NewTurn): void {
    this.#db
      .query(
        `INSERT INTO turns (instance_id, turn_id, session_id, text, actor, trace_id, history, cause, status, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', ?)`,
      )
      .run(
        turn.instanceId,
        turn.turnId,
        turn.sessionId,
        turn.text,
        JSON.stringify(turn.actor),
        turn.traceId,
        JSON.stringify(turn.historyTurnSeqs),
        turn.cause === null ? null : JSON.stringify(turn.cause),
        turn.createdAt,
      );
  }

  setCommand(turnSeq: number, commandId: string): void {
    this.#db.query("UPDATE turns SET command_id = ? WHERE turn_seq = ?").run(commandId, turnSeq);
  }

  setStop(turnSeq: number, actor: Actor): void {
    this.#db
      .query("UPDATE turns SET stop_actor = ? WHERE turn_seq = ? AND stop_actor IS NULL")
      .run(JSON.stringify(actor), turnSeq);
  }

  setCancelAnswered(turnSeq: number): void {
    this.#db.query("UPDATE turns SET cancel_answered = 1 WHERE turn_seq = ?").run(turnSeq);
  }

  end(turnSeq: number, end: TurnEnd, at: string): void {
    this.#db
      .query("UPDATE turns SET status = ?, final_text = ?, ended_at = ? WHERE turn_seq = ?")
      .run(end.status, end.finalText, at, turnSeq);
  }

  /** Turns of the instance that ended with something said, newest first. */
  finished(instanceId: string, limit: number): FinishedTurn[] {
    return this.#db
      .query<{ turn_seq: number; text: string; final_text: string }, [string, number]>(
        `SELECT turn_seq, text, final_text FROM turns
         WHERE instance_id = ? AND status IN ('succeeded', 'cancelled') AND final_text <> ''
         ORDER BY turn_seq DESC LIMIT ?`,
      )
      .all(instanceId, limit)
      .map(finishedTurn);
  }

  /** The finished turns with these numbers, oldest first. */
  finishedBySeq(turnSeqs: readonly number[]): FinishedTurn[] {
    return this.#db
      .query<{ turn_seq: number; text: string; final_text: string }, [string]>(
        `SELECT turn_seq, text, final_text FROM turns
         WHERE turn_seq IN (SELECT value FROM json_each(?)) ORDER BY turn_seq`,
      )
      .all(JSON.stringify(turnSeqs))
      .map(finishedTurn);
  }

  #one(where: string, ...values: string[]): Turn | undefined {
    return this.#all(where, ...values)[0];
  }

  #all(where: string, ...values: string[]): Turn[] {
    return this.#db
      .query<TurnRow, string[]>(`SELECT * FROM turns WHERE ${where}`)
      .all(...values)
      .map(turnOf);
  }
}

function finishedTurn(row: { turn_seq: number; text: string; final_text: string }): FinishedTurn {
  return { turnSeq: row.turn_seq, text: row.text, finalText: row.final_text };
}

function turnOf(row: TurnRow): Turn {
  return {
    turnSeq: row.turn_seq,
    instanceId: row.instance_id,
    turnId: row.turn_id,
    sessionId: row.session_id,
    text: row.text,
    actor: JSON.parse(row.actor),
    traceId: row.trace_id,
    historyTurnSeqs: JSON.parse(row.history),
    cause: row.cause === null ? null : JSON.parse(row.cause),
    commandId: row.command_id,
    status: row.status,
    stopActor: row.stop_actor === null ? null : JSON.parse(row.stop_actor),
    cancelAnswered: row.cancel_answered === 1,
    finalText: row.final_text,
    createdAt: row.created_at,
  };
}
