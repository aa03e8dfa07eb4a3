/**
 * Owns what Podium remembers of Concord's feed: the cursor, the commands and calls of its turns, and events
 * held back because their turn does not know its command yet.
 */
import type { Database } from "bun:sqlite";
import type { FeedEvent } from "../runs/feed-event.ts";
import type { KnownCommand } from "../runs/fold-feed.ts";

export class Feed {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  cursor(): string | undefined {
    return this.#db.query<{ cursor: string }, []>("SELECT cursor FROM feed_cursor").get()?.cursor;
  }

  setCursor(cursor: string): void {
    this.#db
      .query(
        "INSERT INTO feed_cursor (id, cursor) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor",
      )
      .run(cursor);
  }

  command(commandId: string): KnownCommand | undefined {
    const row = this.#db
      .query<{ call_id: string | null; task_name: string }, [string]>(
        "SELECT call_id, task_name FROM commands WHERE command_id = ?",
      )
      .get(commandId);
    return row === null ? undefined : { commandId, callId: row.call_id, taskName: row.task_name };
  }

  learn(command: KnownCommand): void {
    this.#db
      .query(
        `INSERT INTO commands (command_id, call_id, task_name) VALUES (?, ?, ?)
         ON CONFLICT (command_id) DO UPDATE SET call_id = excluded.call_id, task_name = excluded.task_name`,
      )
      .run(command.commandId, command.callId, command.taskName);
  }

  /** The call of a turn is served by this command, whoever began it. */
  serve(commandId: string, turnSeq: number, callId: string): void {
    this.#db
      .query("INSERT INTO served_calls VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
      .run(commandId, turnSeq, callId);
  }

  /** The calls that a command serves, with the turn that each belongs to. */
  servedBy(commandId: string): { readonly turnSeq: number; readonly callId: string }[] {
    return this.#db
      .query<{ turnSeq: number; callId: string }, [string]>(
        `SELECT turn_seq AS turnSeq, call_id AS callId FROM served_calls
         WHERE command_id = ? ORDER BY turn_seq`,
      )
      .all(commandId);
  }

  /** `open_approvals` keeps questions as well: whatever waits for a person. */
  openRequest(requestId: string, event: FeedEvent): void {
    this.#db
      .query("INSERT INTO open_approvals VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
      .run(requestId, event.command_id, JSON.stringify(event));
  }

  closeRequest(requestId: string): void {
    this.#db.query("DELETE FROM open_approvals WHERE approval_id = ?").run(requestId);
  }

  /** What a command asks of people and nobody has answered. */
  openRequestsOf(commandId: string): FeedEvent[] {
    return this.#db
      .query<{ event: string }, [string]>(
        "SELECT event FROM open_approvals WHERE command_id = ? ORDER BY approval_id",
      )
      .all(commandId)
      .map((row) => JSON.parse(row.event));
  }

  taskOfCall(callId: string): string | undefined {
    return this.#db
      .query<{ task_name: string }, [string]>("SELECT task_name FROM calls WHERE call_id = ?")
      .get(callId)?.task_name;
  }

  nameCall(callId: string, taskName: string): void {
    this.#db
      .query("INSERT INTO calls (call_id, task_name) VALUES (?, ?) ON CONFLICT DO NOTHING")
      .run(callId, taskName);
  }

  hold(event: FeedEvent): void {
    this.#db
      .query("INSERT INTO held_events (root_command_id, event) VALUES (?, ?)")
      .run(event.root_command_id, JSON.stringify(event));
  }

  /** Removes and returns what was held for a command, in feed order. */
  release(rootCommandId: string): FeedEvent[] {
    const rows = this.#db
      .query<{ event: string }, [string]>(
        "SELECT event FROM held_events WHERE root_command_id = ? ORDER BY position",
      )
      .all(rootCommandId);
    this.#db.query("DELETE FROM held_events WHERE root_command_id = ?").run(rootCommandId);
    return rows.map((row) => JSON.parse(row.event));
  }

  /** Forgets everything held: no turn waits for its command any more. */
  dropHeld(): void {
    this.#db.run("DELETE FROM held_events");
  }
}
