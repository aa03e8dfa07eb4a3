/**
 * Owns the rows of a thought's work on its files. What is recorded is neither done nor paid for again, however often
 * the thought is repeated.
 */
import type { Database } from "bun:sqlite";
import type { WorkspaceRound } from "../runs/workspace-round.ts";

interface RoundRow {
  step_index: number;
  text: string;
  calls: string;
  input_tokens: number;
  output_tokens: number;
}

export class WorkspaceRounds {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Every round of a turn, in the order in which they were done. */
  ofTurn(turnSeq: number): WorkspaceRound[] {
    return this.#db
      .query<RoundRow, [number]>(
        `SELECT step_index, text, calls, input_tokens, output_tokens FROM workspace_rounds
         WHERE turn_seq = ? ORDER BY step_index, round`,
      )
      .all(turnSeq)
      .map(({ step_index, text, calls, ...usage }) => ({
        stepIndex: step_index,
        text,
        calls: JSON.parse(calls),
        usage,
      }));
  }

  /** How many rounds a thought has done: the number of its next one. */
  count(turnSeq: number, stepIndex: number): number {
    const row = this.#db
      .query<{ count: number }, [number, number]>(
        "SELECT count(*) AS count FROM workspace_rounds WHERE turn_seq = ? AND step_index = ?",
      )
      .get(turnSeq, stepIndex);
    return row?.count ?? 0;
  }

  record(turnSeq: number, round: number, { stepIndex, text, calls, usage }: WorkspaceRound): void {
    this.#db
      .query("INSERT INTO workspace_rounds VALUES (?, ?, ?, ?, ?, ?, ?)")
      .run(
        turnSeq,
        stepIndex,
        round,
        text,
        JSON.stringify(calls),
        usage.input_tokens,
        usage.output_tokens,
      );
  }
}
