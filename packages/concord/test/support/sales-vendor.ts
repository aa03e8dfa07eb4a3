/** Owns the vendor of the example vendor-data-sync as a process, its warehouse, and looking at both. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { freePort } from "@concert/postgres-host";
import type pg from "pg";
import { BUN, untilReady } from "./killable-server.ts";

export const SYNC = new URL("../../../../examples/vendor-data-sync/", import.meta.url);

export interface SalesVendor {
  /** What the contracts read from the environment; waits are short. */
  readonly env: Readonly<Record<string, string>>;
  /** The next answers it gives. */
  fail(...statuses: readonly number[]): Promise<void>;
  stop(): void;
}

export async function startSalesVendor(databaseUrl: string): Promise<SalesVendor> {
  const { prepareWarehouse } = (await import(new URL("warehouse.ts", SYNC).href)) as {
    prepareWarehouse: (databaseUrl: string) => Promise<void>;
  };
  await prepareWarehouse(databaseUrl);
  const port = await freePort();
  const main = fileURLToPath(new URL("vendor/main.ts", SYNC));
  const child = spawn(BUN, [main, `--listen=127.0.0.1:${port}`], { stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(url);
  return {
    env: {
      SALES_VENDOR_URL: url,
      SALES_VENDOR_API_KEY: "vendor-dev",
      SYNC_WAREHOUSE_URL: databaseUrl,
      SYNC_RETRY_FACTOR: "0.001",
    },
    fail: async (...next) => {
      await fetch(`${url}/faults`, { method: "PUT", body: JSON.stringify({ next }) });
    },
    stop: () => void child.kill("SIGKILL"),
  };
}

/** How often the partition of a day was written, and how many rows it holds. */
export async function partitionOf(pool: pg.Pool, date: string) {
  const { rows } = await pool.query<{ writes: number; rows: number }>(
    `SELECT writes, (SELECT count(*)::int FROM warehouse.vendor_sales s WHERE s.target_date = v.target_date) AS rows
     FROM warehouse.vendor_sync_state v WHERE target_date = $1`,
    [date],
  );
  return rows;
}
