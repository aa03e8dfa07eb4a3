/** Owns every query. Sees only committed data; WAL lets it read while the writer writes. */
import { existsSync } from "node:fs";
import { NO_LIMITS } from "../domain/spending.ts";
import { recall } from "./answers-table.ts";
import { answerAutomation, noAutomations } from "./automation-queries.ts";
import { balanceOf, heldReservations, ledgerPage } from "./billing-tables.ts";
import { databasePath, openForReading, openForWriting, tenantIds } from "./database-files.ts";
import { DbLruCache } from "./db-lru-cache.ts";
import { deletedSessions, pendingRemoval, unremovedSessions } from "./deletion-table.ts";
import { packed } from "./events-page.ts";
import { type Framed, JournalReader, type PageBounds } from "./journal-reader.ts";
import { people, standingOf } from "./member-tables.ts";
import { isCurrent, isEmpty, migrate } from "./migrations.ts";
import { activeSessions, doomedSessions, getSession, listSessions } from "./registry-tables.ts";
import { fateOf, lastSeqOf, loadHistory } from "./session-tables.ts";
import { spendingOf } from "./spending-tables.ts";
import type { Answer, Ask, EventsPage, LeftOver, ReaderQueries, ReaderQuery } from "./storage.ts";
import { turnOutcome } from "./turn-outcome.ts";

declare const self: Worker;

const HANDLES_MAX = 64;
/** People read a log when they come, and then hear it: what was read is not kept open for them. */
const UNUSED_MS = 5_000;
const TIDY_EVERY_MS = 1_000;

const NOTHING = { available: 0, reserved: 0, spent: 0 };
const NO_SPENDING = { limits: NO_LIMITS, spent: { tenant: 0, user: 0 } };
const NOBODY = { members: [], invitations: [] };

const dataDir = process.env["DIMINUENDO_WORKER_DATA_DIR"] ?? "";
const handles = new DbLruCache(HANDLES_MAX);
const journal = new JournalReader(dataDir);
const tidying = setInterval(
  () => handles.closeUnused(performance.now() - UNUSED_MS),
  TIDY_EVERY_MS,
);

self.onmessage = (message: MessageEvent<readonly Ask<ReaderQuery>[]>) => {
  // Each for itself: a page is large, and the first must not wait for the last.
  for (const one of message.data) self.postMessage([answered(one)]);
};

function answered({ id, ask }: Ask<ReaderQuery>): Answer {
  try {
    return { id, ok: true, value: answer(ask) };
  } catch (error) {
    return { id, ok: false, error: String(error) };
  }
}

function answer(ask: Ask<ReaderQuery>["ask"]): unknown {
  switch (ask.kind) {
    case "get_session":
      return withRegistry(ask.tenantId, (db) => getSession(db, ask.sessionId), null);
    case "list_sessions":
      return withRegistry(ask.tenantId, (db) => listSessions(db, ask), []);
    case "left_over":
      return leftOver(ask.ofTenant);
    case "pending_removal":
      return withRegistry(ask.tenantId, (db) => pendingRemoval(db, ask.sessionId), null);
    case "deleted_sessions":
      return withRegistry(ask.tenantId, (db) => deletedSessions(db, ask), []);
    case "events":
      return packed(eventsPage(ask));
    case "turn_by_key":
      return turnByKey(ask);
    case "asking_command":
      return askingCommand(ask);
    case "history":
      return loadHistory(session(ask.sessionId), ask.beforePlace, ask.limit);
    case "remembered":
      return ask.sessionId === null
        ? withRegistry(ask.tenantId, (db) => recall(db, ask.userId, ask.key), null)
        : recall(session(ask.sessionId), ask.userId, ask.key);
    case "balance":
      return withRegistry(ask.tenantId, balanceOf, NOTHING);
    case "spending":
      return withRegistry(ask.tenantId, (db) => spendingOf(db, ask.userId, ask.nowMs), NO_SPENDING);
    case "ledger":
      return withRegistry(ask.tenantId, (db) => ledgerPage(db, ask.beforePlace, ask.limit), []);
    case "turn_fate": {
      const path = databasePath(dataDir, { shape: "session", id: ask.sessionId });
      return existsSync(path) ? fateOf(session(ask.sessionId), ask.turnId) : { kind: "unknown" };
    }
    case "standing":
      return withRegistry(ask.tenantId, (db) => standingOf(db, ask.userId), { kind: "stranger" });
    case "people":
      return withRegistry(ask.tenantId, (db) => people(db, ask.nowMs), NOBODY);
    case "let_go":
      return handles.close(databasePath(dataDir, ask.of)) ?? null;
    case "drop_session":
      return handles.close(databasePath(dataDir, { shape: "session", id: ask.sessionId }));
    case "flush":
      return null;
    case "stop":
      clearInterval(tidying);
      journal.close();
      return handles.closeAll();
    case "tenants":
      return tenantIds(dataDir);
    case "turn_outcome": {
      const path = databasePath(dataDir, { shape: "session", id: ask.sessionId });
      return existsSync(path)
        ? turnOutcome(session(ask.sessionId), ask.turnId)
        : { kind: "unknown" };
    }
    default:
      return withRegistry(ask.tenantId, (db) => answerAutomation(db, ask), noAutomations(ask));
  }
}

