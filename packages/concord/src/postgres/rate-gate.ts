/**
 * Owns keeping calls under each connector's declared limit (CON-12), for all executors of a database together: a
 * bucket per connector that refills evenly, by the clock of the database. Refuses to own: waiting, which the caller does.
 */

import type { RateGate } from "../domain/connectors.ts";
import { namingPool } from "./naming-client.ts";

/** What would be in the bucket now; a clock that went back refills nothing. */
const FILLED = "least($2, r.requests_left + greatest(0, now.ms - r.at_ms) * $3)";
const TAKE = `WITH now AS (
    SELECT coalesce($4, extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms,
      set_config('synchronous_commit', 'off', true) AS quick
  ),
  made AS (
    INSERT INTO concord.connector_rates (connector_name, requests_left, at_ms)
    SELECT $1, $2, now.ms FROM now ON CONFLICT DO NOTHING RETURNING connector_name
  ), taken AS (
    UPDATE concord.connector_rates r SET requests_left = ${FILLED} - 1, at_ms = greatest(r.at_ms, now.ms)
    FROM now WHERE r.connector_name = $1 AND ${FILLED} >= 1 RETURNING 0
  )
  SELECT (SELECT count(*) FROM made)::int AS made, (SELECT count(*) FROM taken)::int AS taken,
    ceil((1 - ${FILLED}) / $3)::float8 AS "waitMs"
  FROM now LEFT JOIN concord.connector_rates r ON r.connector_name = $1`;

interface Taken {
  readonly made: number;
  readonly taken: number;
  readonly waitMs: number | null;
}

export interface ClosableRateGate extends RateGate {
  close(): Promise<void>;
}

/**
 * Over a connection of its own: the row is held for one statement, not for the transaction that decides on the call.
 * What the last moments before a crash of the database took may be given once more; nobody waits for its disk.
 */
export function createRateGate(
  connectionString: string,
  onError: (error: unknown) => void,
  nowMs?: () => number,
): ClosableRateGate {
  const pool = namingPool({ connectionString, max: 1, connectionTimeoutMillis: 5_000 });
  pool.on("error", onError);
  return {
    take: async ({ name, rateLimit }) => {
      if (rateLimit === undefined) return 0;
      const { requestsMax, perSeconds } = rateLimit;
      const perMs = requestsMax / (perSeconds * 1000);
      for (;;) {
        const values = [name, requestsMax, perMs, nowMs?.() ?? null];
        const { rows } = await pool.query<Taken>(TAKE, values);
        const { made = 0, taken = 0, waitMs } = rows[0] ?? {};
        if (taken > 0) return 0;
        // A bucket that was only just made cannot be seen by the statement that made it.
        if (made === 0) return Math.max(1, waitMs ?? 1);
      }
    },
    close: () => pool.end(),
  };
}
