/**
 * Owns the journal: one database that takes the events of every session that nothing but events belongs to, so that
 * ten thousand deltas of five thousand sessions are some hundreds of synced commits a second and not ten thousand. It
 * only grows at its end, whosever events they are: each row says where the one before of its session lies, and memory
 * where the newest is, so that there is no index to keep. An event lies in the journal or in its session's database; it
 * moves there (`foldInto`) before the session's rows change, when its session has been quiet, and when many lie here. It
 * leaves the journal only after that is committed, so that a crash in between leaves it in both, under one number.
 * Refuses to own: what is in a session's database (session-tables.ts), and who reads (journal-reader.ts).
 */
import type { Database } from "bun:sqlite";
import { join } from "node:path";
import { databasePath, openForWriting } from "./database-files.ts";
import { migrate } from "./migrations.ts";
import { lastSeqOf, storeFolded } from "./session-tables.ts";
import type { Commit, JournaledEvent, SessionSnapshot } from "./stored-session.ts";

/** Sessions whose end is known; of one that is not, the next commit goes straight to its own database. */
const ENDS_MAX = 50_000;
/** A session with so many events here is moved, however much it goes on talking. */
const LONG_EVENTS = 4_096;

/**
 * So much is written before it moves from SQLite's log into the database. SQLite would do that for four times as much at
 * a time, and within a commit for which readers wait; its own limit stays for what is not counted here.
 */
const CHECKPOINT_BYTES = 1_048_576;
const PAGE_BYTES = 4_096;
/** What a row has beside its frame. */
const ROW_BYTES = 200;

/** What the journal looks at of a commit. */
export type EventsAlone = Pick<Commit, "sessionId" | "events" | "status" | "podiumEventId">;

/** A session's events in the journal: where the newest lies, how many there are, and since when there came no more. */
interface Hot {
  readonly place: number;
  readonly count: number;
  readonly sinceMs: number;
}

export const journalPath = (dataDir: string) => join(dataDir, "journal.db");

const INSERT = "INSERT INTO journaled VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

export class EventJournal {
  readonly #database: Database;
  /** Sessions with events in the journal, the one that got none for the longest time first. */
  readonly #hot = new Map<string, Hot>();
  /** `seq` of the newest event of a session, wherever it lies. */
  readonly #ends = new Map<string, number>();
  readonly #long = new Set<string>();
  /** Places whose events have moved: they are deleted before anything is added. */
  #moved: number[] = [];
  /** Written since the last checkpoint, about. */
  #writtenBytes = 0;
  /** Never given twice while the process lives, so that who remembers one does not find another's event there. */
  #nextPlace: number;

  constructor(dataDir: string, nowMs: number) {
    this.#database = openForWriting(journalPath(dataDir));
    migrate(this.#database, "journal");
    const left = this.#database.query<{ id: string; place: number; count: number }, []>(
      `SELECT session_id AS id, MAX(place) AS place, COUNT(*) AS count FROM journaled
       GROUP BY session_id ORDER BY MAX(place)`,
    );
    this.#nextPlace = 1;
    for (const { id, place, count } of left.iterate()) {
      this.#hot.set(id, { place, count, sinceMs: nowMs });
      this.#nextPlace = Math.max(this.#nextPlace, place + 1);
    }
  }

  /** Whether these go on where the session's log ends. */
  goesOn({ sessionId, events }: EventsAlone): boolean {
    const end = this.#ends.get(sessionId);
    if (end === undefined || events.length === 0) return false;
    return events.every(({ seq }, index) => seq === end + index + 1);
  }

  /** Whether this commit is events alone, that go on where the session's log ends. */
  takes(commit: Commit): boolean {
    return commit.rows.length === 0 && commit.compacted.length === 0 && this.goesOn(commit);
  }

