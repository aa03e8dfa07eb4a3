/**
 * Owns the bookkeeping of credits: every entry moves an amount between accounts and sums to zero, so that the ledger
 * always does. `funding` is where credits come from, and therefore negative. Pure; invariant D6 is kept by the entry's
 * name: the same one is never booked twice (db/billing-tables.ts).
 */

export const ACCOUNTS = ["funding", "available", "reserved", "spent"] as const;
export type Account = (typeof ACCOUNTS)[number];

export interface Posting {
  readonly account: Account;
  readonly microcredits: number;
}
export interface Entry {
  /** Unique: `grant`, `topup:<key>`, `reserve:<turn>`, `close:<turn>`. */
  readonly name: string;
  readonly kind: "grant" | "topup" | "reserve" | "settle" | "release";
  readonly postings: readonly Posting[];
}

const move = (from: Account, to: Account, microcredits: number): readonly Posting[] =>
  microcredits === 0
    ? []
    : [
        { account: from, microcredits: -microcredits },
        { account: to, microcredits },
      ];

export const granted = (microcredits: number): Entry => ({
  name: "grant",
  kind: "grant",
  postings: move("funding", "available", microcredits),
});

export const toppedUp = (key: string, microcredits: number): Entry => ({
  name: `topup:${key}`,
  kind: "topup",
  postings: move("funding", "available", microcredits),
});

/** Put aside for a turn before it begins. */
export const reserved = (turnId: string, microcredits: number): Entry => ({
  name: `reserve:${turnId}`,
  kind: "reserve",
  postings: move("available", "reserved", microcredits),
});

/** The turn cost `cost`: what was put aside goes there, the rest back; what is missing comes from `available`. */
export function closed(turnId: string, held: number, cost: number | null): Entry {
  const name = `close:${turnId}`;
  const back = move("reserved", "available", held);
  return cost === null
    ? { name, kind: "release", postings: back }
    : { name, kind: "settle", postings: [...back, ...move("available", "spent", cost)] };
}

/** What is known of the turn behind a reservation that nobody has closed. */
export type TurnFate =
  /** It runs, or waits to. */
  | { readonly kind: "alive" }
  /** It is over; `cost` null when it is not to be paid for. */
  | { readonly kind: "over"; readonly cost: number | null }
  /** It never came to be: the process died between the reservation and the turn. */
  | { readonly kind: "unknown" };

/** What a new process does about such a reservation: nothing, or the cost to close it with. */
export function closingOf(fate: TurnFate): { readonly cost: number | null } | null {
  switch (fate.kind) {
    case "alive":
      return null;
    case "over":
      return { cost: fate.cost };
    case "unknown":
      return { cost: null };
  }
}
