/** Owns the hotel vendor of the example as a process, and looking at its books. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "@concert/postgres-host";
import { BUN, untilReady } from "./killable-server.ts";

export const HOTEL = new URL("../../../../examples/hotel-booking/", import.meta.url);
const MAIN = fileURLToPath(new URL("vendor/main.ts", HOTEL));

export interface Hotel {
  readonly url: string;
  /** What the contracts read from the environment; waits are short. */
  readonly env: Readonly<Record<string, string>>;
  /** The statuses of the bookings made under a key. */
  statuses(key: string): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export async function startHotel(): Promise<Hotel> {
  const dataDir = await mkdtemp(join(tmpdir(), "concord-hotel-"));
  const port = await freePort();
  const flags = [`--listen=127.0.0.1:${port}`, `--data-dir=${dataDir}`, "--api-key=vendor-dev"];
  const child = spawn(BUN, [MAIN, ...flags], { stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(url);
  return {
    url,
    env: {
      HOTEL_VENDOR_URL: url,
      HOTEL_VENDOR_API_KEY: "vendor-dev",
      HOTEL_BOOKINGS_PER_HOUR: "1000000",
      HOTEL_RETRY_FACTOR: "0.01",
    },
    statuses: async (key) => {
      const query = new URLSearchParams({ idempotency_key: key });
      const response = await fetch(`${url}/v1/bookings?${query}`, {
        headers: { authorization: "Bearer vendor-dev" },
      });
      const { items } = (await response.json()) as { items: { status: string }[] };
      return items.map((one) => one.status);
    },
    stop: async () => {
      child.kill("SIGKILL");
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
