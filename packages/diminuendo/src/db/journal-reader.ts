/**
 * Owns what of a session's log lies in the journal, for somebody who only reads it and is told where the newest event
 * lies (`EventJournal` has no index). Where a session's events were found is kept for the next page of the same log.
 */
import type { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { openForReading } from "./database-files.ts";
import { journalPath } from "./event-journal.ts";
import { isCurrent } from "./migrations.ts";

/** Sessions of which it is remembered where their events lie. */
const CHAINS_MAX = 64;

export interface PageBounds {
  readonly sessionId: string;
  readonly afterSeq: number;
  readonly throughSeq: number;
  readonly from: "oldest" | "newest";
  readonly limit: number;
  readonly bytesMax: number;
  /** Where in the journal the session's newest event lies; absent when nothing of it does. */
  readonly journalPlace?: number | undefined;
}
export interface Framed {
  readonly seq: number;
  readonly frame: string;
}

interface Link {
  readonly seq: number;
  readonly place: number;
}
interface Row extends Framed {
  readonly before: number | null;
}

export class JournalReader {
  readonly #path: string;
  readonly #chains = new Map<string, readonly Link[]>();
  #database: Database | null = null;

  constructor(dataDir: string) {
    this.#path = journalPath(dataDir);
  }

  /** In the order asked for; enough to fill the page in number or bytes. */
  events(bounds: PageBounds): readonly Framed[] {
    const { journalPlace, sessionId } = bounds;
    const database = journalPlace === undefined ? null : this.#open();
    if (journalPlace === undefined || database === null) return [];
    // One transaction: a chain that is deleted meanwhile is read whole, or found in the session's own database.
    return database.transaction(() => {
      const chain = this.#chainOf(database, sessionId, journalPlace);
      return pageOf(database, chain, bounds);
    })();
  }

  close(): void {
    this.#database?.close();
    this.#database = null;
  }

  /** Oldest first. What was known of it is walked no more. */
  #chainOf(database: Database, sessionId: string, newest: number): readonly Link[] {
    const known = this.#chains.get(sessionId) ?? [];
    const end = known.at(-1)?.place;
    const fresh: Link[] = [];
    const at = database.query<Omit<Row, "frame">, [number]>(
      "SELECT before, seq FROM journaled WHERE place = ?",
    );
    let place: number | null = newest;
    while (place !== null && place !== end) {
      const row: Omit<Row, "frame"> | null = at.get(place);
      if (row === null) break;
      fresh.push({ seq: row.seq, place });
      place = row.before;
    }
    fresh.reverse();
    const chain = place !== null && place === end ? [...known, ...fresh] : fresh;
    this.#chains.delete(sessionId);
    this.#chains.set(sessionId, chain);
    const [oldest = ""] = this.#chains.keys();
    if (this.#chains.size > CHAINS_MAX) this.#chains.delete(oldest);
    return chain;
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

function pageOf(database: Database, chain: readonly Link[], bounds: PageBounds): readonly Framed[] {
  const { afterSeq, throughSeq, from, limit, bytesMax } = bounds;
  const at = database.query<Framed, [number]>("SELECT seq, frame FROM journaled WHERE place = ?");
  const wanted = chain.slice(firstAfter(chain, afterSeq), firstAfter(chain, throughSeq));
  const found: Framed[] = [];
  let bytes = 0;
  for (const { place } of (from === "newest" ? wanted.reverse() : wanted).slice(0, limit)) {
    const row = at.get(place);
    // Gone to the session's own database.
    if (row === null) continue;
    found.push(row);
    bytes += Buffer.byteLength(row.frame);
    if (bytes > bytesMax) break;
  }
  return found;
}

/** Where the links with a higher number begin. */
function firstAfter(chain: readonly Link[], seq: number): number {
  let [low, high] = [0, chain.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((chain[middle]?.seq ?? 0) > seq) high = middle;
    else low = middle + 1;
  }
  return low;
}
