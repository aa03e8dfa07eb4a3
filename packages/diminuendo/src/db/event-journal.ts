/**
 * Owns the journal: one database that takes the events of every session that nothing but events belongs to, so that
 * ten thousand deltas of five thousand sessions are some dozens of synced commits a second and not ten thousand. An
 * event lies in the journal or in its session's database; it moves there (`foldInto`) before the session's rows change
 * and when its session has been quiet. It leaves the journal only after that is committed, so that a crash in between
 * leaves it in both, under one number. Refuses to own: what is in a session's database (session-tables.ts).
 */
import type { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { databasePath, openForReading, openForWriting } from "./database-files.ts";
import { isCurrent, migrate } from "./migrations.ts";
import { lastSeqOf, storeFolded } from "./session-tables.ts";
import type { Commit, JournaledEvent } from "./stored-session.ts";

/** Sessions whose end is known; of one that is not, the next commit goes straight to its own database. */
const ENDS_MAX = 50_000;

const journalPath = (dataDir: string) => join(dataDir, "journal.db");

export class EventJournal {
  readonly #database: Database;
  /** Sessions with events in the journal, the one that got none for the longest time first, and since when. */
  readonly #hot = new Map<string, number>();
  /** `seq` of the newest event of a session, wherever it lies. */
  readonly #ends = new Map<string, number>();
  /** Sessions whose events have all moved: what is here of them is deleted before anything is added. */
  #moved: string[] = [];

  constructor(dataDir: string, nowMs: number) {
    this.#database = openForWriting(journalPath(dataDir));
    migrate(this.#database, "journal");
    const left = this.#database.query<{ session_id: string }, []>(
      "SELECT DISTINCT session_id FROM events",
    );
    for (const { session_id } of left.iterate()) this.#hot.set(session_id, nowMs);
  }

  /** Whether this commit is events alone, that go on where the session's log ends. */
  takes({ sessionId, events, rows, compacted }: Commit): boolean {
    if (events.length === 0 || rows.length > 0 || compacted.length > 0) return false;
    const end = this.#ends.get(sessionId);
    return end !== undefined && events.every(({ seq }, index) => seq === end + index + 1);
  }

  /** Stores commits of different sessions at once. Throws, and has then stored none of them. */
  append(commits: readonly Commit[], nowMs: number): void {
    const insert = this.#database.query("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    this.#database
      .transaction(() => {
        this.#forget();
        for (const { sessionId, events, status, podiumEventId } of commits) {
          for (const { seq, type, turnId, ts, frame, deltaOf } of events) {
            insert.run(sessionId, seq, type, turnId, ts, frame, deltaOf, status, podiumEventId);
          }
        }
      })
      .immediate();
    this.#moved = [];
    for (const { sessionId, events } of commits) {
      this.#endsAt(sessionId, events.at(-1)?.seq);
      this.#hot.delete(sessionId);
      this.#hot.set(sessionId, nowMs);
    }
  }

  /** Moves a session's events into its database, inside a transaction there; call `folded` when that is committed. */
  foldInto(database: Database, sessionId: string): void {
    if (!this.#hot.has(sessionId)) return;
    const events = this.#database
      .query<JournaledEvent, [string, number]>(
        `SELECT seq, type, turn_id AS turnId, ts, frame, delta_of AS deltaOf, status,
           podium_event_id AS podiumEventId
         FROM events WHERE session_id = ? AND seq > ? ORDER BY seq`,
      )
      .all(sessionId, lastSeqOf(database));
    storeFolded(database, events);
  }

  /** The session's own database has everything now, and its log ends at `seq`; undefined: where it did before. */
  folded(sessionId: string, seq: number | undefined): void {
    this.#endsAt(sessionId, seq);
    if (this.#hot.delete(sessionId)) this.#moved.push(sessionId);
  }

  #endsAt(sessionId: string, seq: number | undefined): void {
    if (seq === undefined) return;
    this.#ends.delete(sessionId);
    this.#ends.set(sessionId, seq);
    if (this.#ends.size <= ENDS_MAX) return;
    const [oldest = ""] = this.#ends.keys();
    this.#ends.delete(oldest);
  }

  /** The session is no more. */
  drop(sessionId: string): void {
    this.#hot.delete(sessionId);
    this.#ends.delete(sessionId);
    this.#database.query("DELETE FROM events WHERE session_id = ?").run(sessionId);
  }

  /** Of the sessions with events here the one that was written to least recently, if that was before `untilMs`. */
  quietest(untilMs: number): string | null {
    const [first] = this.#hot;
    return first === undefined || first[1] > untilMs ? null : first[0];
  }

  get hotCount(): number {
    return this.#hot.size;
  }

  /** Deletes what has moved, without waiting for the next events. */
  sweep(): void {
    if (this.#moved.length === 0) return;
    this.#database.transaction(() => this.#forget()).immediate();
    this.#moved = [];
  }

  close(): void {
    this.sweep();
    this.#database.close();
  }

  #forget(): void {
    const deletion = this.#database.query("DELETE FROM events WHERE session_id = ?");
    for (const sessionId of this.#moved) deletion.run(sessionId);
  }
}

/** Moves everything to where it belongs. For who holds the directory alone and reads the sessions' files. */
export function foldJournal(dataDir: string, nowMs: number): void {
  const journal = new EventJournal(dataDir, nowMs);
  for (let id = journal.quietest(nowMs); id !== null; id = journal.quietest(nowMs)) {
    const sessionId = id;
    const database = openForWriting(databasePath(dataDir, { shape: "session", id: sessionId }));
    migrate(database, "session");
    database.transaction(() => journal.foldInto(database, sessionId)).immediate();
    database.close();
    journal.folded(sessionId, undefined);
  }
  journal.close();
}

export interface PageBounds {
  readonly sessionId: string;
  readonly afterSeq: number;
  readonly throughSeq: number;
  readonly from: "oldest" | "newest";
  readonly limit: number;
  readonly bytesMax: number;
}
export interface Framed {
  readonly seq: number;
  readonly frame: string;
}

/** The journal for somebody who only reads it. */
export class JournalReader {
  readonly #path: string;
  #database: Database | null = null;

  constructor(dataDir: string) {
    this.#path = journalPath(dataDir);
  }

  /** In the order asked for; enough to fill the page in number or bytes. */
  events({
    sessionId,
    afterSeq,
    throughSeq,
    from,
    limit,
    bytesMax,
  }: PageBounds): readonly Framed[] {
    const found: Framed[] = [];
    let bytes = 0;
    const rows = this.#open()
      ?.query<Framed, [string, number, number, number]>(
        `SELECT seq, frame FROM events WHERE session_id = ? AND seq > ? AND seq <= ?
         ORDER BY seq ${from === "newest" ? "DESC" : ""} LIMIT ?`,
      )
      .iterate(sessionId, afterSeq, throughSeq, limit);
    for (const row of rows ?? []) {
      found.push(row);
      bytes += Buffer.byteLength(row.frame);
      if (bytes > bytesMax) break;
    }
    return found;
  }

  close(): void {
    this.#database?.close();
    this.#database = null;
  }

  /** Null as long as there is no journal. */
  #open(): Database | null {
    if (this.#database !== null || !existsSync(this.#path)) return this.#database;
    const database = openForReading(this.#path);
    if (isCurrent(database, "journal")) this.#database = database;
    else database.close();
    return this.#database;
  }
}
