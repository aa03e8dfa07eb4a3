/** Owns how processes log: JSON lines, pretty on a terminal, secrets redacted, `trace_id` on every line. */
import { createRequire } from "node:module";
import { type Logger, pino } from "pino";
import type PinoPretty from "pino-pretty";
import type { PrettyStream } from "pino-pretty";

export type { Logger } from "pino";

const REDACT = [
  "authorization",
  "*.authorization",
  "headers.authorization",
  "req.headers.authorization",
  "token",
  "*.token",
  "apiKey",
  "*.apiKey",
  "api_key",
  "*.api_key",
  "secret",
  "*.secret",
  "password",
  "*.password",
];

/** A logger for one service. Level from `LOG_LEVEL`, default `info`. Writes to standard error. */
export function createLogger(service: string, level = process.env["LOG_LEVEL"] ?? "info"): Logger {
  const options = {
    name: service,
    level,
    redact: { paths: REDACT, censor: "[redacted]" },
    base: { name: service },
  };
  if (process.stderr.isTTY) return pino(options, prettyStream());
  return pino(options, pino.destination({ dest: 2, sync: true }));
}

/** Loaded only where somebody reads along: a service under a supervisor starts sooner without it. */
function prettyStream(): PrettyStream {
  const require = createRequire(import.meta.url);
  const pretty: typeof PinoPretty = require("pino-pretty");
  return pretty({ destination: 2, sync: true, colorize: true });
}
