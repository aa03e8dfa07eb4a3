/** Owns reading one command's story, with its descendants if asked, in the order of the feed. */

import { type Selectable, sql } from "kysely";
import type { Pool } from "pg";
import type { CommandId } from "../../core/ids.ts";
import { describeEvent } from "../../core/timeline.ts";
import type { TimelineEntry } from "../../domain/reading.ts";
import { building, fixed, runAlone } from "../fixed.ts";
import { eventOfRow } from "../repositories/events.ts";
import type { EventTable } from "../schema.ts";

/** Enough for any real command; a longer story is read from the feed. */
const ENTRIES_MAX = 5_000;

const events = () =>
  building
    .selectFrom("concord.domain_events")
    .selectAll()
    .orderBy("transaction_id")
    .orderBy("seq")
    .limit(sql.lit(ENTRIES_MAX));
interface Of {
  readonly commandId: CommandId;
}
const ofCommand = fixed<Of>(({ commandId }) => events().where("command_id", "=", commandId));
const ofFamily = fixed<Of>(({ commandId }) =>
  events().where(
    sql<boolean>`command_id IN (
      WITH RECURSIVE family AS (
        SELECT command_id FROM concord.commands WHERE command_id = ${commandId}
        UNION ALL
        SELECT child.command_id FROM concord.commands child JOIN family ON child.parent_command_id = family.command_id
      ) SELECT command_id FROM family)`,
  ),
);

export async function readTimeline(
  pool: Pool,
  commandId: CommandId,
  withDescendants: boolean,
): Promise<readonly TimelineEntry[]> {
  const rows = await runAlone<Selectable<EventTable>>(
    pool,
    withDescendants ? ofFamily({ commandId }) : ofCommand({ commandId }),
  );
  return rows.map(eventOfRow).map((event) => ({
    ...event,
    ...describeEvent(event.eventType, event.payload, event.taskName),
  }));
}
