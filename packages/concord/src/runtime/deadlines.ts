/**
 * Owns noticing that the time of a parked command is up (docs/adr/0029): one look for all of them, in every process, since
 * none has a run that could sleep until then. What follows is decided by its rows, in a commit of its own, so that two who
 * look at once do it once. Refuses to own: what follows (domain/engine.ts).
 */
import type { Logger } from "pino";
import type { CommandId } from "../core/ids.ts";
import { advanceFrom } from "../domain/engine.ts";
import type { Kit } from "../domain/kit.ts";
import { waitsForPerson } from "../domain/runs.ts";
import type { Store } from "../domain/store.ts";

const EVERY_MS = 1_000;
const BATCH = 200;

/** Parked commands behind `after`, in the order of their ids, of which something is due at `nowMs`. */
export type DueCommands = (
  nowMs: number,
  after: CommandId | undefined,
  limit: number,
) => Promise<readonly CommandId[]>;

export interface Deadlines {
  start(): void;
  /** Waits for the look that is under way. */
  stop(): Promise<void>;
}

export interface DeadlineParts {
  readonly store: Store;
  readonly kit: Kit;
  readonly due: DueCommands;
  readonly log: Logger;
}

export function createDeadlines(parts: DeadlineParts): Deadlines {
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> | undefined;
  const look = () => {
    round ??= meetAll(parts)
      .catch((error) => parts.log.warn({ err: error }, "could not look for deadlines"))
      .finally(() => {
        round = undefined;
      });
  };
  return {
    start: () => {
      timer = setInterval(look, EVERY_MS);
      look();
    },
    stop: async () => {
      clearInterval(timer);
      await round;
    },
  };
}

/** One that fails keeps no other from its turn; it comes again with the next look. */
async function meetAll(parts: DeadlineParts): Promise<void> {
  for (let after: CommandId | undefined; ; ) {
    const due = await parts.due(parts.kit.nowMs(), after, BATCH);
    for (const id of due) {
      await meet(parts, id).catch((error) =>
        parts.log.error({ err: error, command_id: id }, "a deadline could not be met"),
      );
    }
    if (due.length < BATCH) return;
    after = due.at(-1);
  }
}

function meet({ store, kit }: DeadlineParts, id: CommandId): Promise<void> {
  return store.transaction(async (tx) => {
    const command = await tx.commands.lock(id);
    if (command?.isParked !== true || !waitsForPerson(command)) return;
    await advanceFrom(tx, kit, command);
  });
}
