/**
 * Owns the rows of thoughts: attempts of a step, the move that was recorded, the tokens it cost.
 *
 * INVARIANT P3: a recorded move never changes; its step is never thought again.
 */
import type { Database } from "bun:sqlite";
import type { Move, StepAnswer } from "../runs/agent-step.ts";
import type { Usage } from "../runs/podium-events.ts";

export interface OpenThought {
  readonly messageId: string;
  /** The number of the `stream_start` of the current attempt. */
  readonly attemptEventId: number;
}

interface MoveRow {
  move: string;
  input_tokens: number;
  output_tokens: number;
}

export class Thoughts {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** The recorded answer of a step, or undefined while it has none. */
  recorded(stepKey: string): StepAnswer | undefined {
    const row = this.#db
      .query<MoveRow, [string]>(
        "SELECT move, input_tokens, output_tokens FROM thoughts WHERE step_key = ? AND move IS NOT NULL",
      )
      .get(stepKey);
    if (row === null) return undefined;
    const { input_tokens, output_tokens } = row;
    return { move: JSON.parse(row.move), usage: { input_tokens, output_tokens } };
  }

  /** Counts one more attempt and returns its number, from 1. */
  begin(stepKey: string, instanceId: string, turnId: string, messageId: string): number {
    const row = this.#db
      .query<{ attempts: number }, [string, string, string, string]>(
        `INSERT INTO thoughts (step_key, instance_id, turn_id, message_id, attempts) VALUES (?, ?, ?, ?, 1)
         ON CONFLICT (step_key) DO UPDATE SET attempts = attempts + 1 RETURNING attempts`,
      )
      .get(stepKey, instanceId, turnId, messageId);
    if (row === null) throw new Error("an upsert returns its row");
    return row.attempts;
  }

  setAttemptEvent(stepKey: string, eventId: number): void {
    this.#db
      .query("UPDATE thoughts SET attempt_event_id = ? WHERE step_key = ?")
      .run(eventId, stepKey);
  }

  record(stepKey: string, move: Move, usage: Usage): void {
    this.#db
      .query(
        "UPDATE thoughts SET move = ?, input_tokens = ?, output_tokens = ? WHERE step_key = ? AND move IS NULL",
      )
      .run(JSON.stringify(move), usage.input_tokens, usage.output_tokens, stepKey);
  }

  /** The thought of a turn whose message has begun and has no move. */
  unfinished(instanceId: string, turnId: string): OpenThought | undefined {
    const row = this.#db
      .query<{ message_id: string; attempt_event_id: number }, [string, string]>(
        `SELECT message_id, attempt_event_id FROM thoughts
         WHERE instance_id = ? AND turn_id = ? AND move IS NULL ORDER BY attempt_event_id DESC LIMIT 1`,
      )
      .get(instanceId, turnId);
    return row === null
      ? undefined
      : { messageId: row.message_id, attemptEventId: row.attempt_event_id };
  }

  /** The text of the last recorded move of a turn that said something; "" when none did. */
  lastText(instanceId: string, turnId: string): string {
    const row = this.#db
      .query<{ text: string }, [string, string]>(
        `SELECT move ->> 'text' AS text FROM thoughts
         WHERE instance_id = ? AND turn_id = ? AND move ->> 'text' <> ''
         ORDER BY attempt_event_id DESC LIMIT 1`,
      )
      .get(instanceId, turnId);
    return row?.text ?? "";
  }

  /** The tool of a call that a recorded move of the turn made. */
  toolOfCall(instanceId: string, turnId: string, callId: string): string | undefined {
    return this.#db
      .query<{ tool_name: string }, [string, string, string]>(
        `SELECT call.value ->> 'tool_name' AS tool_name FROM thoughts, json_each(move, '$.calls') AS call
         WHERE instance_id = ? AND turn_id = ? AND call.value ->> 'call_id' = ?`,
      )
      .get(instanceId, turnId, callId)?.tool_name;
  }

  /** Tokens of all recorded moves of a turn. */
  usage(instanceId: string, turnId: string): Usage {
    const row = this.#db
      .query<Usage, [string, string]>(
        `SELECT coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens
         FROM thoughts WHERE instance_id = ? AND turn_id = ?`,
      )
      .get(instanceId, turnId);
    return row ?? { input_tokens: 0, output_tokens: 0 };
  }
}