  /**
   * Stores commits of different sessions at once, one event after the other from the place answered on. Throws, and has
   * then stored none of them.
   */
  append(commits: readonly EventsAlone[], nowMs: number): number {
    const first = this.#nextPlace;
    const insert = this.#database.query(INSERT);
    this.#transact(() => {
      this.#forget();
      let place = first;
      for (const { sessionId, events, status, podiumEventId } of commits) {
        let before = this.#hot.get(sessionId)?.place ?? null;
        for (const { seq, type, turnId, ts, frame, deltaOf } of events) {
          insert.run(
            place,
            before,
            sessionId,
            seq,
            type,
            turnId,
            ts,
            frame,
            deltaOf,
            status,
            podiumEventId,
          );
          before = place;
          place += 1;
          this.#writtenBytes += frame.length + ROW_BYTES;
        }
      }
    });
    this.#moved = [];
    for (const { sessionId, events } of commits) this.#grew(sessionId, events, nowMs);
    return first;
  }

  #grew(sessionId: string, events: EventsAlone["events"], sinceMs: number): void {
    this.#nextPlace += events.length;
    this.#endsAt(sessionId, events.at(-1)?.seq);
    const count = (this.#hot.get(sessionId)?.count ?? 0) + events.length;
    this.#hot.delete(sessionId);
    this.#hot.set(sessionId, { place: this.#nextPlace - 1, count, sinceMs });
    if (count >= LONG_EVENTS) this.#long.add(sessionId);
  }

  /** What the session's own database says, with what lies here; from now on events of the session may be added. */
  upToDate(sessionId: string, stored: SessionSnapshot): SessionSnapshot {
    const journalPlace = this.#hot.get(sessionId)?.place;
    const events = this.#after(sessionId, stored.lastSeq);
    const newest = events.at(-1);
    this.#endsAt(sessionId, newest?.seq ?? stored.lastSeq);
    if (newest === undefined || journalPlace === undefined) return stored;
    const deltas = new Map(stored.deltas);
    for (const { deltaOf, seq } of events) {
      if (deltaOf !== null) deltas.set(deltaOf, [deltas.get(deltaOf)?.[0] ?? seq, seq]);
    }
    const { seq: lastSeq, status, podiumEventId } = newest;
    const firstSeq = stored.firstSeq === 0 ? (events[0]?.seq ?? 0) : stored.firstSeq;
    const place = { firstSeq, lastSeq, status, podiumEventId, journalPlace };
    return { ...stored, ...place, deltas: [...deltas] };
  }

  /** Moves a session's events into its database, inside a transaction there; call `folded` when that is committed. */
  foldInto(database: Database, sessionId: string): void {
    if (!this.#hot.has(sessionId)) return;
    storeFolded(database, this.#after(sessionId, lastSeqOf(database)));
  }

  /** Oldest first. What is here and not newer was moved already, before a crash. */
  #after(sessionId: string, seq: number): readonly JournaledEvent[] {
    const events: JournaledEvent[] = [];
    for (const event of this.#backwards(sessionId)) {
      if (event.seq <= seq) break;
      events.push(event);
    }
    return events.reverse();
  }

  *#backwards(sessionId: string): Iterable<JournaledEvent & { readonly before: number | null }> {
    const at = this.#database.query<JournaledEvent & { readonly before: number | null }, [number]>(
      `SELECT before, seq, type, turn_id AS turnId, ts, frame, delta_of AS deltaOf, status,
         podium_event_id AS podiumEventId
       FROM journaled WHERE place = ?`,
    );
    for (let place = this.#hot.get(sessionId)?.place ?? null; place !== null; ) {
      const event = at.get(place);
      if (event === null) return;
      yield event;
      place = event.before;
    }
  }

  #placesOf(sessionId: string): readonly number[] {
    const at = this.#database.query<{ before: number | null }, [number]>(
      "SELECT before FROM journaled WHERE place = ?",
    );
    const places: number[] = [];
    for (let place = this.#hot.get(sessionId)?.place ?? null; place !== null; ) {
      places.push(place);
      place = at.get(place)?.before ?? null;
    }
    return places;
  }

  /** The session's own database has everything now, and its log ends at `seq`; undefined: where it did before. */
  folded(sessionId: string, seq: number | undefined): void {
    this.#endsAt(sessionId, seq);
    for (const place of this.#placesOf(sessionId)) this.#moved.push(place);
    this.#hot.delete(sessionId);
    this.#long.delete(sessionId);
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
    this.folded(sessionId, undefined);
    this.#ends.delete(sessionId);
    this.sweep();
  }

  /**
   * A session to be moved next: one with very many events here, or the one that was written to least recently, if that
   * was before `untilMs`.
   */
  nextToMove(untilMs: number): string | null {
    const [long] = this.#long;
    if (long !== undefined) return long;
    const [first] = this.#hot;
    return first === undefined || first[1].sinceMs > untilMs ? null : first[0];
  }

  get hotCount(): number {
    return this.#hot.size;
  }

  /** Deletes what has moved, without waiting for the next events. */
  sweep(): void {
    if (this.#moved.length === 0) return;
    this.#transact(() => this.#forget());
    this.#moved = [];
  }

  /** For a moment in which nobody waits for what is committed. */
  checkpointIfDue(): void {
    if (this.#writtenBytes < CHECKPOINT_BYTES) return;
    this.#writtenBytes = 0;
    this.#database.query("PRAGMA wal_checkpoint(PASSIVE)").get();
  }

  close(): void {
    this.sweep();
    this.#database.close();
  }

  #forget(): void {
    const deletion = this.#database.query("DELETE FROM journaled WHERE place = ?");
    for (const place of this.#moved) deletion.run(place);
  }

  #transact(work: () => void): void {
    this.#database.transaction(work).immediate();
    this.#writtenBytes += PAGE_BYTES;
  }
}

/** Moves everything to where it belongs. For who holds the directory alone and reads the sessions' files. */
export function foldJournal(dataDir: string, nowMs: number): void {
  const journal = new EventJournal(dataDir, nowMs);
  for (let id = journal.nextToMove(nowMs); id !== null; id = journal.nextToMove(nowMs)) {
    const sessionId = id;
    const database = openForWriting(databasePath(dataDir, { shape: "session", id: sessionId }));
    migrate(database, "session");
    database.transaction(() => journal.foldInto(database, sessionId)).immediate();
    database.close();
    journal.folded(sessionId, undefined);
  }
  journal.close();
}
