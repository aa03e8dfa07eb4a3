/** The vendor over real HTTP: what it promises about prices, stock, idempotency, faults, and a killed process. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "@concert/service-kit";
import { createVendor } from "./app.ts";
import { CITIES, HOTELS } from "./catalog.ts";
import { Store } from "./store.ts";

const NOW_MS = Date.parse("2027-01-10T12:00:00Z");
const KEY = "test-key";
const GUEST = { guest_name: "Ada Lovelace", guest_email: "ada@example.com" };
const DAYS = { check_in: "2027-03-03", check_out: "2027-03-05" };
const STAY = { ...DAYS, guests: 2 };
const MIRAMAR = "htl_lisbon_grand_hotel_miramar";

let dataDir = "";
let nowMs = NOW_MS;
let store: Store;
let server: ReturnType<typeof Bun.serve>;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "hotel-vendor-"));
  nowMs = NOW_MS;
  store = new Store(dataDir);
  const app = createVendor({
    store,
    apiKey: KEY,
    log: createLogger("test", "silent"),
    nowMs: () => nowMs,
  });
  server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: (request) => app.fetch(request) });
});

afterEach(async () => {
  await server.stop(true);
  store.close();
  rmSync(dataDir, { recursive: true });
});

interface Offer {
  readonly hotel_name: string;
  readonly room_type: string;
}

/** Every field the tests look at, whichever route answered. */
interface Body {
  readonly error: { readonly code: string; readonly message: string };
  readonly offers: readonly Offer[];
  readonly known_cities: readonly string[];
  readonly items: readonly Body[];
  readonly rules: readonly unknown[];
  readonly next_after: number | null;
  readonly quote_id: string;
  readonly nights: number;
  readonly expires_at: string;
  readonly booking_id: string;
  readonly idempotency_key: string;
  readonly status: string;
  readonly bookings: number;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(new URL(path, server.url), {
    method,
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Body,
  };
}

const search = (query: Record<string, string>) =>
  call("GET", `/v1/hotels/search?${new URLSearchParams(query)}`);
const quoteFor = async (extra: object = {}) =>
  (await call("POST", "/v1/quotes", { hotel_id: MIRAMAR, ...STAY, ...extra })).body;
const book = (quoteId: string, key: string, guest: object = GUEST) =>
  call("POST", "/v1/bookings", { quote_id: quoteId, ...guest }, { "idempotency-key": key });
const arm = (rule: object) => call("PUT", "/v1/faults", { rules: [rule] });

describe("catalog and search", () => {
  test("every city has three hotels, ids are unique, and both sides of 500.00 for two nights exist", () => {
    expect(new Set(HOTELS.map((hotel) => hotel.id)).size).toBe(HOTELS.length);
    for (const city of CITIES) {
      const hotels = HOTELS.filter((hotel) => hotel.city === city);
      const totals = hotels.map((hotel) => (hotel.roomTypes[0]?.pricePerNightCents ?? 0) * 2);
      expect(hotels).toHaveLength(3);
      expect(totals.some((total) => total > 50_000)).toBe(true);
      expect(totals.some((total) => total < 50_000)).toBe(true);
    }
  });

  test("Lisbon offers Grand Hotel Miramar at 320.00 and Casa do Rossio at 140.00 a night", async () => {
    const { body } = await search({ city: "lisbon", ...DAYS, guests: "2" });
    const double = (name: string) =>
      body.offers.find((offer) => offer.hotel_name === name && offer.room_type === "double");
    expect(body).toMatchObject({ city: "Lisbon", nights: 2, guests: 2, ...DAYS });
    expect(double("Grand Hotel Miramar")).toMatchObject({
      stars: 5,
      price_per_night: 320,
      total_amount: 640,
    });
    expect(double("Casa do Rossio")).toMatchObject({ stars: 3, price_per_night: 140 });
  });

  test("an unknown city has no offers and names the known ones", async () => {
    const { status, body } = await search({ city: "Atlantis", ...DAYS, guests: "2" });
    expect(status).toBe(200);
    expect(body.offers).toEqual([]);
    expect(body.known_cities).toContain("Lisbon");
  });

  test("hotel_name narrows the search and room types that are too small are left out", async () => {
    const { body } = await search({ city: "Lisbon", ...DAYS, guests: "3", hotel_name: "miramar" });
    expect(body.offers.map((offer) => offer.room_type)).toEqual(["family"]);
  });
});

describe("refusals", () => {
  test("without the key nothing but health answers", async () => {
    const refused = await call("GET", "/v1/bookings", undefined, { authorization: "Bearer wrong" });
    expect(refused.status).toBe(401);
    expect((await fetch(new URL("/health", server.url))).status).toBe(200);
  });

  test.each([
    [{ check_out: "2027-03-03" }, "invalid_dates"],
    [{ check_in: "2026-12-01", check_out: "2026-12-03" }, "invalid_dates"],
    [{ check_in: "2027-02-30" }, "invalid_request"],
    [{ guests: 0 }, "invalid_request"],
    [{ guests: 2.5 }, "invalid_request"],
    [{ surprise: true }, "invalid_request"],
    [{ guests: 9 }, "no_such_room"],
    [{ room_type: "tent" }, "no_such_room"],
  ])("a quote with %j is refused as %s", async (change, code) => {
    const { status, body } = await call("POST", "/v1/quotes", {
      hotel_id: MIRAMAR,
      ...STAY,
      ...change,
    });
    expect(status).toBe(400);
    expect(body.error.code).toBe(code);
  });

  test("broken JSON, an unknown hotel, quote or booking, and a missing key each say so", async () => {
    expect((await call("POST", "/v1/quotes", "{")).body.error.code).toBe("invalid_json");
    const unknown = await call("POST", "/v1/quotes", { hotel_id: "htl_none", ...STAY });
    expect(unknown.body.error.code).toBe("unknown_hotel");
    expect((await book("quo_none", "k")).body.error.code).toBe("unknown_quote");
    expect((await call("POST", "/v1/bookings/bkg_none/cancel")).status).toBe(404);
    const keyless = await call("POST", "/v1/bookings", { quote_id: "q", ...GUEST });
    expect(keyless.status).toBe(400);
    expect(keyless.body.error.message).toContain("Idempotency-Key");
  });

  test("a quote expires after 30 minutes", async () => {
    const quote = await quoteFor();
    nowMs += 30 * 60_000;
    expect((await book(quote.quote_id, "late")).body.error.code).toBe("quote_expired");
  });
});

describe("booking", () => {
  test("quote, book, replay, conflict, list by key", async () => {
    const quote = await quoteFor();
    expect(quote).toMatchObject({ hotel_id: MIRAMAR, nights: 2, total_amount: 640, ...STAY });
    expect(quote.expires_at).toBe("2027-01-10T12:30:00.000Z");
    const first = await book(quote.quote_id, "key-1");
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({ status: "confirmed", idempotency_key: "key-1", ...STAY });
    const replay = await book(quote.quote_id, "key-1");
    expect(replay.status).toBe(200);
    expect(replay.body).toEqual(first.body);
    const other = await book(quote.quote_id, "key-1", { ...GUEST, guest_name: "Someone Else" });
    expect(other.status).toBe(409);
    expect(other.body.error.code).toBe("idempotency_conflict");
    const listed = await call("GET", "/v1/bookings?idempotency_key=key-1");
    expect(listed.body.items).toEqual([first.body]);
  });

  test("ten concurrent requests with one key make one booking", async () => {
    const quote = await quoteFor();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => book(quote.quote_id, "same")),
    );
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.body.booking_id)).size).toBe(1);
    expect((await call("GET", "/v1/stats")).body).toMatchObject({
      requests: { book: 10 },
      bookings: 1,
    });
  });

  test("stock is counted per night; cancelling frees it and may be repeated", async () => {
    const inn = { hotel_id: "htl_porto_pensao_das_flores", room_type: "double" };
    const quote = await quoteFor(inn);
    const bookings = [];
    for (let room = 0; room < 6; room += 1) {
      bookings.push((await book(quote.quote_id, `room-${room}`)).body);
    }
    expect((await book(quote.quote_id, "one-too-many")).body.error.code).toBe("sold_out");
    const overlapping = { ...inn, ...STAY, check_in: "2027-03-04", check_out: "2027-03-06" };
    expect((await call("POST", "/v1/quotes", overlapping)).body.error.code).toBe("sold_out");
    expect(
      (await quoteFor({ ...inn, check_in: "2027-03-05", check_out: "2027-03-06" })).nights,
    ).toBe(1);
    const path = `/v1/bookings/${bookings[0]?.booking_id}/cancel`;
    expect((await call("POST", path)).body.status).toBe("cancelled");
    expect((await call("POST", path)).body.status).toBe("cancelled");
    expect((await book(quote.quote_id, "freed")).status).toBe(201);
    expect((await call("GET", "/v1/stats")).body).toMatchObject({ bookings: 7, cancelled: 1 });
  });

  test("the list continues after a full page", async () => {
    const quote = await quoteFor();
    for (const key of ["a", "b", "c"]) await book(quote.quote_id, key);
    const first = (await call("GET", "/v1/bookings?limit=2")).body;
    const rest = (await call("GET", `/v1/bookings?limit=2&after=${first.next_after}`)).body;
    const keys = [...first.items, ...rest.items].map((item) => item.idempotency_key);
    expect(keys).toEqual(["a", "b", "c"]);
    expect(rest.next_after).toBeNull();
  });
});

