/**
 * Owns the life of a session: seven states and the moves between them (invariant D4). Pure. A move that is
 * not in this table does not happen; whoever wanted it decides what that means.
 */
import type { SessionStatus } from "../protocol/index.ts";

/** From each state, where it may go. `inactive` starts only through `activating`; `error` heals only to `inactive`. */
export const TRANSITIONS: Readonly<Record<SessionStatus, ReadonlySet<SessionStatus>>> = {
  inactive: new Set(["activating"]),
  activating: new Set(["ready", "error", "inactive"]),
  ready: new Set(["running", "deactivating", "inactive", "error"]),
  running: new Set(["ready", "waiting", "error", "deactivating"]),
  waiting: new Set(["running", "ready", "error", "deactivating"]),
  deactivating: new Set(["inactive", "error"]),
  error: new Set(["inactive"]),
};

/** `next` when the move is legal, else null. */
export function applySessionTransition(
  current: SessionStatus,
  next: SessionStatus,
): SessionStatus | null {
  return TRANSITIONS[current].has(next) ? next : null;
}

/** The legal way down from a state that a dead process left behind; empty when nothing was going on. */
export function pathToInactive(status: SessionStatus): readonly SessionStatus[] {
  switch (status) {
    case "inactive":
      return [];
    case "ready":
    case "deactivating":
    case "error":
      return ["inactive"];
    case "activating":
    case "running":
    case "waiting":
      return ["error", "inactive"];
  }
}
