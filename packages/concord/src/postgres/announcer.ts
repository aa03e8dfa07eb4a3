/**
 * Owns telling readers that events were committed: those of this process at once, those of others by NOTIFY, shortly
 * after (docs/adr/0023). Not within the writing commit, since Postgres lets commits that notify through one at a time, each
 * until it is on disk. A process that ends in between leaves the others to look by themselves (event-feed.ts).
 */
import { randomUUID } from "node:crypto";
import type { Pool } from "pg";

export const CHANNEL = "concord_events";
/** What is committed within that time is told together. */
const TOGETHER_MS = 10;

export interface Announcer {
  /** Call after a commit that wrote events. */
  announce(): void;
  /** Calls `hear` after each such commit of this process. */
  onAnnounced(hear: () => void): void;
  /** Whether a notification with this payload is from here, and so told already. */
  isOwn(payload: string | undefined): boolean;
  /** Tells what is left to tell. */
  stop(): Promise<void>;
}

export function createAnnouncer(pool: Pool, onError: (error: unknown) => void): Announcer {
  const own = randomUUID();
  const hearers: (() => void)[] = [];
  let due: NodeJS.Timeout | undefined;
  const tell = async () => {
    due = undefined;
    await pool.query("SELECT pg_notify($1, $2)", [CHANNEL, own]).catch(onError);
  };
  return {
    announce: () => {
      for (const hear of hearers) hear();
      due ??= setTimeout(() => void tell(), TOGETHER_MS);
    },
    onAnnounced: (hear) => void hearers.push(hear),
    isOwn: (payload) => payload === own,
    stop: async () => {
      if (due === undefined) return;
      clearTimeout(due);
      await tell();
    },
  };
}