describe("faults", () => {
  test("error_before_commit books nothing, then the rule is used up", async () => {
    const quote = await quoteFor();
    await arm({ operation: "book", mode: "error_before_commit", times: 1 });
    expect((await book(quote.quote_id, "k")).status).toBe(500);
    expect((await call("GET", "/v1/stats")).body.bookings).toBe(0);
    expect((await call("GET", "/v1/faults")).body.rules).toEqual([]);
    expect((await book(quote.quote_id, "k")).status).toBe(201);
  });

  test("error_after_commit really books; the retry with the same key finds that booking", async () => {
    const quote = await quoteFor();
    await arm({ operation: "book", mode: "error_after_commit", times: 1 });
    expect((await book(quote.quote_id, "k")).body.error.code).toBe("vendor_failed");
    const made = (await call("GET", "/v1/bookings?idempotency_key=k")).body.items[0];
    const retry = await book(quote.quote_id, "k");
    expect(retry.status).toBe(200);
    expect(retry.body.booking_id).toBe(made?.booking_id ?? "nothing was booked");
  });

  test("slow_after_commit: the booking exists while the answer is still awaited", async () => {
    const quote = await quoteFor();
    await arm({ operation: "book", mode: "slow_after_commit", times: 1, delay_ms: 60_000 });
    const giveUp = new AbortController();
    const pending = fetch(new URL("/v1/bookings", server.url), {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "idempotency-key": "slow" },
      body: JSON.stringify({ quote_id: quote.quote_id, ...GUEST }),
      signal: giveUp.signal,
    }).catch((error: Error) => error.name);
    let items: readonly Body[] = [];
    while (items.length === 0) {
      items = (await call("GET", "/v1/bookings?idempotency_key=slow")).body.items;
    }
    giveUp.abort();
    expect(await pending).toBe("AbortError");
    expect((await book(quote.quote_id, "slow")).status).toBe(200);
  });

  test("slow_before_commit: nothing exists until the delay is over, then it books", async () => {
    const quote = await quoteFor();
    await arm({ operation: "book", mode: "slow_before_commit", times: 1, delay_ms: 50 });
    const pending = book(quote.quote_id, "slow");
    expect((await call("GET", "/v1/bookings?idempotency_key=slow")).body.items).toEqual([]);
    expect((await pending).status).toBe(201);
  });

  test("rate_limited answers 429 with Retry-After; unknown operations are refused", async () => {
    await arm({ operation: "search", mode: "rate_limited", times: 1 });
    const limited = await search({ city: "Lisbon", ...DAYS, guests: "2" });
    expect(limited.status).toBe(429);
    expect(limited.headers.get("retry-after")).toBe("1");
    const bad = await arm({ operation: "pray", mode: "rate_limited", times: 1 });
    expect(bad.body.error.code).toBe("invalid_request");
  });
});

