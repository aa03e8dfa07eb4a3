/** Owns the tests' look at the outside world: what the hotel vendor holds, and its failures on request. */
import { Database } from "bun:sqlite";
import { join } from "node:path";
import type { TestStack } from "./stack.ts";

export interface Booking {
  readonly booking_id: string;
  readonly confirmation_code: string;
  readonly idempotency_key: string;
  readonly status: string;
  readonly hotel_name: string;
}

export interface FaultRule {
  readonly operation: "search" | "quote" | "book" | "cancel";
  readonly mode:
    | "error_before_commit"
    | "error_after_commit"
    | "slow_before_commit"
    | "slow_after_commit"
    | "rate_limited";
  readonly times: number;
  readonly delay_ms?: number;
}

export interface Guest {
  readonly guest_name: string;
  readonly guest_email: string;
}

export function vendorOf({ urls, keys, dataDir }: TestStack) {
  const ask = async <T>(path: string, init: RequestInit = {}): Promise<T> => {
    const headers = {
      authorization: `Bearer ${keys.hotelVendorApiKey}`,
      "content-type": "application/json",
    };
    const response = await fetch(`${urls.vendor}${path}`, { ...init, headers });
    if (!response.ok)
      throw new Error(`vendor ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
  return {
    bookings: async () => (await ask<{ items: Booking[] }>("/v1/bookings")).items,
    /** In whose names it holds bookings, oldest first; its API does not tell. */
    guests: (): readonly Guest[] => {
      const db = new Database(join(dataDir, "vendors", "hotel", "hotel.db"), { readonly: true });
      try {
        const names = "SELECT guest_name, guest_email FROM bookings ORDER BY seq";
        return db.query<Guest, []>(names).all();
      } finally {
        db.close();
      }
    },
    stats: () => ask<{ requests: Record<string, number>; bookings: number }>("/v1/stats"),
    setFaults: (rules: readonly FaultRule[]) =>
      ask("/v1/faults", { method: "PUT", body: JSON.stringify({ rules }) }),
  };
}
