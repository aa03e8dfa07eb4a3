/** What every Concert process shares (design §7). Not a drawer for helpers: a thing goes here only if two processes must agree on it. */

export * as config from "./config.ts";
export * from "./errors.ts";
export * from "./http.ts";
export * from "./identity.ts";
export * from "./lifecycle.ts";
export * from "./log.ts";
export * from "./otlp-settings.ts";
export * from "./spans.ts";
export * from "./trace.ts";
