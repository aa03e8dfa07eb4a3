/** Owns reading one command's story, with its descendants if asked, in the order of the feed. */

import { sql } from "kysely";
import type { Pool } from "pg";
import type { CommandId } from "../../core/ids.ts";
import { describeEvent } from "../../core/timeline.ts";
import type { TimelineEntry } from "../../domain/reading.ts";
import { eventOfRow } from "../repositories/events.ts";
import { overPool } from "../schema.ts";

/** Enough for any real command; a longer story is read from the feed. */
const ENTRIES_MAX = 5_000;

export async function readTimeline(
  pool: Pool,
  commandId: CommandId,
  withDescendants: boolean,
): Promise<readonly TimelineEntry[]> {
  const family = sql<string>`(
    WITH RECURSIVE family AS (
      SELECT command_id FROM concord.commands WHERE command_id = ${commandId}
      UNION ALL
      SELECT child.command_id FROM concord.commands child JOIN family ON child.parent_command_id = family.command_id
    ) SELECT command_id FROM family)`;
  const rows = await overPool(pool)
    .selectFrom("concord.domain_events")
    .selectAll()
    .where("command_id", withDescendants ? "in" : "=", withDescendants ? family : commandId)
    .orderBy("transaction_id")
    .orderBy("seq")
    .limit(ENTRIES_MAX)
    .execute();
  return rows.map(eventOfRow).map((event) => ({
    ...event,
    ...describeEvent(event.eventType, event.payload, event.taskName),
  }));
}
