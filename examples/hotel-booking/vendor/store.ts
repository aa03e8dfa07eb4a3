/**
 * Owns what the vendor must never lose: quotes, bookings, sold nights, idempotency keys. One SQLite file with
 * synchronous=FULL, so a booking that was acknowledged survives `kill -9` and a power cut. Everything a booking
 * means (its row, its nights, its key) commits in one transaction.
 * Refuses to own: HTTP, prices, the clock (instants are passed in).
 */
import { Database } from "bun:sqlite";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ApiError } from "@concert/service-kit";
import type { BookingBody, BookingsQuery } from "./schemas.ts";
import { decimal, nightsOf } from "./stay.ts";

const SCHEMA = `
CREATE TABLE IF NOT EXISTS quotes (
  quote_id TEXT PRIMARY KEY, hotel_id TEXT NOT NULL, hotel_name TEXT NOT NULL, city TEXT NOT NULL,
  room_type TEXT NOT NULL, rooms INTEGER NOT NULL, check_in TEXT NOT NULL, check_out TEXT NOT NULL,
  guests INTEGER NOT NULL, total_cents INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS bookings (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, booking_id TEXT NOT NULL UNIQUE, confirmation_code TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL CHECK (status IN ('confirmed', 'cancelled')),
  quote_id TEXT NOT NULL REFERENCES quotes(quote_id), idempotency_key TEXT NOT NULL UNIQUE,
  request_hash TEXT NOT NULL, guest_name TEXT NOT NULL, guest_email TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL, cancelled_at_ms INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS sold_nights (
  hotel_id TEXT NOT NULL, room_type TEXT NOT NULL, night TEXT NOT NULL, booking_id TEXT NOT NULL,
  PRIMARY KEY (hotel_id, room_type, night, booking_id)) STRICT, WITHOUT ROWID;
`;

/** A priced room for given nights; `rooms` is the nightly stock of its type. */
export interface Quote {
  readonly quote_id: string;
  readonly hotel_id: string;
  readonly hotel_name: string;
  readonly city: string;
  readonly room_type: string;
  readonly rooms: number;
  readonly check_in: string;
  readonly check_out: string;
  readonly guests: number;
  readonly total_cents: number;
  readonly expires_at_ms: number;
}

interface BookingRow extends Quote {
  readonly seq: number;
  readonly booking_id: string;
  readonly confirmation_code: string;
  readonly status: "confirmed" | "cancelled";
  readonly idempotency_key: string;
  readonly request_hash: string;
  readonly created_at_ms: number;
}

const SELECT_BOOKING = "SELECT b.*, q.* FROM bookings b JOIN quotes q USING (quote_id)";
const SELECT_SOLD =
  "SELECT count(*) AS sold FROM sold_nights WHERE hotel_id = ?1 AND room_type = ?2 AND night = ?3";

export class Store {
  readonly #db: Database;

  /** Opens or creates `<dataDir>/hotel.db`. */
  constructor(dataDir: string) {
    mkdirSync(dataDir, { recursive: true });
    this.#db = new Database(join(dataDir, "hotel.db"), { create: true, strict: true });
    this.#db.run("PRAGMA journal_mode = WAL");
    this.#db.run("PRAGMA synchronous = FULL");
    this.#db.run("PRAGMA foreign_keys = ON");
    this.#db.run(SCHEMA);
  }

  close(): void {
    this.#db.close();
  }

  /** True when at least one room of the type is free on every night. */
  isFree(
    wanted: Pick<Quote, "hotel_id" | "room_type" | "rooms" | "check_in" | "check_out" | "guests">,
  ): boolean {
    return nightsOf(wanted).every((night) => {
      const row = this.#db
        .query<{ sold: number }, [string, string, string]>(SELECT_SOLD)
        .get(wanted.hotel_id, wanted.room_type, night);
      return (row?.sold ?? 0) < wanted.rooms;
    });
  }

  /** Stores a quote under a new id. */
  addQuote(quote: Omit<Quote, "quote_id">): Quote {
    const stored = { quote_id: `quo_${hex()}`, ...quote };
    this.#db
      .query(`INSERT INTO quotes VALUES ($quote_id, $hotel_id, $hotel_name, $city, $room_type, $rooms,
        $check_in, $check_out, $guests, $total_cents, $expires_at_ms)`)
      .run(stored);
    return stored;
  }

