/**
 * Owns what reading a session needs to know of it, wherever it is written: here (LiveSession.ts), or by another gateway
 * that this one hears from (`Elsewhere`, which only a fleet provides).
 */
import * as Context from "effect/Context";
import type * as Effect from "effect/Effect";
import type { StorageError } from "../db/WorkerManager.ts";
import type { SessionMeta } from "../protocol/index.ts";
import type { Refusal } from "../security/Refusal.ts";
import type { Unreachable } from "../upstream/upstream-http.ts";

export interface SessionView {
  readonly tenantId: string;
  readonly sessionId: string;
  readonly epoch: string;
  /** `seq` of the oldest event in the log; 0 while there is none. */
  readonly firstSeq: number;
  /** `seq` of the newest event that readers here have been told. */
  readonly lastSeq: number;
  readonly meta: SessionMeta;
  readonly activeTurnId: string | null;
}

export interface Elsewhere {
  /** The session as its owner has it, or null if this gateway is the owner. */
  readonly view: (
    tenantId: string,
    sessionId: string,
  ) => Effect.Effect<SessionView | null, Refusal | StorageError | Unreachable>;
}

export const Elsewhere = Context.Reference<Elsewhere | null>("diminuendo/session/Elsewhere", {
  defaultValue: () => null,
});
