/** Owns where Effect's log lines go: into the process's logger, with their annotations as fields. */
import type { Logger as ProcessLogger } from "@concert/service-kit/log";
import * as Cause from "effect/Cause";
import type * as Layer from "effect/Layer";
import * as Logger from "effect/Logger";
import * as References from "effect/References";

type Level = "trace" | "debug" | "info" | "warn" | "error" | "fatal";
const LEVELS: Readonly<Record<string, Level>> = {
  Trace: "trace",
  Debug: "debug",
  Info: "info",
  Warn: "warn",
  Error: "error",
  Fatal: "fatal",
};

/** Replaces Effect's console output. `trace_id` and other annotations become fields of the line. */
export function loggingLayer(log: ProcessLogger): Layer.Layer<never> {
  const bridge = Logger.make<unknown, void>(({ message, logLevel, cause, fiber }) => {
    const annotations = fiber.getRef(References.CurrentLogAnnotations);
    const failure = cause.reasons.length === 0 ? {} : { cause: Cause.pretty(cause) };
    const parts = Array.isArray(message) ? message : [message];
    log[LEVELS[logLevel] ?? "info"]({ ...annotations, ...failure }, parts.map(String).join(" "));
  });
  return Logger.layer([bridge]);
}
