/**
 * Owns what people say into turns under way. Words are read by the first thought that begins after them, and by every
 * thought after that one; a thought that is asked again reads the same, and what has come since.
 */
import type { Database } from "bun:sqlite";
import type { Steer } from "../runs/steer.ts";

export class Steers {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Keeps words under their id; the same id again changes nothing. */
  add(steerId: string, turnSeq: number, text: string): void {
    this.#db
      .query(
        `INSERT INTO steers (steer_id, turn_seq, text, position)
         SELECT ?1, ?2, ?3, COALESCE(MAX(position), 0) + 1 FROM steers WHERE turn_seq = ?2
         ON CONFLICT (steer_id) DO NOTHING`,
      )
      .run(steerId, turnSeq, text);
  }

  /** What thought `stepIndex` of a turn reads, oldest first; what nobody has read yet is its own from now on. */
  readBy(turnSeq: number, stepIndex: number): readonly Steer[] {
    this.#db
      .query("UPDATE steers SET step_index = ? WHERE turn_seq = ? AND step_index IS NULL")
      .run(stepIndex, turnSeq);
    return this.#db
      .query<Steer, [number, number]>(
        `SELECT steer_id AS steerId, text, step_index AS stepIndex FROM steers
         WHERE turn_seq = ? AND step_index <= ? ORDER BY step_index, position`,
      )
      .all(turnSeq, stepIndex);
  }
}
