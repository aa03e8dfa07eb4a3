/**
 * What other processes may see of Concordance: types, the wire vocabulary, and the client. The store and
 * its tables stay inside; nothing here opens a database.
 */
export * from "./client.ts";
export * from "./error.ts";
export * from "./protocol.ts";
export * from "./types.ts";
export type { ResetReason, Watch, WatchOptions, WatchStatus } from "./watch-client.ts";
