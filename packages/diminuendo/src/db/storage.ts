/**
 * Owns what the main thread may ask of the two SQLite workers, as plain data that crosses a thread. The
 * writer answers a command only after its transaction is committed; the reader answers from committed data.
 */
import type { Actor } from "@concert/service-kit/identity";
import type { SessionStatus } from "../protocol/index.ts";

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
}
export type TurnOutcome = "succeeded" | "cancelled" | "failed";

/** A row of a session's database beside its events. */
export type Row =
  | {
      readonly kind: "turn_opened";
      readonly turn: StoredTurn;
      readonly idempotencyKey: string | null;
    }
  | { readonly kind: "turn_command"; readonly turnId: string; readonly commandId: string }
  | { readonly kind: "turn_stop"; readonly turnId: string; readonly actor: Actor }
  | { readonly kind: "turn_closed"; readonly turnId: string; readonly outcome: TurnOutcome }
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
}

/** A session as the tenant's registry knows it; status and lastSeq follow the session's own database. */
export interface RegistryRow {
  readonly sessionId: string;
  readonly name: string;
  readonly agentType: string;
  readonly status: SessionStatus;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly archived: boolean;
  readonly lastSeq: number;
}

/** Everything a session's database says that is not an event. */
export interface SessionSnapshot {
  readonly epoch: string;
  readonly lastSeq: number;
  readonly status: SessionStatus;
  readonly podiumEventId: number;
  readonly openTurn: StoredTurn | null;
  readonly pendingApprovals: readonly string[];
}

export interface Commit {
  readonly kind: "commit";
  readonly sessionId: string;
  /** Dense, and starting right after the newest stored event; the writer refuses anything else (D1). */
  readonly events: readonly StoredEvent[];
  readonly rows: readonly Row[];
  readonly status: SessionStatus;
  readonly podiumEventId: number;
  readonly nowMs: number;
}

export interface CreateSession {
  readonly kind: "create_session";
  readonly tenantId: string;
  readonly row: RegistryRow;
  readonly userId: string;
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | null;
}
export type Created =
  | { readonly kind: "created" }
  | { readonly kind: "repeated"; readonly sessionId: string }
  | { readonly kind: "conflict" };

export interface UpdateSession {
  readonly kind: "update_session";
  readonly tenantId: string;
  readonly sessionId: string;
  readonly status: SessionStatus;
  readonly lastSeq: number;
  readonly updatedAt: number;
}

/** Commands of the writer, with what each answers. */
export interface WriterCommands {
  /** Creates the database on first access; `epoch` is used only if it has none yet. */
  readonly open_session: [
    { readonly kind: "open_session"; readonly sessionId: string; readonly epoch: string },
    SessionSnapshot,
  ];
  readonly commit: [Commit, null];
  readonly create_session: [CreateSession, Created];
  readonly update_session: [UpdateSession, null];
}

export interface EventsPage {
  readonly events: readonly { readonly seq: number; readonly frame: string }[];
}

/** Queries of the reader, with what each answers. */
export interface ReaderQueries {
  readonly get_session: [
    { readonly kind: "get_session"; readonly tenantId: string; readonly sessionId: string },
    RegistryRow | null,
  ];
  readonly list_sessions: [
    {
      readonly kind: "list_sessions";
      readonly tenantId: string;
      readonly includeArchived: boolean;
      readonly limit: number;
    },
    readonly RegistryRow[],
  ];
  /** Sessions of every tenant that a process left in another state than `inactive`. */
  readonly active_sessions: [
    { readonly kind: "active_sessions" },
    readonly { readonly tenantId: string; readonly row: RegistryRow }[],
  ];
  /** Events with `afterSeq` < seq ≤ `throughSeq`: at least one, then until `limit` or `bytesMax` is reached. */
  readonly events: [
    {
      readonly kind: "events";
      readonly sessionId: string;
      readonly afterSeq: number;
      readonly throughSeq: number;
      readonly limit: number;
      readonly bytesMax: number;
    },
    EventsPage,
  ];
  readonly turn_by_key: [
    {
      readonly kind: "turn_by_key";
      readonly sessionId: string;
      readonly userId: string;
      readonly idempotencyKey: string;
    },
    { readonly turnId: string; readonly text: string } | null,
  ];
  readonly has_approval: [
    { readonly kind: "has_approval"; readonly sessionId: string; readonly approvalId: string },
    boolean,
  ];
}

export type WriterCommand = WriterCommands[keyof WriterCommands][0];
export type ReaderQuery = ReaderQueries[keyof ReaderQueries][0];

/** One question to a worker. */
export interface Ask<Q> {
  readonly id: number;
  readonly ask: Q | { readonly kind: "flush" } | { readonly kind: "stop" };
}
/** Its answer; `error` is for our log, never for a client. */
export type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string };
