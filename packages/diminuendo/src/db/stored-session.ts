/** Owns what one session's database keeps, as plain data that crosses a thread. */
import type { Actor } from "@concert/service-kit/identity";
import type { Price, Usage } from "../domain/prices.ts";
import type { SessionStatus, TurnCause, WhenBusy } from "../protocol/index.ts";

/** A turn that is not over yet. */
export interface StoredTurn {
  readonly turnId: string;
  readonly text: string;
  /** The trace of the message that opened it; Podium and Concord continue it. */
  readonly traceId: string;
  /** Who asked; a crash must not change on whose behalf the turn runs. */
  readonly actor: Actor;
  /** Concord's command once Podium has told it: from then on the turn needs no resending. */
  readonly commandId: string | null;
  /** Who asked to stop it, if anybody has. */
  readonly stopActor: Actor | null;
  /** As it was when the turn was asked for; null for a turn of before there were prices. */
  readonly price: Price | null;
  /** Tokens used so far. */
  readonly usage: Usage;
  /** Absent for a turn that a person asked for. */
  readonly cause?: TurnCause;
}
export type TurnOutcome = "succeeded" | "cancelled" | "failed";

/** A turn that waits for the open one. */
export interface WaitingTurn {
  /** Lower is sooner; may be negative. */
  readonly place: number;
  readonly turn: StoredTurn;
  readonly messageId: string;
  readonly idempotencyKey: string | null;
}

/** Something said into the open turn that the agent has not read yet. */
export interface PendingSteer {
  readonly steerId: string;
  readonly turnId: string;
  readonly text: string;
  readonly actor: Actor;
  /** What it becomes if the turn ends before the agent reads it. */
  readonly nextTurnId: string;
  readonly nextMessageId: string;
  readonly nextPrice: Price | null;
}

/** What a key of a person stands for: the same request again gets the same answer. */
export interface Remembered {
  readonly userId: string;
  readonly key: string;
  /** The request but for its key and mark; another one under the same key is refused. */
  readonly fingerprint: string;
  /** The direct answer as JSON. */
  readonly answer: string;
}

/** A row of a session's database beside its events. */
export type Row =
  | {
      readonly kind: "turn_opened";
      readonly turn: StoredTurn;
      readonly idempotencyKey: string | null;
    }
  | { readonly kind: "turn_waits"; readonly waiting: WaitingTurn; readonly whenBusy: WhenBusy }
  | { readonly kind: "turn_waits_no_more"; readonly turnId: string }
  | { readonly kind: "turn_command"; readonly turnId: string; readonly commandId: string }
  | { readonly kind: "turn_stop"; readonly turnId: string; readonly actor: Actor }
  | { readonly kind: "turn_closed"; readonly turnId: string; readonly outcome: TurnOutcome }
  | { readonly kind: "turn_usage"; readonly turnId: string; readonly usage: Usage }
  /** The turn is paid for, or with `cost` null not to be: its reservation may be closed. */
  | {
      readonly kind: "turn_accounted";
      readonly turnId: string;
      readonly usage: Usage;
      readonly cost: number | null;
    }
  | { readonly kind: "steer_pends"; readonly steer: PendingSteer }
  | { readonly kind: "steer_pends_no_more"; readonly steerId: string }
  | { readonly kind: "answered"; readonly remembered: Remembered }
  | {
      readonly kind: "message";
      readonly messageId: string;
      readonly turnId: string | null;
      readonly role: "user" | "assistant";
      readonly text: string;
    }
  | {
      readonly kind: "approval_opened";
      readonly approvalId: string;
      readonly turnId: string | null;
      readonly commandId: string;
    }
  | { readonly kind: "approval_closed"; readonly approvalId: string; readonly decision: string };

/** One event as it is stored and as it is sent: `frame` is the exact text clients receive. */
export interface StoredEvent {
  readonly seq: number;
  readonly type: string;
  readonly turnId: string | null;
  readonly ts: number;
  readonly frame: string;
  /** Of a delta, the message it belongs to: it goes when that message is complete. */
  readonly deltaOf: string | null;
}

/** An event that waits in the journal, with what its commit said of the session. */
export interface JournaledEvent extends StoredEvent {
  readonly status: SessionStatus;
  readonly podiumEventId: number;
}

/** First and last `seq` of the deltas of a message that is not complete. */
export type DeltaRange = readonly [number, number];

/** Everything a session's database says that is not an event. */
export interface SessionSnapshot {
  readonly epoch: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly status: SessionStatus;
  readonly podiumEventId: number;
  readonly openTurn: StoredTurn | null;
  readonly waiting: readonly WaitingTurn[];
  readonly steers: readonly PendingSteer[];
  readonly pendingRequests: readonly string[];
  readonly deltas: readonly (readonly [messageId: string, range: DeltaRange])[];
  /** Where in the journal the newest event lies, if any of the session does. */
  readonly journalPlace?: number;
}

export interface Commit {
  readonly kind: "commit";
  readonly ofTenant: string;
  readonly sessionId: string;
  /** Dense, and starting right after the newest stored event; the writer refuses anything else (D1). */
  readonly events: readonly StoredEvent[];
  /** Messages that are complete with this commit: their deltas leave the log. */
  readonly compacted: readonly string[];
  readonly rows: readonly Row[];
  readonly status: SessionStatus;
  readonly podiumEventId: number;
  readonly nowMs: number;
}

export interface HistoryRow {
  readonly place: number;
  readonly messageId: string;
  readonly turnId: string | null;
  readonly role: "user" | "assistant";
  readonly text: string;
  readonly ts: number;
}
