/** The hotel journey as a library, on each durable runtime: searched, drafted, approved, booked exactly once. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConcordOptions } from "@concert/concord";
import { memoryOverPostgres } from "@concert/concord/memory";
import { createRestateRuntime } from "@concert/concord/restate";
import {
  findRestateServer,
  freePort,
  startTestPostgres,
  startTestRestate,
  type TestPostgres,
  type TestRestate,
} from "@concert/concord/testing";
import { createLogger } from "@concert/service-kit";
import { createVendor } from "../vendor/app.ts";
import { Store } from "../vendor/store.ts";
import { bookDearest } from "./book.ts";

const KEY = "test-key";
const NOW_MS = Date.parse("2027-01-10T12:00:00Z");
const JOURNEY_WITHIN_MS = 60_000;
const hasRestate = findRestateServer() !== undefined;
if (!hasRestate) process.stderr.write("SKIPPED on Restate: its server is not installed here\n");

let dataDir = "";
let store: Store;
let vendor: ReturnType<typeof Bun.serve>;
let postgres: TestPostgres;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "hotel-journey-"));
  store = new Store(dataDir);
  const app = createVendor({
    store,
    apiKey: KEY,
    log: createLogger("test", "silent"),
    nowMs: () => NOW_MS,
  });
  vendor = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: (request) => app.fetch(request) });
  process.env["HOTEL_VENDOR_URL"] = vendor.url.href;
  process.env["HOTEL_VENDOR_API_KEY"] = KEY;
  postgres = await startTestPostgres();
}, JOURNEY_WITHIN_MS);

afterAll(async () => {
  await postgres.stop();
  await vendor.stop(true);
  store.close();
  rmSync(dataDir, { recursive: true });
}, JOURNEY_WITHIN_MS);

async function bookings(): Promise<readonly { readonly confirmation_code: string }[]> {
  const answer = await fetch(new URL("/v1/bookings", vendor.url), {
    headers: { authorization: `Bearer ${KEY}` },
  });
  const { items } = (await answer.json()) as { items: { confirmation_code: string }[] };
  return items;
}

/** Another city each time: the same traveller's same stay would be the same booking. */
async function walk(city: string, engine: Pick<ConcordOptions, "runtime"> = {}): Promise<void> {
  const before = (await bookings()).length;
  const confirmation = await bookDearest(postgres.databaseUrl, city, engine);
  const after = await bookings();
  expect(after).toHaveLength(before + 1);
  expect(after.map((one) => one.confirmation_code)).toContain(
    String(confirmation["confirmation_code"]),
  );
}

describe("the hotel journey", () => {
  test("EX-9 RUN-5 on DBOS", () => walk("Lisbon"), JOURNEY_WITHIN_MS);

  test(
    "EX-9 RUN-5 in memory over Postgres",
    () => walk("Vienna", { runtime: memoryOverPostgres }),
    JOURNEY_WITHIN_MS,
  );

  test.skipIf(!hasRestate)(
    "EX-9 RUN-5 on Restate, its real server",
    async () => {
      const restate: TestRestate = await startTestRestate();
      try {
        const { ingressUrl, adminUrl } = restate;
        const listen = { host: "127.0.0.1", port: await freePort() };
        await walk("Paris", {
          runtime: ({ pool, log }) =>
            createRestateRuntime({ ingressUrl, adminUrl, listen, pool, log }),
        });
      } finally {
        await restate.stop();
      }
    },
    JOURNEY_WITHIN_MS,
  );
});
