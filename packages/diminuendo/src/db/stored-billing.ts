/** Owns what the workers keep of a tenant's credits, as plain data that crosses a thread. Amounts are microcredits. */
import type { Entry } from "../domain/ledger.ts";
import type { SpendingLimits, Spent } from "../domain/spending.ts";

export interface Reserve {
  readonly kind: "reserve";
  readonly tenantId: string;
  readonly turnId: string;
  readonly sessionId: string;
  /** Who asks for the turn. */
  readonly userId: string;
  readonly microcredits: number;
  /** What the tenant has when it is first seen. */
  readonly grant: number;
  readonly nowMs: number;
}
export type Reserved =
  | { readonly kind: "reserved" }
  | { readonly kind: "insufficient"; readonly available: number }
  /** Enough is there, but more than this may not be spent in a day. */
  | { readonly kind: "limited"; readonly of: "tenant" | "user" };

export interface SetSpendingLimit {
  readonly kind: "set_spending_limit";
  readonly tenantId: string;
  readonly of: "tenant" | "everybody" | "user";
  /** The person; empty but for `user`. */
  readonly who: string;
  /** For a day; null lifts the limit. */
  readonly microcredits: number | null;
  readonly setBy: string;
  readonly nowMs: number;
}

export interface Spending {
  readonly limits: SpendingLimits;
  readonly spent: Spent;
}

/** Closes a reservation: with what the turn cost, or null to give all of it back. Closing twice is closing once. */
export interface CloseReservation {
  readonly kind: "close_reservation";
  readonly tenantId: string;
  readonly turnId: string;
  readonly cost: number | null;
  readonly nowMs: number;
}

export interface TopUp {
  readonly kind: "top_up";
  readonly tenantId: string;
  readonly key: string;
  readonly microcredits: number;
  readonly userId: string;
  readonly grant: number;
  readonly nowMs: number;
}

export interface Balance {
  readonly available: number;
  readonly reserved: number;
  readonly spent: number;
}

export interface LedgerLine {
  readonly place: number;
  readonly kind: Entry["kind"];
  readonly turnId: string | null;
  readonly sessionId: string | null;
  /** What the entry changed about `available`. */
  readonly microcredits: number;
  readonly at: number;
}

export interface HeldReservation {
  readonly tenantId: string;
  readonly turnId: string;
  readonly sessionId: string;
}
