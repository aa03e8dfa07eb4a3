/**
 * Owns the vendor's HTTP routes. Refuses to own: durability (`store.ts`), prices (`stay.ts`), failures (`faults.ts`).
 * Every route but `/health` and `/ready` needs the vendor's key.
 */
import { ApiError, createApp, type Logger, requireKey } from "@concert/service-kit";
import { CITIES, HOTELS, type Hotel, type RoomType } from "./catalog.ts";
import { Faults, RETRY_AFTER_SECONDS } from "./faults.ts";
import {
  bookingBody,
  bookingsQuery,
  faultsBody,
  idempotencyKey,
  type Operation,
  parsed,
  type QuoteBody,
  quoteBody,
  searchQuery,
} from "./schemas.ts";
import {
  dateProblem,
  dayOf,
  decimal,
  fittingRooms,
  folded,
  nightsBetween,
  type Stay,
  totalCents,
} from "./stay.ts";
import type { Quote, Store } from "./store.ts";

const QUOTE_TTL_MS = 30 * 60_000;

export interface VendorParts {
  readonly store: Store;
  readonly apiKey: string;
  readonly log: Logger;
  readonly nowMs: () => number;
}

/** The vendor as a fetch handler. */
export function createVendor({ store, apiKey, log, nowMs }: VendorParts) {
  const app = createApp("hotel-vendor", log, async () => ({ ready: true, missing: [] }));
  const faults = new Faults();
  const requests: Record<Operation, number> = { search: 0, quote: 0, book: 0, cancel: 0 };
  const run = <T>(operation: Operation, commit: () => T): Promise<T> => {
    requests[operation] += 1;
    return faults.around(operation, commit);
  };

  app.use("/v1/*", requireKey([apiKey]));
  app.use("/v1/*", async (context, next) => {
    await next();
    if (context.res.status === 429)
      context.res.headers.set("retry-after", String(RETRY_AFTER_SECONDS));
  });

  app.get("/v1/hotels/search", async (context) => {
    const query = parsed(searchQuery, context.req.query());
    refuseBadDates(query, nowMs());
    return context.json(await run("search", () => searchResult(store, query)));
  });

  app.post("/v1/quotes", async (context) => {
    const body = parsed(quoteBody, await context.req.json());
    refuseBadDates(body, nowMs());
    return context.json(await run("quote", () => shownQuote(quote(store, body, nowMs()))), 201);
  });

  app.post("/v1/bookings", async (context) => {
    const key = parsed(idempotencyKey, context.req.header("idempotency-key"));
    const body = parsed(bookingBody, await context.req.json());
    const { replayed, booking } = await run("book", () => store.book(body, key, nowMs()));
    return context.json(booking, replayed ? 200 : 201);
  });

  app.get("/v1/bookings", (context) =>
    context.json(store.bookings(parsed(bookingsQuery, context.req.query()))),
  );
  app.get("/v1/bookings/:id", (context) => context.json(store.booking(context.req.param("id"))));
  app.post("/v1/bookings/:id/cancel", async (context) =>
    context.json(await run("cancel", () => store.cancel(context.req.param("id"), nowMs()))),
  );

  app.get("/v1/faults", (context) => context.json({ rules: faults.rules }));
  app.put("/v1/faults", async (context) => {
    faults.replace(parsed(faultsBody, await context.req.json()).rules);
    return context.json({ rules: faults.rules });
  });
  app.get("/v1/stats", (context) => context.json({ requests, ...store.counts() }));
  return app;
}

function refuseBadDates(stay: Stay, nowMs: number): void {
  const problem = dateProblem(stay, dayOf(nowMs));
  if (problem !== undefined) throw new ApiError(400, "invalid_dates", problem);
}

function searchResult(
  store: Store,
  query: Stay & { city: string; hotel_name?: string | undefined },
) {
  const city = CITIES.find((one) => folded(one) === folded(query.city));
  const wanted = folded(query.hotel_name ?? "");
  const offers = HOTELS.filter(
    (hotel) => hotel.city === city && folded(hotel.name).includes(wanted),
  ).flatMap((hotel) =>
    fittingRooms(hotel, query.guests)
      .filter((room) => store.isFree(roomOf(hotel, room, query)))
      .map((room) => offer(hotel, room, query)),
  );
  return {
    city: city ?? query.city,
    check_in: query.check_in,
    check_out: query.check_out,
    nights: nightsBetween(query.check_in, query.check_out),
    guests: query.guests,
    offers,
    ...(city === undefined ? { known_cities: CITIES } : {}),
  };
}

function offer(hotel: Hotel, room: RoomType, stay: Stay) {
  return {
    hotel_id: hotel.id,
    hotel_name: hotel.name,
    city: hotel.city,
    stars: hotel.stars,
    room_type: room.name,
    price_per_night: decimal(room.pricePerNightCents),
    total_amount: decimal(totalCents(room, stay)),
    currency: "EUR",
  };
}

function quote(store: Store, body: QuoteBody, nowMs: number): Quote {
  const hotel = HOTELS.find((one) => one.id === body.hotel_id);
  if (hotel === undefined) {
    throw new ApiError(
      404,
      "unknown_hotel",
      `There is no hotel ${body.hotel_id}; search names the ids.`,
    );
  }
  const candidates = fittingRooms(hotel, body.guests).filter(
    (room) => body.room_type === undefined || folded(room.name) === folded(body.room_type),
  );
  if (candidates.length === 0) {
    const rooms = hotel.roomTypes.map((room) => `${room.name} (up to ${room.guestsMax} guests)`);
    throw new ApiError(
      400,
      "no_such_room",
      `${hotel.name} has no ${body.room_type ?? "room"} for ${body.guests} guests; it has: ${rooms.join(", ")}.`,
    );
  }
  const room = candidates.find((one) => store.isFree(roomOf(hotel, one, body)));
  if (room === undefined) {
    throw new ApiError(
      409,
      "sold_out",
      `${hotel.name} is sold out from ${body.check_in} to ${body.check_out} for ${body.guests} guests.`,
    );
  }
  return store.addQuote({
    ...roomOf(hotel, room, body),
    hotel_name: hotel.name,
    city: hotel.city,
    total_cents: totalCents(room, body),
    expires_at_ms: nowMs + QUOTE_TTL_MS,
  });
}

function roomOf(hotel: Hotel, room: RoomType, { check_in, check_out, guests }: Stay) {
  return {
    hotel_id: hotel.id,
    room_type: room.name,
    rooms: room.rooms,
    check_in,
    check_out,
    guests,
  };
}

function shownQuote(row: Quote) {
  const { rooms: _stock, total_cents, expires_at_ms, ...rest } = row;
  return {
    ...rest,
    nights: nightsBetween(row.check_in, row.check_out),
    total_amount: decimal(total_cents),
    currency: "EUR",
    expires_at: new Date(expires_at_ms).toISOString(),
  };
}