test("an acknowledged booking survives kill -9", async () => {
  const directory = mkdtempSync(join(tmpdir(), "hotel-vendor-kill-"));
  const start = async () => {
    const child = Bun.spawn(
      [
        process.execPath,
        join(import.meta.dir, "main.ts"),
        "--listen=127.0.0.1:0",
        `--data-dir=${directory}`,
        `--api-key=${KEY}`,
      ],
      { stderr: "pipe", stdout: "ignore", env: { ...process.env, LOG_LEVEL: "info" } },
    );
    const reader = child.stderr.getReader();
    let text = "";
    while (!text.includes("listening")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the vendor ended: ${text}`);
      text += new TextDecoder().decode(value);
    }
    return { child, url: /"url":"([^"]+)"/.exec(text)?.[1] ?? "" };
  };
  const request = async (url: string, path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${KEY}`, "idempotency-key": "survivor" };
    return (await fetch(new URL(path, url), { ...init, headers })).json() as Promise<Body>;
  };
  const stay = { check_in: daysAhead(30), check_out: daysAhead(32), guests: 2 };
  const first = await start();
  const quote = await request(first.url, "/v1/quotes", {
    method: "POST",
    body: JSON.stringify({ hotel_id: MIRAMAR, ...stay }),
  });
  const booking = await request(first.url, "/v1/bookings", {
    method: "POST",
    body: JSON.stringify({ quote_id: quote.quote_id, ...GUEST }),
  });
  first.child.kill("SIGKILL");
  await first.child.exited;
  const second = await start();
  const { items } = await request(second.url, "/v1/bookings?idempotency_key=survivor");
  second.child.kill("SIGTERM");
  expect(await second.child.exited).toBe(0);
  rmSync(directory, { recursive: true });
  expect(booking.status).toBe("confirmed");
  expect(items).toEqual([booking]);
});

function daysAhead(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
}
