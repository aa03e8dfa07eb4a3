/**
 * Owns removing an instance for good: its log, thoughts, turns and workspace go in the caller's transaction, and a row
 * stays that says who removed how much of it and when. An id is removed once and never used again.
 * Refuses to own: when an instance may be removed (`engine/turn-desk.ts`); Concord's record, which stays.
 */
import type { Database } from "bun:sqlite";
import type { Owner } from "./workspaces.ts";

export interface Removal extends Owner {
  readonly removedBy: string;
  /** ISO 8601. */
  readonly removedAt: string;
  readonly turns: number;
  readonly events: number;
  readonly files: number;
}

const TURNS = "SELECT turn_seq FROM turns WHERE instance_id = ?1";
const CALLS = `SELECT call.value ->> 'call_id' FROM thoughts, json_each(move, '$.calls') AS call
  WHERE instance_id = ?1 AND move IS NOT NULL`;

/** What refers to a row goes before it. Of Concord's commands only ids and task names are kept, and served calls of others need them. */
const STATEMENTS = [
  `DELETE FROM steers WHERE turn_seq IN (${TURNS})`,
  `DELETE FROM workspace_rounds WHERE turn_seq IN (${TURNS})`,
  `DELETE FROM served_calls WHERE turn_seq IN (${TURNS})`,
  `DELETE FROM open_approvals WHERE command_id NOT IN (SELECT command_id FROM served_calls)
     AND event ->> 'root_command_id' IN (SELECT command_id FROM turns WHERE instance_id = ?1)`,
  `DELETE FROM commands WHERE call_id IN (${CALLS})
     AND command_id NOT IN (SELECT command_id FROM served_calls)`,
  `DELETE FROM calls WHERE call_id IN (${CALLS})`,
  "DELETE FROM thoughts WHERE instance_id = ?1",
  "DELETE FROM events WHERE instance_id = ?1",
  // The same content may be a file of another workspace of the tenant.
  `DELETE FROM objects WHERE tenant_id = (SELECT tenant_id FROM instances WHERE instance_id = ?1)
     AND hash IN (SELECT hash FROM file_iterations WHERE instance_id = ?1)
     AND NOT EXISTS (SELECT 1 FROM file_iterations AS other JOIN instances USING (instance_id)
       WHERE other.hash = objects.hash AND instances.tenant_id = objects.tenant_id AND instance_id <> ?1)`,
  "DELETE FROM files WHERE instance_id = ?1",
  "DELETE FROM file_iterations WHERE instance_id = ?1",
  "DELETE FROM workspaces WHERE instance_id = ?1",
  "DELETE FROM turns WHERE instance_id = ?1",
  "DELETE FROM instances WHERE instance_id = ?1",
] as const;

export class Removals {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  get(instanceId: string): Removal | undefined {
    const row = this.#db
      .query<Removal, [string]>(
        `SELECT instance_id AS instanceId, tenant_id AS tenantId, removed_by AS removedBy, removed_at AS removedAt,
           turns, events, files FROM removed_instances WHERE instance_id = ?`,
      )
      .get(instanceId);
    return row ?? undefined;
  }

  /** Removes whatever there is; of an id that never was an instance too, the row stays. */
  remove({ instanceId, tenantId }: Owner, removedBy: string, removedAt: string): Removal {
    const counts = {
      turns: this.#count("turns", instanceId),
      events: this.#count("events", instanceId),
      files: this.#count("files", instanceId),
    };
    for (const statement of STATEMENTS) this.#db.query(statement).run(instanceId);
    this.#db
      .query("INSERT INTO removed_instances VALUES (?, ?, ?, ?, ?, ?, ?)")
      .run(instanceId, tenantId, removedBy, removedAt, counts.turns, counts.events, counts.files);
    return { instanceId, tenantId, removedBy, removedAt, ...counts };
  }

  #count(table: "turns" | "events" | "files", instanceId: string): number {
    const row = this.#db
      .query<{ count: number }, [string]>(
        `SELECT count(*) AS count FROM ${table} WHERE instance_id = ?`,
      )
      .get(instanceId);
    return row?.count ?? 0;
  }
}
