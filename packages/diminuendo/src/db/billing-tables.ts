/**
 * Owns the SQL of a tenant's credits. An entry is booked once by its name, whole or not at all; what the accounts hold
 * is kept beside the postings it is the sum of (D6).
 */
import type { Database } from "bun:sqlite";
import { type Account, closed, type Entry, granted, reserved, toppedUp } from "../domain/ledger.ts";
import { isLimited, limitAgainst } from "../domain/spending.ts";
import { limitsOf, spentOf } from "./spending-tables.ts";
import type {
  Balance,
  CloseReservation,
  HeldReservation,
  LedgerLine,
  Reserve,
  Reserved,
  TopUp,
} from "./stored-billing.ts";

/** Puts credits aside for a turn, or says that there are too few. A turn that has some keeps them. */
export function reserve(database: Database, command: Reserve): Reserved {
  const { turnId, sessionId, userId, microcredits, grant, nowMs } = command;
  book(database, granted(grant), nowMs);
  const known = database.query("SELECT 1 FROM reservations WHERE turn_id = ?").get(turnId);
  if (known !== null) return { kind: "reserved" };
  const { available } = balanceOf(database);
  if (available < microcredits) return { kind: "insufficient", available };
  const limits = limitsOf(database);
  const spent = isLimited(limits) ? spentOf(database, userId, nowMs) : { tenant: 0, user: 0 };
  const against = limitAgainst(limits, spent, { userId, microcredits });
  if (against !== null) return { kind: "limited", of: against };
  book(database, reserved(turnId, microcredits), nowMs, turnId);
  database
    .query(
      "INSERT INTO reservations (turn_id, session_id, user_id, held, created_at) VALUES (?, ?, ?, ?, ?)",
    )
    .run(turnId, sessionId, userId, microcredits, nowMs);
  return { kind: "reserved" };
}

/** False when there was nothing to close any more. */
export function closeReservation(database: Database, command: CloseReservation): boolean {
  const { turnId, cost, nowMs } = command;
  const row = database
    .query<{ held: number }, [string]>(
      "SELECT held FROM reservations WHERE turn_id = ? AND closed_at IS NULL",
    )
    .get(turnId);
  if (row === null) return false;
  book(database, closed(turnId, row.held, cost), nowMs, turnId);
  database
    .query("UPDATE reservations SET closed_at = ?, cost = ? WHERE turn_id = ?")
    .run(nowMs, cost ?? 0, turnId);
  return true;
}

export function topUp(database: Database, command: TopUp): Balance {
  book(database, granted(command.grant), command.nowMs);
  book(database, toppedUp(command.key, command.microcredits), command.nowMs);
  return balanceOf(database);
}

/** Books an entry unless one of that name is booked. */
function book(database: Database, entry: Entry, nowMs: number, turnId: string | null = null): void {
  const { changes } = database
    .query(
      "INSERT INTO entries (name, kind, turn_id, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .run(entry.name, entry.kind, turnId, nowMs);
  if (changes === 0) return;
  for (const { account, microcredits } of entry.postings) {
    database
      .query("INSERT INTO postings (entry, account, microcredits) VALUES (?, ?, ?)")
      .run(entry.name, account, microcredits);
    database
      .query(
        `INSERT INTO accounts VALUES (?, ?)
         ON CONFLICT (account) DO UPDATE SET microcredits = microcredits + excluded.microcredits`,
      )
      .run(account, microcredits);
  }
}

export function balanceOf(database: Database): Balance {
  const rows = database
    .query<{ account: Account; microcredits: number }, []>("SELECT * FROM accounts")
    .all();
  const of = (account: Account) => rows.find((row) => row.account === account)?.microcredits ?? 0;
  return { available: of("available"), reserved: of("reserved"), spent: of("spent") };
}

/** The newest entries before `beforePlace`, newest first. */
export function ledgerPage(
  database: Database,
  beforePlace: number | null,
  limit: number,
): readonly LedgerLine[] {
  return database
    .query<LedgerLine, [number, number]>(
      `SELECT e.place, e.kind, e.turn_id AS turnId, r.session_id AS sessionId, e.at,
         COALESCE((SELECT SUM(microcredits) FROM postings
                   WHERE entry = e.name AND account = 'available'), 0) AS microcredits
       FROM entries e LEFT JOIN reservations r ON r.turn_id = e.turn_id
       WHERE e.place < ? ORDER BY e.place DESC LIMIT ?`,
    )
    .all(beforePlace ?? Number.MAX_SAFE_INTEGER, limit);
}

export function isReservationClosed(database: Database, turnId: string): boolean {
  const row = database
    .query("SELECT 1 FROM reservations WHERE turn_id = ? AND closed_at IS NOT NULL")
    .get(turnId);
  return row !== null;
}

export function heldReservations(database: Database): readonly Omit<HeldReservation, "tenantId">[] {
  return database
    .query<Omit<HeldReservation, "tenantId">, []>(
      "SELECT turn_id AS turnId, session_id AS sessionId FROM reservations WHERE closed_at IS NULL",
    )
    .all();
}
