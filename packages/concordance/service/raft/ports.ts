/**
 * Owns what the driver needs from the rooms around it, and what it tells those who ask it for something.
 * Types only.
 */
import type { ChangeRefusal } from "./node.ts";
import type { Incoming, LogEntry, NodeId, SnapshotHeader } from "./types.ts";

/** The state machine that entries are applied to. Each call is one atomic step, or throws. */
export interface Machine<R> {
  readonly appliedIndex: number;
  /** Replicated time of what is applied. */
  readonly timeMs: number;
  /** One result an entry, in order; null for what is no command. */
  apply(entries: readonly LogEntry[]): readonly (R | null)[];
  /** Writes what is applied. What was not is applied again after a crash, from the log. */
  flush(): void;
  /** Resolves once all that is applied now survives a power cut; the disk's work is not waited for here. */
  sync(): Promise<void>;
  /** Takes a received state in place of its own. */
  install(file: string): void;
}
/** Where messages go. Losing one is always safe. */
export interface Outbox {
  send(message: Incoming): void;
  /** The follower lacks what was compacted: add a state and send it, when there is one. */
  offerSnapshot(header: SnapshotHeader): void;
  /** Entries above this must be kept for a transfer under way. */
  readonly heldIndex: number;
}
export type Outcome<R> =
  | { readonly kind: "applied"; readonly result: R }
  | { readonly kind: "not_leader"; readonly leaderId: NodeId | null }
  /** It is in some log, and may yet be applied, or not. */
  | { readonly kind: "unknown" }
  | { readonly kind: "overloaded" }
  | { readonly kind: "stopping" };
export type ChangeOutcome = "done" | "unknown" | ChangeRefusal;
