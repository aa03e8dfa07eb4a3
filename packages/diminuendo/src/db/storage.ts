/**
 * Owns what the main thread may ask of the two SQLite workers. The writer answers a command only after its
 * transaction is committed; the reader answers from committed data.
 */
import type { TurnFate } from "../domain/ledger.ts";
import type { DeletedSession, Invitation, Member } from "../protocol/index.ts";
import type { Deletion } from "./deletion-table.ts";
import type { AutomationCommands, AutomationQueries, Placed } from "./stored-automations.ts";
import type {
  Balance,
  CloseReservation,
  HeldReservation,
  LedgerLine,
  Reserve,
  Reserved,
  SetSpendingLimit,
  Spending,
  TopUp,
} from "./stored-billing.ts";
import type {
  ChangeMembers,
  ClaimTenant,
  Created,
  CreateSession,
  ForgetSession,
  LabelSession,
  MemberChanged,
  RegistryRow,
  Removed,
  Standing,
  UpdateSession,
} from "./stored-registry.ts";
import type { Commit, HistoryRow, Remembered, SessionSnapshot } from "./stored-session.ts";

/** Commands of the writer, with what each answers. */
export interface WriterCommands extends AutomationCommands {
  /** Creates the database on first access; `epoch` is used only if it has none yet. */
  readonly open_session: [
    {
      readonly kind: "open_session";
      readonly ofTenant: string;
      readonly sessionId: string;
      readonly epoch: string;
    },
    SessionSnapshot,
  ];
  /** Where in the journal its newest event lies; null when it went to the session's own database. */
  readonly commit: [Commit, number | null];
  readonly create_session: [CreateSession, Created];
  readonly update_session: [UpdateSession, null];
  /** The row as it now is; null when there is no such session. */
  readonly label_session: [LabelSession, RegistryRow | null];
  /** From now on only what is written under the number answered counts for this tenant; each is higher than the last. */
  readonly claim_tenant: [ClaimTenant, number];
  /** Whether there was such a session. */
  readonly forget_session: [ForgetSession, boolean];
  readonly session_removed: [Removed, null];
  readonly change_members: [ChangeMembers, MemberChanged];
  readonly reserve: [Reserve, Reserved];
  /** False when there was nothing to close any more. */
  readonly close_reservation: [CloseReservation, boolean];
  readonly top_up: [TopUp, Balance];
  /** False when there are too many limits already. */
  readonly set_spending_limit: [SetSpendingLimit, boolean];
  /** Closes and deletes the session's directory; nothing of it is left when this is answered. */
  readonly drop_session: [{ readonly kind: "drop_session"; readonly sessionId: string }, null];
  /** Its directory is gone: the registry may forget it for good. */
  readonly session_dropped: [
    { readonly kind: "session_dropped"; readonly tenantId: string; readonly sessionId: string },
    null,
  ];
}

/** One database. */
export type DatabaseName =
  | { readonly shape: "registry"; readonly id: string }
  | { readonly shape: "session"; readonly id: string };

/** An entry of the log that a delegate keeps for a database: commands that happen together or not at all. */
export interface ApplyEntry {
  readonly kind: "apply";
  readonly of: DatabaseName;
  /** Right after the last one applied. */
  readonly position: number;
  readonly commands: readonly {
    readonly command: WriterCommand;
    readonly claim?: number | undefined;
  }[];
}
export type Applied =
  | { readonly kind: "applied"; readonly answers: readonly unknown[] }
  | { readonly kind: "refused"; readonly reason: string; readonly superseded: boolean };

/** What a store asks of the writer that keeps its databases elsewhere. */
export interface ReplicaCommands {
  readonly apply: [ApplyEntry, Applied];
  /** The last entry that the copy here has; 0 when there is none. */
  readonly position: [{ readonly kind: "position"; readonly of: DatabaseName }, number];
  /** The database as a file, compressed. */
  readonly export: [{ readonly kind: "export"; readonly of: DatabaseName }, Uint8Array];
  /** Replaces the database by such a file. */
  readonly import: [
    { readonly kind: "import"; readonly of: DatabaseName; readonly bytes: Uint8Array },
    null,
  ];
}
export type ReplicaCommand = ReplicaCommands[keyof ReplicaCommands][0];

export interface LeftOver {
  /** Sessions in another state than `inactive`. */
  readonly active: readonly { readonly tenantId: string; readonly row: RegistryRow }[];
  /** Sessions that were deleted, and whose directory may still be there. */
  readonly doomed: readonly { readonly tenantId: string; readonly sessionId: string }[];
  /** Sessions that were deleted, and of which Podium may still have something. */
  readonly unremoved: readonly { readonly tenantId: string; readonly sessionId: string }[];
  /** Reservations that nobody has closed. */
  readonly held: readonly HeldReservation[];
}

export interface EventsPage {
  readonly events: readonly { readonly seq: number; readonly frame: string }[];
  /** What completes a message is stored and not published yet, and has taken deltas that belong in this page. */
  readonly isThinned: boolean;
}

