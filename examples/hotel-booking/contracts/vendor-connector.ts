/** Owns how the hotel vendor is called: four operations, their limits, and how a lost answer is found again. */
import {
  type ConnectorDefinition,
  type ConnectorResult,
  httpJson,
  type Json,
  type JsonObject,
  type OperationDefinition,
  type RetryDeclaration,
} from "@concert/concord";

const DEFAULT_URL = "http://127.0.0.1:5300";
const vendor = httpJson(() => process.env["HOTEL_VENDOR_URL"] ?? DEFAULT_URL);

const READ_TIMEOUT_MS = 10_000;
const WRITE_TIMEOUT_MS = 15_000;
/** EX-13: n waits make n + 1 attempts. The factor shortens them in demonstrations; 1 in production. */
const retryAfter = (...waitsSeconds: readonly number[]): RetryDeclaration => {
  const factor = Number(process.env["HOTEL_RETRY_FACTOR"] ?? "1");
  if (!(factor >= 0)) throw new Error("HOTEL_RETRY_FACTOR needs a number from 0 on");
  return {
    attemptsMax: waitsSeconds.length + 1,
    waitsSeconds: waitsSeconds.map((one) => one * factor),
  };
};

const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");

const searchHotels: OperationDefinition = {
  description: "Find offers in a city.",
  sideEffect: false,
  timeoutMs: READ_TIMEOUT_MS,
  retry: retryAfter(0.2, 1),
  call: (input, context) =>
    vendor({ method: "GET", path: "/v1/hotels/search", query: queryOf(input) }, context),
};

/** A quote reserves nothing and lapses by itself, so it is a read for our purposes. */
const quote: OperationDefinition = {
  description: "Ask for a price that holds for a while.",
  sideEffect: false,
  timeoutMs: READ_TIMEOUT_MS,
  retry: retryAfter(0.2, 1),
  call: (input, context) => vendor({ method: "POST", path: "/v1/quotes", body: input }, context),
};

const bookHotel: OperationDefinition = {
  description: "Book a quoted room.",
  sideEffect: true,
  keyTemplate: "book_hotel:{booking_draft_id}",
  timeoutMs: WRITE_TIMEOUT_MS,
  retry: retryAfter(2, 6, 18),
  compensation: "required",
  call: (input, context) => vendor({ method: "POST", path: "/v1/bookings", body: input }, context),
  lookup: async (key, context) => {
    const query = { idempotency_key: key };
    const found = await vendor({ method: "GET", path: "/v1/bookings", query }, context);
    return found.ok ? firstBooking(found.output, key) : found;
  },
};

const cancelReservation: OperationDefinition = {
  description: "Cancel a booking.",
  sideEffect: true,
  keyTemplate: "cancel_reservation:{booking_id}",
  timeoutMs: WRITE_TIMEOUT_MS,
  retry: retryAfter(1, 3, 9, 27, 60),
  compensation: { notNeeded: "it is itself what undoes a booking" },
  call: (input, context) => {
    const path = `/v1/bookings/${encodeURIComponent(text(input["booking_id"]))}/cancel`;
    return vendor({ method: "POST", path, body: {} }, context);
  },
  // The booking itself says whether it was cancelled.
  lookup: async (_key, context, input) => {
    const path = `/v1/bookings/${encodeURIComponent(text(input["booking_id"]))}`;
    const found = await vendor({ method: "GET", path }, context);
    return found.ok && found.output["status"] !== "cancelled" ? undefined : found;
  },
};

const operations = {
  search_hotels: searchHotels,
  quote,
  book_hotel: bookHotel,
  cancel_reservation: cancelReservation,
};
export const HOTEL_OPERATIONS: readonly string[] = Object.keys(operations);

export const hotelConnector: ConnectorDefinition = {
  name: "hotel_booking",
  connectorType: "http",
  riskLevel: "medium",
  auth: { mode: "bearer", secretRef: "env:HOTEL_VENDOR_API_KEY" },
  rateLimit: { requestsMax: 100, perSeconds: 1 },
  operations,
};

function queryOf(input: JsonObject): Record<string, string | number | undefined> {
  const entries = Object.entries(input).map(([name, value]) => {
    const plain = typeof value === "string" || typeof value === "number" ? value : undefined;
    return [name, plain] as const;
  });
  return Object.fromEntries(entries);
}

/** The booking made under `key`; undefined when there is none, so that the call may be made. */
function firstBooking(output: JsonObject, key: string): ConnectorResult | undefined {
  const items = output["items"];
  if (!Array.isArray(items)) return undefined;
  const found = items.find((item: JsonObject) => item["idempotency_key"] === key);
  return found === undefined ? undefined : { ok: true, output: found };
}