function withRegistry<T>(tenantId: string, query: (db: Handle) => T, whenNone: T): T {
  const path = databasePath(dataDir, { shape: "registry", id: tenantId });
  if (!existsSync(path)) return whenNone;
  const registry = handles.get(path, performance.now(), () => openCurrent(path, "registry"));
  if (!isEmpty(registry)) return query(registry);
  // The writer is making it just now: nothing is in it yet, and two who made it at once would refuse each other.
  handles.close(path);
  return whenNone;
}

/** Each registry is opened once for it: at a start there may be thousands. */
function leftOver(ofTenant: string | null): LeftOver {
  const tenants = ofTenant === null ? tenantIds(dataDir) : [ofTenant];
  const each = tenants.map((tenantId) => {
    const of = (db: Handle): LeftOver => ({
      active: activeSessions(db).map((row) => ({ tenantId, row })),
      doomed: doomedSessions(db).map((sessionId) => ({ tenantId, sessionId })),
      unremoved: unremovedSessions(db).map((sessionId) => ({ tenantId, sessionId })),
      held: heldReservations(db).map((held) => ({ tenantId, ...held })),
    });
    return withRegistry(tenantId, of, { active: [], doomed: [], unremoved: [], held: [] });
  });
  return {
    active: each.flatMap(({ active }) => active),
    doomed: each.flatMap(({ doomed }) => doomed),
    unremoved: each.flatMap(({ unremoved }) => unremoved),
    held: each.flatMap(({ held }) => held),
  };
}

type Handle = ReturnType<typeof openForReading>;

function session(sessionId: string): Handle {
  const path = databasePath(dataDir, { shape: "session", id: sessionId });
  return handles.get(path, performance.now(), () => openCurrent(path, "session"));
}

/** A file that an older program left is brought up to date by whoever meets it first, reader or writer. */
function openCurrent(path: string, shape: "registry" | "session"): Handle {
  const handle = openForReading(path);
  if (isCurrent(handle, shape) || isEmpty(handle)) return handle;
  const writable = openForWriting(path);
  migrate(writable, shape);
  writable.close();
  return handle;
}

function eventsPage(ask: ReaderQueries["events"][0]): EventsPage {
  const newest = ask.from === "newest";
  // The journal first: what moves from there meanwhile is then found where it went.
  const journaled = journal.events(ask);
  const database = session(ask.sessionId);
  const events: Framed[] = [];
  let bytes = 0;
  let isThinned = false;
  const page = () => {
    isThinned = isThinnedBeyond(database, ask);
    const end = lastSeqOf(database);
    const waiting = journaled.filter(({ seq }) => seq > end);
    const stored = storedEvents(database, ask);
    for (const rows of newest ? [waiting, stored] : [stored, waiting]) {
      for (const row of rows) {
        bytes += Buffer.byteLength(row.frame);
        if (events.length === ask.limit || (events.length > 0 && bytes > ask.bytesMax)) return;
        events.push(row);
      }
    }
  };
  // One transaction: where the log ends and what is in it have to belong together.
  database.transaction(page)();
  return { events: newest ? events.reverse() : events, isThinned };
}

/** Whether something newer than what is published has replaced deltas of this page: they are gone, and it is not told yet. */
function isThinnedBeyond(
  database: Handle,
  { publishedSeq, afterSeq, throughSeq }: ReaderQueries["events"][0],
): boolean {
  if (publishedSeq === undefined) return false;
  const replacing = database.query<unknown, [number, number, number]>(
    `SELECT 1 FROM events WHERE seq > ? AND type = 'message_complete'
       AND frame ->> '$.coversSeq[0]' <= ? AND frame ->> '$.coversSeq[1]' > ? LIMIT 1`,
  );
  return replacing.get(publishedSeq, throughSeq, afterSeq) !== null;
}

const storedEvents = (database: Handle, ask: PageBounds): Iterable<Framed> =>
  database
    .query<Framed, [number, number, number]>(
      `SELECT seq, frame FROM events WHERE seq > ? AND seq <= ?
       ORDER BY seq ${ask.from === "newest" ? "DESC" : ""} LIMIT ?`,
    )
    .iterate(ask.afterSeq, ask.throughSeq, ask.limit);

function turnByKey(ask: ReaderQueries["turn_by_key"][0]): ReaderQueries["turn_by_key"][1] {
  const row = session(ask.sessionId)
    .query<{ turn_id: string; text: string; waits: number }, [string, string, string, string]>(
      `SELECT turn_id, text, 0 AS waits FROM turns WHERE user_id = ? AND idempotency_key = ?
       UNION ALL
       SELECT turn_id, turn ->> '$.text', 1 FROM waiting_turns WHERE user_id = ? AND idempotency_key = ?`,
    )
    .get(ask.userId, ask.idempotencyKey, ask.userId, ask.idempotencyKey);
  return row === null ? null : { turnId: row.turn_id, text: row.text, waits: row.waits === 1 };
}

function askingCommand(ask: ReaderQueries["asking_command"][0]): string | null {
  const row = session(ask.sessionId)
    .query<{ command_id: string }, [string]>(
      "SELECT command_id FROM approvals WHERE approval_id = ?",
    )
    .get(ask.requestId);
  return row?.command_id ?? null;
}