/** Queries of the reader, with what each answers. */
export interface ReaderQueries extends AutomationQueries {
  readonly get_session: [
    { readonly kind: "get_session"; readonly tenantId: string; readonly sessionId: string },
    RegistryRow | null,
  ];
  readonly list_sessions: [
    {
      readonly kind: "list_sessions";
      readonly tenantId: string;
      readonly includeArchived: boolean;
      /** Only sessions that come after this one in the order of the list. */
      readonly after: { readonly updatedAt: number; readonly sessionId: string } | null;
      readonly limit: number;
    },
    readonly RegistryRow[],
  ];
  /** What a process left, of one tenant or with null of every tenant. */
  readonly left_over: [{ readonly kind: "left_over"; readonly ofTenant: string | null }, LeftOver];
  /** What is to be removed at Podium of a deleted session; null when nothing is left to do. */
  readonly pending_removal: [
    { readonly kind: "pending_removal"; readonly tenantId: string; readonly sessionId: string },
    Deletion | null,
  ];
  readonly deleted_sessions: [
    {
      readonly kind: "deleted_sessions";
      readonly tenantId: string;
      readonly beforePlace: number | null;
      readonly limit: number;
    },
    readonly Placed<DeletedSession>[],
  ];
  /** Events with `afterSeq` < seq ≤ `throughSeq`: at least one, then until `limit` or `bytesMax` is reached. */
  readonly events: [
    {
      readonly kind: "events";
      readonly tenantId: string;
      readonly sessionId: string;
      readonly afterSeq: number;
      readonly throughSeq: number;
      /** `seq` of the newest event that readers were told, where it matters whether a page `isThinned`. */
      readonly publishedSeq?: number;
      /** `newest`: of more events than fit the last ones are answered, in ascending order all the same. */
      readonly from: "oldest" | "newest";
      readonly limit: number;
      readonly bytesMax: number;
      /** Where in the journal the session's newest event lies, if any does: whoever asks need not say. */
      readonly journalPlace?: number | undefined;
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
    { readonly turnId: string; readonly text: string; readonly waits: boolean } | null,
  ];
  /** The command that asked a person this in this session; null if none did. */
  readonly asking_command: [
    { readonly kind: "asking_command"; readonly sessionId: string; readonly requestId: string },
    string | null,
  ];
  /** The newest messages before `beforePlace` (null: of all), oldest first. */
  readonly history: [
    {
      readonly kind: "history";
      readonly sessionId: string;
      readonly beforePlace: number | null;
      readonly limit: number;
    },
    readonly HistoryRow[],
  ];
  /** What a key stands for in a session, or with `sessionId` null in the tenant. */
  readonly remembered: [
    {
      readonly kind: "remembered";
      readonly tenantId: string;
      readonly sessionId: string | null;
      readonly userId: string;
      readonly key: string;
    },
    Remembered | null,
  ];
  readonly balance: [{ readonly kind: "balance"; readonly tenantId: string }, Balance];
  readonly spending: [
    {
      readonly kind: "spending";
      readonly tenantId: string;
      readonly userId: string;
      readonly nowMs: number;
    },
    Spending,
  ];
  readonly ledger: [
    {
      readonly kind: "ledger";
      readonly tenantId: string;
      readonly beforePlace: number | null;
      readonly limit: number;
    },
    readonly LedgerLine[],
  ];
  /** What became of a turn; `unknown` too when the session is no more. */
  readonly turn_fate: [
    { readonly kind: "turn_fate"; readonly sessionId: string; readonly turnId: string },
    TurnFate,
  ];
  readonly standing: [
    { readonly kind: "standing"; readonly tenantId: string; readonly userId: string },
    Standing,
  ];
  /** The reader lets go of a database's file, so that it can be replaced. */
  readonly let_go: [{ readonly kind: "let_go"; readonly of: DatabaseName }, null];
  /** The reader lets go of the session's file, so that it can be deleted. */
  readonly drop_session: [{ readonly kind: "drop_session"; readonly sessionId: string }, null];
  readonly people: [
    { readonly kind: "people"; readonly tenantId: string; readonly nowMs: number },
    { readonly members: readonly Member[]; readonly invitations: readonly Invitation[] },
  ];
}

export type WriterCommand = WriterCommands[keyof WriterCommands][0];
export type ReaderQuery = ReaderQueries[keyof ReaderQueries][0];

/** Sessions that the writer moved out of the journal of its own accord. */
export interface Moved {
  readonly moved: readonly string[];
}

/** One question to a worker. */
export interface Ask<Q> {
  readonly id: number;
  readonly ask: Q | { readonly kind: "flush" } | { readonly kind: "stop" };
  /** The claim to write under, where several gateways share the databases. */
  readonly claim?: number | undefined;
}
/** Its answer; `error` is for our log, never for a client. */
export type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | {
      readonly id: number;
      readonly ok: false;
      readonly error: string;
      /** Another gateway writes for this tenant now; nothing was written. */
      readonly superseded?: boolean;
    };
