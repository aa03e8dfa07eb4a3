/**
 * Owns the SQL of deliveries: how runs ended, on its way to somebody outside. A row comes with the end of its run, in one
 * transaction, so that no end is forgotten; it changes only at the attempt that whoever changes it has seen.
 */
import type { Database } from "bun:sqlite";
import type { AutomationDelivery, DeliveryStatus } from "../protocol/index.ts";
import { remember } from "./answers-table.ts";
import { putItem } from "./inbox-table.ts";
import type {
  AutomationQueries,
  ChangeDelivery,
  DeliveryChanged,
  Placed,
  Redeliver,
  StoredDelivery,
} from "./stored-automations.ts";

/** Once for each run and receiver. */
export function insertDelivery(database: Database, delivery: StoredDelivery): void {
  database
    .query(
      `INSERT INTO automation_deliveries (delivery_id, automation_id, run_id, receiver, target, message, created_at,
         status, attempts, next_attempt_at, response_code, command_id, error, ended_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    )
    .run(
      delivery.deliveryId,
      delivery.automationId,
      delivery.runId,
      delivery.to,
      delivery.target,
      JSON.stringify(delivery.message),
      delivery.createdAt,
      ...changingOf(delivery),
    );
}

function changingOf(delivery: AutomationDelivery) {
  return [
    delivery.status,
    delivery.attempts,
    delivery.nextAttemptAt,
    delivery.responseCode,
    delivery.commandId,
    delivery.error,
    delivery.endedAt,
  ] as const;
}

/** Null unless it is pending and `attempts` have been made. */
export function changeDelivery(
  database: Database,
  { deliveryId, attempts, patch, item }: ChangeDelivery,
): DeliveryChanged | null {
  const before = getDelivery(database, deliveryId);
  if (before === null || before.status !== "pending" || before.attempts !== attempts) return null;
  const delivery = update(database, { ...before, ...patch });
  return { delivery, item: item === null ? null : putItem(database, item) };
}

/** Begins anew, whatever became of it. Null when there is no such delivery. */
export function redeliver(
  database: Database,
  { deliveryId, remembered, nowMs }: Redeliver,
): StoredDelivery | null {
  const before = getDelivery(database, deliveryId);
  if (before === null) return null;
  if (remembered !== null) remember(database, remembered, nowMs);
  const anew = { status: "pending", attempts: 0, nextAttemptAt: nowMs, endedAt: null } as const;
  return update(database, { ...before, ...anew });
}

function update(database: Database, delivery: StoredDelivery): StoredDelivery {
  database
    .query(
      `UPDATE automation_deliveries SET status = ?, attempts = ?, next_attempt_at = ?, response_code = ?,
         command_id = ?, error = ?, ended_at = ? WHERE delivery_id = ?`,
    )
    .run(...changingOf(delivery), delivery.deliveryId);
  return delivery;
}

export function earliestDelivery(database: Database): number | null {
  const next = database
    .query<{ at: number | null }, []>(
      "SELECT MIN(next_attempt_at) AS at FROM automation_deliveries WHERE status = 'pending'",
    )
    .get();
  return next?.at ?? null;
}

export function dropDeliveries(database: Database, automationId: string): void {
  database.query("DELETE FROM automation_deliveries WHERE automation_id = ?").run(automationId);
}

/** Those that are over go with their runs. */
export function forgetOldDeliveries(database: Database, automationId: string): void {
  database
    .query(
      `DELETE FROM automation_deliveries WHERE automation_id = ? AND status <> 'pending'
         AND run_id NOT IN (SELECT run_id FROM automation_runs WHERE automation_id = ?)`,
    )
    .run(automationId, automationId);
}

interface Columns {
  readonly place: number;
  readonly delivery_id: string;
  readonly automation_id: string;
  readonly run_id: string;
  readonly receiver: AutomationDelivery["to"];
  readonly target: string;
  readonly message: string;
  readonly created_at: number;
  readonly status: DeliveryStatus;
  readonly attempts: number;
  readonly next_attempt_at: number | null;
  readonly response_code: number | null;
  readonly command_id: string | null;
  readonly error: string | null;
  readonly ended_at: number | null;
}

export function getDelivery(database: Database, deliveryId: string): StoredDelivery | null {
  const row = database
    .query<Columns, [string]>("SELECT * FROM automation_deliveries WHERE delivery_id = ?")
    .get(deliveryId);
  return row === null ? null : fromColumns(row);
}

export function dueDeliveries(
  database: Database,
  { nowMs, limit }: AutomationQueries["due_deliveries"][0],
): readonly StoredDelivery[] {
  return database
    .query<Columns, [number, number]>(
      `SELECT * FROM automation_deliveries WHERE status = 'pending' AND next_attempt_at <= ?
       ORDER BY next_attempt_at, place LIMIT ?`,
    )
    .all(nowMs, limit)
    .map(fromColumns);
}

export function listDeliveries(
  database: Database,
  page: AutomationQueries["list_deliveries"][0],
): readonly Placed<StoredDelivery>[] {
  return database
    .query<Columns, [number, string | null, string | null, string | null, number]>(
      `SELECT * FROM automation_deliveries
       WHERE place < ?1 AND (?2 IS NULL OR automation_id = ?2) AND (?3 IS NULL OR run_id = ?3)
         AND (?4 IS NULL OR status = ?4)
       ORDER BY place DESC LIMIT ?5`,
    )
    .all(
      page.beforePlace ?? Number.MAX_SAFE_INTEGER,
      page.automationId,
      page.runId,
      page.status,
      page.limit,
    )
    .map((row) => ({ place: row.place, value: fromColumns(row) }));
}

function fromColumns(row: Columns): StoredDelivery {
  return {
    deliveryId: row.delivery_id,
    automationId: row.automation_id,
    runId: row.run_id,
    to: row.receiver,
    target: row.target,
    message: JSON.parse(row.message),
    createdAt: row.created_at,
    status: row.status,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at,
    responseCode: row.response_code,
    commandId: row.command_id,
    error: row.error,
    endedAt: row.ended_at,
  };
}