  /**
   * Books under `key`, or answers what the key already booked. Throws 409 `idempotency_conflict` (same key,
   * other request), 404 `unknown_quote`, 409 `quote_expired`, 409 `sold_out`.
   */
  book(body: BookingBody, key: string, nowMs: number): { replayed: boolean; booking: object } {
    return this.#db
      .transaction(() => {
        const requestHash = hashOf(body);
        const earlier = this.#one("WHERE b.idempotency_key = ?1", key);
        if (earlier !== undefined) {
          refuseOtherRequest(earlier, requestHash, key);
          return { replayed: true, booking: shown(earlier) };
        }
        const quote = this.#bookable(body.quote_id, nowMs);
        return {
          replayed: false,
          booking: shown(this.#insert(body, quote, key, requestHash, nowMs)),
        };
      })
      .immediate();
  }

  /** Cancels and frees the nights; a cancelled booking is answered as it is. Throws 404 `unknown_booking`. */
  cancel(bookingId: string, nowMs: number): object {
    return this.#db
      .transaction(() => {
        this.#found(bookingId);
        this.#db
          .query(`UPDATE bookings SET status = 'cancelled', cancelled_at_ms = ?2
            WHERE booking_id = ?1 AND status = 'confirmed'`)
          .run(bookingId, nowMs);
        this.#db.query("DELETE FROM sold_nights WHERE booking_id = ?1").run(bookingId);
        return shown(this.#found(bookingId));
      })
      .immediate();
  }

  booking(bookingId: string): object {
    return shown(this.#found(bookingId));
  }

  /** Bookings oldest first; `next_after` continues the list. */
  bookings(query: BookingsQuery): { items: object[]; next_after: number | null } {
    const rows = this.#db
      .query<BookingRow, [number, string | null, number]>(`${SELECT_BOOKING}
        WHERE b.seq > ?1 AND (?2 IS NULL OR b.idempotency_key = ?2) ORDER BY b.seq LIMIT ?3`)
      .all(query.after, query.idempotency_key ?? null, query.limit);
    const next = rows.length === query.limit ? (rows.at(-1)?.seq ?? null) : null;
    return { items: rows.map(shown), next_after: next };
  }

  counts(): { bookings: number; cancelled: number } {
    return (
      this.#db
        .query<{ bookings: number; cancelled: number }, []>(
          "SELECT count(*) AS bookings, count(cancelled_at_ms) AS cancelled FROM bookings",
        )
        .get() ?? { bookings: 0, cancelled: 0 }
    );
  }

  #bookable(quoteId: string, nowMs: number): Quote {
    const quote = this.#db
      .query<Quote, [string]>("SELECT * FROM quotes WHERE quote_id = ?1")
      .get(quoteId);
    if (quote === null) throw new ApiError(404, "unknown_quote", `There is no quote ${quoteId}.`);
    if (quote.expires_at_ms <= nowMs) {
      const when = new Date(quote.expires_at_ms).toISOString();
      throw new ApiError(409, "quote_expired", `The quote expired at ${when}; ask for a new one.`);
    }
    if (!this.isFree(quote)) {
      throw new ApiError(
        409,
        "sold_out",
        `${quote.hotel_name} has no ${quote.room_type} room left from ${quote.check_in} to ${quote.check_out}.`,
      );
    }
    return quote;
  }

  #insert(body: BookingBody, quote: Quote, key: string, requestHash: string, nowMs: number) {
    const bookingId = `bkg_${hex()}`;
    this.#db
      .query(`INSERT INTO bookings (booking_id, confirmation_code, status, quote_id, idempotency_key,
        request_hash, guest_name, guest_email, created_at_ms) VALUES (?1, ?2, 'confirmed', ?3, ?4, ?5, ?6, ?7, ?8)`)
      .run(
        bookingId,
        confirmationCode(),
        quote.quote_id,
        key,
        requestHash,
        body.guest_name,
        body.guest_email,
        nowMs,
      );
    const sell = this.#db.query("INSERT INTO sold_nights VALUES (?1, ?2, ?3, ?4)");
    for (const night of nightsOf(quote))
      sell.run(quote.hotel_id, quote.room_type, night, bookingId);
    return this.#found(bookingId);
  }

  #found(bookingId: string): BookingRow {
    const row = this.#one("WHERE b.booking_id = ?1", bookingId);
    if (row === undefined) {
      throw new ApiError(404, "unknown_booking", `There is no booking ${bookingId}.`);
    }
    return row;
  }

  #one(where: string, value: string): BookingRow | undefined {
    return (
      this.#db.query<BookingRow, [string]>(`${SELECT_BOOKING} ${where}`).get(value) ?? undefined
    );
  }
}

function refuseOtherRequest(earlier: BookingRow, requestHash: string, key: string): void {
  if (earlier.request_hash === requestHash) return;
  throw new ApiError(
    409,
    "idempotency_conflict",
    `Idempotency-Key ${key} was already used for another booking request; use a new key.`,
  );
}

function shown(row: BookingRow): object {
  return {
    booking_id: row.booking_id,
    confirmation_code: row.confirmation_code,
    status: row.status,
    quote_id: row.quote_id,
    idempotency_key: row.idempotency_key,
    hotel_name: row.hotel_name,
    city: row.city,
    check_in: row.check_in,
    check_out: row.check_out,
    guests: row.guests,
    total_amount: decimal(row.total_cents),
    currency: "EUR",
    created_at: new Date(row.created_at_ms).toISOString(),
  };
}

function hashOf(body: BookingBody): string {
  const canonical = JSON.stringify([body.quote_id, body.guest_name, body.guest_email]);
  return createHash("sha256").update(canonical).digest("hex");
}

/** Six characters a person can read out: no 0/O, 1/I. */
function confirmationCode(): string {
  const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
  return Array.from(randomBytes(6), (byte) => alphabet[byte % alphabet.length]).join("");
}

function hex(): string {
  return randomUUID().replaceAll("-", "");
}
