/** Owns what every domain service is handed: the catalog, and the impure things (ids, time, digests) as functions. */
import type { Hash } from "../core/json.ts";
import type { TaskCatalog } from "./tasks.ts";

export interface Kit {
  readonly catalog: TaskCatalog;
  readonly hash: Hash;
  /** A new UUID, ordered by time (v7). */
  readonly newId: () => string;
  readonly nowMs: () => number;
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
