/**
 * Owns continuing the runs of an executor that died: without it they would wait for that very executor to come
 * back. Taking over twice is harmless, and so is taking over from one that was only slow: the loser's next
 * transaction fails its ownership check, and calls share the effect's key.
 */
import { DBOS } from "@dbos-inc/dbos-sdk";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { beat, fallSilent, runsOfTheDead, SILENT_SECONDS } from "../../postgres/executors.ts";

const BEAT_EVERY_MS = 2_000;
const STEADY_ROUNDS = (SILENT_SECONDS * 1_000) / BEAT_EVERY_MS;
const LATE_MS = 2 * BEAT_EVERY_MS;
const BATCH = 200;

export interface TakeOver {
  /** Beats once, so that nobody takes away what a start is about to recover. */
  begin(): Promise<void>;
  /** Beats and looks for the dead from now on. */
  watch(workflowNames: readonly string[]): void;
  pause(): void;
  /** Says that this executor holds nothing any more; only after its runs have stopped. */
  end(): Promise<void>;
}

export interface TakeOverParts {
  readonly pool: Pool;
  readonly executorId: string;
  /** Only runs of this version can be continued here. */
  readonly version: string;
  readonly log: Logger;
}

export function createTakeOver({ pool, executorId, version, log }: TakeOverParts): TakeOver {
  let timer: NodeJS.Timeout | undefined;
  let steadyRounds = 0;
  let lastMs = 0;
  const round = async (workflowNames: readonly string[]) => {
    const nowMs = performance.now();
    // After a freeze or a lost database everybody looks silent; only who beat steadily may judge the others.
    if (nowMs - lastMs > LATE_MS) steadyRounds = 0;
    lastMs = nowMs;
    await beat(pool, executorId, version);
    steadyRounds += 1;
    if (steadyRounds <= STEADY_ROUNDS) return;
    const orphans = await runsOfTheDead(pool, workflowNames, version, BATCH);
    if (orphans.length === 0) return;
    await DBOS.resumeWorkflows([...orphans]);
    log.warn({ count: orphans.length }, "runs of a dead executor are continued");
  };
  return {
    begin: () => beat(pool, executorId, version),
    watch: (workflowNames) => {
      timer = setInterval(() => {
        round(workflowNames).catch((error) => {
          steadyRounds = 0;
          log.warn({ err: error }, "could not beat or take over");
        });
      }, BEAT_EVERY_MS);
    },
    pause: () => clearInterval(timer),
    end: async () => {
      await fallSilent(pool, executorId).catch((error) =>
        log.warn({ err: error }, "could not say goodbye; the others will notice"),
      );
    },
  };
}
