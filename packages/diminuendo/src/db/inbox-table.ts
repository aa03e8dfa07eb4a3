/** Owns the SQL of inboxes: items that runs have left for their owners, and what became of them there. */
import type { Database } from "bun:sqlite";
import type { InboxItem, InboxView } from "../protocol/index.ts";
import { remember } from "./answers-table.ts";
import type { AutomationQueries, Placed, TriageItem } from "./stored-automations.ts";

/** Done items of one person that are kept. */
const KEPT_DONE = 1_000;

/** A newer word about the same run takes the place of the older one, and is unread again. */
export function putItem(database: Database, item: InboxItem): InboxItem {
  database
    .query(
      `INSERT INTO inbox_items (item_id, user_id, kind, automation_id, run_id, session_id, title, summary, state,
         snoozed_until, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (item_id) DO UPDATE SET kind = excluded.kind, session_id = excluded.session_id,
         title = excluded.title, summary = excluded.summary, state = excluded.state,
         snoozed_until = excluded.snoozed_until, updated_at = excluded.updated_at`,
    )
    .run(
      item.itemId,
      item.userId,
      item.kind,
      item.automationId,
      item.runId,
      item.sessionId,
      item.title,
      item.summary,
      item.state,
      item.snoozedUntil,
      item.createdAt,
      item.updatedAt,
    );
  return getItem(database, item.itemId) ?? item;
}

export function finishItem(database: Database, itemId: string, nowMs: number): void {
  database
    .query(
      "UPDATE inbox_items SET state = 'done', snoozed_until = NULL, updated_at = ? WHERE item_id = ?",
    )
    .run(nowMs, itemId);
}

export function triageItem(database: Database, command: TriageItem): InboxItem | null {
  const { itemId, patch, nowMs } = command;
  const before = getItem(database, itemId);
  if (before === null) return null;
  const item = { ...before, ...patch, updatedAt: nowMs };
  database
    .query("UPDATE inbox_items SET state = ?, snoozed_until = ?, updated_at = ? WHERE item_id = ?")
    .run(item.state, item.snoozedUntil, nowMs, itemId);
  if (item.state === "done") forgetOld(database, item.userId);
  if (command.remembered !== null) remember(database, command.remembered, nowMs);
  return item;
}

function forgetOld(database: Database, userId: string): void {
  database
    .query(
      `DELETE FROM inbox_items WHERE user_id = ?1 AND state = 'done' AND place <=
         (SELECT place FROM inbox_items WHERE user_id = ?1 AND state = 'done' ORDER BY place DESC LIMIT 1 OFFSET ?2)`,
    )
    .run(userId, KEPT_DONE);
}

interface Columns {
  readonly place: number;
  readonly item_id: string;
  readonly user_id: string;
  readonly kind: InboxItem["kind"];
  readonly automation_id: string;
  readonly run_id: string | null;
  readonly session_id: string | null;
  readonly title: string;
  readonly summary: string;
  readonly state: InboxItem["state"];
  readonly snoozed_until: number | null;
  readonly created_at: number;
  readonly updated_at: number;
}

export function getItem(database: Database, itemId: string): InboxItem | null {
  const row = database
    .query<Columns, [string]>("SELECT * FROM inbox_items WHERE item_id = ?")
    .get(itemId);
  return row === null ? null : fromColumns(row);
}

/** `?4` is the present. */
const VIEWS: Readonly<Record<InboxView, string>> = {
  all: "1",
  open: "state <> 'done' AND COALESCE(snoozed_until, 0) <= ?4",
  unread: "state = 'unread' AND COALESCE(snoozed_until, 0) <= ?4",
  snoozed: "state <> 'done' AND COALESCE(snoozed_until, 0) > ?4",
  done: "state = 'done'",
};

export function listInbox(
  database: Database,
  page: AutomationQueries["list_inbox"][0],
): { readonly items: readonly Placed<InboxItem>[]; readonly unread: number } {
  const { userId, view, automationId, beforePlace, limit, nowMs } = page;
  const items = database
    .query<Columns, [string | null, string | null, number, number, number]>(
      `SELECT * FROM inbox_items
       WHERE (?1 IS NULL OR user_id = ?1) AND (?2 IS NULL OR automation_id = ?2) AND place < ?3
         AND ?4 IS NOT NULL AND ${VIEWS[view]} ORDER BY place DESC LIMIT ?5`,
    )
    .all(userId, automationId, beforePlace ?? Number.MAX_SAFE_INTEGER, nowMs, limit)
    .map((row) => ({ place: row.place, value: fromColumns(row) }));
  const unread = database
    .query<{ n: number }, [string | null, number]>(
      `SELECT count(*) AS n FROM inbox_items
       WHERE (?1 IS NULL OR user_id = ?1) AND state = 'unread' AND COALESCE(snoozed_until, 0) <= ?2`,
    )
    .get(userId, nowMs);
  return { items, unread: unread?.n ?? 0 };
}

function fromColumns(row: Columns): InboxItem {
  return {
    itemId: row.item_id,
    userId: row.user_id,
    kind: row.kind,
    automationId: row.automation_id,
    runId: row.run_id,
    sessionId: row.session_id,
    title: row.title,
    summary: row.summary,
    state: row.state,
    snoozedUntil: row.snoozed_until,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
