/**
 * Owns passing on messages from Postgres to Restate: what a commit left behind arrives at least once, and each
 * message names its run, so twice is once for a start and a hint too many for a signal.
 */
import type { Pool } from "pg";
import type { Logger } from "pino";
import {
  listenForMessages,
  passOnMessages,
  type WaitingMessage,
} from "../../postgres/runtime-messages.ts";

const BATCH = 200;
/** Looks again this often, whatever happened to notifications or to Restate. */
const LOOK_EVERY_MS = 1_000;

export interface Relay {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export function createRelay(
  pool: Pool,
  log: Logger,
  pass: (message: WaitingMessage) => Promise<void>,
): Relay {
  let timer: NodeJS.Timeout | undefined;
  let silence: (() => void) | undefined;
  let isStopped = false;
  let isAgain = false;
  let round: Promise<void> | undefined;
  const passAll = async (messages: readonly WaitingMessage[]) => {
    const byRun = new Map<string, WaitingMessage[]>();
    for (const one of messages)
      byRun.set(one.workflowId, [...(byRun.get(one.workflowId) ?? []), one]);
    await Promise.all(
      [...byRun.values()].map(async (ofOne) => {
        for (const one of ofOne) await pass(one);
      }),
    );
  };
  const drain = async () => {
    do {
      isAgain = false;
      while (!isStopped && (await passOnMessages(pool, BATCH, passAll)) === BATCH);
    } while (isAgain && !isStopped);
  };
  const ring = () => {
    isAgain = true;
    if (round !== undefined || isStopped) return;
    round = drain()
      .catch((error) =>
        log.warn({ err: error }, "could not pass messages on to Restate; again soon"),
      )
      .finally(() => {
        round = undefined;
      });
  };
  const listen = async () => {
    silence = await listenForMessages(pool, ring, () => {
      silence?.();
      silence = undefined;
    });
  };
  return {
    start: async () => {
      await listen();
      timer = setInterval(() => {
        ring();
        if (silence === undefined)
          listen().catch((error) => log.warn({ err: error }, "cannot listen"));
      }, LOOK_EVERY_MS);
      ring();
    },
    stop: async () => {
      isStopped = true;
      clearInterval(timer);
      silence?.();
      await round;
    },
  };
}
