/**
 * Owns reading `domain_events` so that a reader who keeps its cursor misses nothing and repeats nothing.
 *
 * Order is (writing transaction, row number). A page holds only rows of transactions older than every
 * transaction still open (`pg_snapshot_xmin`), so nothing can later appear before a cursor already given out.
 * The price: a long open transaction in the same server holds the feed back. Readers sleep until events are announced.
 */
import { sql } from "kysely";
import type { Pool, PoolClient } from "pg";
import { Refusal } from "../core/errors.ts";
import type { EventFeed, FeedFilter } from "../domain/reading.ts";
import { type Announcer, CHANNEL } from "./announcer.ts";
import { cursorOf, eventOfRow } from "./repositories/events.ts";
import { overPool } from "./schema.ts";

const PAGE_ROWS = 200;
/** A notification may be lost with its connection; looking again this often bounds the delay. */
const FALLBACK_MS = 1_000;
/** Rows are there but an older transaction is still open: look again soon. */
const HELD_BACK_MS = 5;
const RECONNECT_MS = 250;

interface Position {
  readonly transaction: string;
  readonly seq: string;
}

export function createEventFeed(
  pool: Pool,
  announcer: Announcer,
  onError: (error: unknown) => void,
): EventFeed {
  const bell = createBell(pool, announcer, onError);
  let readers = 0;
  const page = (after: Position, filter: FeedFilter) => readPage(pool, after, filter);
  return {
    changed: bell.wait,
    check: (cursor) => void parseCursor(cursor),
    now: async () => cursorText(await horizon(pool)),
    readerCount: () => readers,
    start: bell.start,
    stop: bell.stop,
    async *read(cursor, filter, signal) {
      readers += 1;
      try {
        let position = cursor === undefined ? await horizon(pool) : parseCursor(cursor);
        while (!signal.aborted) {
          const wakeUp = bell.ticket();
          const { events, next, isHeldBack } = await page(position, filter);
          for (const event of events) {
            if (signal.aborted) return;
            yield event;
          }
          position = next;
          if (events.length === 0) {
            await bell.waitFor(wakeUp, isHeldBack ? HELD_BACK_MS : FALLBACK_MS, signal);
          }
        }
      } finally {
        readers -= 1;
      }
    },
  };
}

/** The place named by `text`. Throws `Refusal` `invalid_cursor`. */
export function parseCursor(text: string): Position {
  if (text === "0") return { transaction: "0", seq: "0" };
  const match = /^(\d{1,19})-(\d{1,18})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new Refusal(
      "invalid_cursor",
      `"${text.slice(0, 64)}" is not a cursor; use one you were given, or 0.`,
    );
  }
  return { transaction: match[1], seq: match[2] };
}

function cursorText({ transaction, seq }: Position): string {
  return `${transaction}-${seq}`;
}

/** Everything before this place is final; a reader from here sees what commits from now on. */
async function horizon(pool: Pool): Promise<Position> {
  const { rows } = await pool.query<{ xmin: string }>(
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin",
  );
  return { transaction: rows[0]?.xmin ?? "0", seq: "0" };
}

async function readPage(pool: Pool, after: Position, filter: FeedFilter) {
  const { tenantId, rootCommandId, types } = filter;
  const horizonXid = sql`pg_snapshot_xmin(pg_current_snapshot())`;
  const rows = await overPool(pool)
    .selectFrom("concord.domain_events")
    .selectAll()
    .select(sql<boolean>`transaction_id < ${horizonXid}`.as("is_final"))
    .where(sql<boolean>`(transaction_id, seq) > (${after.transaction}::xid8, ${after.seq}::bigint)`)
    .$if(tenantId !== undefined, (query) => query.where("tenant_id", "=", tenantId ?? ""))
    .$if(rootCommandId !== undefined, (query) =>
      query.where("root_command_id", "=", rootCommandId ?? null),
    )
    .$if(types !== undefined, (query) => query.where("event_type", "in", [...(types ?? [])]))
    .orderBy("transaction_id")
    .orderBy("seq")
    .limit(PAGE_ROWS)
    .execute();
  const final = rows.filter((row) => row.is_final);
  const last = final.at(-1);
  return {
    events: final.map(eventOfRow),
    next: last === undefined ? after : parseCursor(cursorOf(last)),
    isHeldBack: final.length < rows.length,
  };
}

/** One LISTEN connection for the process; counts rings so that none is missed between look and sleep. */
function createBell(pool: Pool, announcer: Announcer, onError: (error: unknown) => void) {
  let rings = 0;
  let stopped = false;
  let client: PoolClient | undefined;
  const sleepers = new Set<() => void>();
  const ring = () => {
    rings += 1;
    for (const wakeUp of [...sleepers]) wakeUp();
  };
  announcer.onAnnounced(ring);
  const reconnectSoon = () => {
    if (!stopped) setTimeout(() => void reconnect(), RECONNECT_MS);
  };
  const connect = async (): Promise<void> => {
    const fresh = await pool.connect();
    let isHeld = true;
    // The pool does not end before every connection is given back, also one that came after the stop.
    const drop = () => {
      if (!isHeld) return;
      isHeld = false;
      if (client === fresh) client = undefined;
      fresh.release(true);
    };
    fresh.on("notification", ({ payload }) => {
      if (!announcer.isOwn(payload)) ring();
    });
    fresh.on("error", (error) => {
      onError(error);
      const wasListening = client === fresh;
      drop();
      if (wasListening) reconnectSoon();
    });
    try {
      if (!stopped) await fresh.query(`LISTEN ${CHANNEL}`);
    } catch (error) {
      drop();
      throw error;
    }
    if (stopped) return drop();
    client = fresh;
    ring();
  };
  const reconnect = async (): Promise<void> => {
    if (stopped) return;
    await connect().catch((error) => {
      onError(error);
      reconnectSoon();
    });
  };
  const waitFor = (ticket: number, timeoutMs: number, signal?: AbortSignal): Promise<void> => {
    if (rings !== ticket || signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        sleepers.delete(done);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      sleepers.add(done);
      signal?.addEventListener("abort", done, { once: true });
    });
  };
  return {
    ticket: () => rings,
    waitFor,
    wait: (timeoutMs: number, signal?: AbortSignal) => waitFor(rings, timeoutMs, signal),
    start: connect,
    stop: async () => {
      stopped = true;
      client?.removeAllListeners("error");
      client?.on("error", () => undefined);
      client?.release(true);
      client = undefined;
      ring();
    },
  };
}
