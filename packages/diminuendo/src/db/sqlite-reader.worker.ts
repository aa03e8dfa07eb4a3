/** Owns every query. Sees only committed data; WAL lets it read while the writer writes. */
import { existsSync } from "node:fs";
import { databasePath, openForReading, tenantIds } from "./database-files.ts";
import { DbLruCache } from "./db-lru-cache.ts";
import { activeSessions, getSession, listSessions } from "./registry-tables.ts";
import type { Answer, Ask, EventsPage, ReaderQueries, ReaderQuery } from "./storage.ts";

declare const self: Worker;

const HANDLES_MAX = 64;

const dataDir = process.env["DIMINUENDO_WORKER_DATA_DIR"] ?? "";
const handles = new DbLruCache(HANDLES_MAX);

self.onmessage = (message: MessageEvent<Ask<ReaderQuery>>) => {
  const { id, ask } = message.data;
  try {
    self.postMessage({ id, ok: true, value: answer(ask) } satisfies Answer);
  } catch (error) {
    self.postMessage({ id, ok: false, error: String(error) } satisfies Answer);
  }
};

function answer(ask: Ask<ReaderQuery>["ask"]): unknown {
  switch (ask.kind) {
    case "get_session":
      return withRegistry(ask.tenantId, (db) => getSession(db, ask.sessionId), null);
    case "list_sessions":
      return withRegistry(
        ask.tenantId,
        (db) => listSessions(db, ask.includeArchived, ask.limit),
        [],
      );
    case "active_sessions":
      return tenantIds(dataDir).flatMap((tenantId) =>
        withRegistry(tenantId, activeSessions, []).map((row) => ({ tenantId, row })),
      );
    case "events":
      return eventsPage(ask);
    case "turn_by_key":
      return turnByKey(ask);
    case "has_approval":
      return hasApproval(ask);
    case "flush":
      return null;
    case "stop":
      return handles.closeAll();
  }
}

function withRegistry<T>(tenantId: string, query: (db: Handle) => T, whenNone: T): T {
  const path = databasePath(dataDir, { shape: "registry", id: tenantId });
  return existsSync(path) ? query(handles.get(path, openForReading)) : whenNone;
}

type Handle = ReturnType<typeof openForReading>;

function session(sessionId: string): Handle {
  return handles.get(databasePath(dataDir, { shape: "session", id: sessionId }), openForReading);
}

function eventsPage(ask: ReaderQueries["events"][0]): EventsPage {
  const rows = session(ask.sessionId)
    .query<{ seq: number; frame: string }, [number, number, number]>(
      "SELECT seq, frame FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
    )
    .iterate(ask.afterSeq, ask.throughSeq, ask.limit);
  const events: { seq: number; frame: string }[] = [];
  let bytes = 0;
  for (const row of rows) {
    bytes += Buffer.byteLength(row.frame);
    if (events.length > 0 && bytes > ask.bytesMax) break;
    events.push(row);
  }
  return { events };
}

function turnByKey(ask: ReaderQueries["turn_by_key"][0]): ReaderQueries["turn_by_key"][1] {
  const row = session(ask.sessionId)
    .query<{ turn_id: string; text: string }, [string, string]>(
      "SELECT turn_id, text FROM turns WHERE user_id = ? AND idempotency_key = ?",
    )
    .get(ask.userId, ask.idempotencyKey);
  return row === null ? null : { turnId: row.turn_id, text: row.text };
}

function hasApproval(ask: ReaderQueries["has_approval"][0]): boolean {
  const row = session(ask.sessionId)
    .query("SELECT 1 FROM approvals WHERE approval_id = ?")
    .get(ask.approvalId);
  return row !== null;
}
