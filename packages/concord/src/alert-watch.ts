/** Owns looking for alerts again and again, and telling the log once when one is raised and once when it is over (OPS-2). */
import type { Logger } from "pino";
import { type Alert, alertChanges } from "./domain/alerts.ts";

const EVERY_MS = 15_000;

export interface AlertWatch {
  start(): void;
  stop(): void;
}

export function createAlertWatch(
  read: () => Promise<readonly Alert[]>,
  log: Logger,
  everyMs: number = EVERY_MS,
): AlertWatch {
  let before: readonly Alert[] = [];
  let timer: NodeJS.Timeout | undefined;
  const look = async () => {
    const now = await read();
    const { raised, cleared } = alertChanges(before, now);
    before = now;
    for (const { name, message, value, limit } of raised) {
      log.warn({ alert: name, value, limit }, `alert: ${message}`);
    }
    for (const { name } of cleared) log.info({ alert: name }, `the alert ${name} is over`);
  };
  const again = () => {
    look()
      .catch((error: unknown) => {
        // Storage ends before the last look may.
        if (timer !== undefined) log.warn({ err: error }, "could not look for alerts");
      })
      .finally(() => {
        if (timer !== undefined) timer = setTimeout(again, everyMs);
      });
  };
  return {
    start: () => {
      timer = setTimeout(again, everyMs);
    },
    stop: () => {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
