/**
 * Owns the wire vocabulary: refusal codes with their HTTP status and JSON-RPC number, method names, result
 * shapes, close codes. Codes are stable; messages are for people.
 */
import type { ChangeEvent, KvEntry, OperationResult } from "./types.ts";

/** Every refusal a caller can meet, on either interface. */
export const REFUSALS = {
  invalid_json: { status: 400, rpc: -32700 },
  invalid_rpc: { status: 400, rpc: -32600 },
  unknown_method: { status: 404, rpc: -32601 },
  invalid_request: { status: 400, rpc: -32602 },
  unauthorized: { status: 401, rpc: -32003 },
  read_only: { status: 403, rpc: -32005 },
  /** The key of a tenant reaches one namespace, and this is another. */
  out_of_scope: { status: 403, rpc: -32005 },
  not_found: { status: 404, rpc: -32004 },
  route_not_found: { status: 404, rpc: -32601 },
  method_not_allowed: { status: 405, rpc: -32601 },
  cas_conflict: { status: 409, rpc: -32002 },
  /** The request id already stands for another write. */
  request_reused: { status: 409, rpc: -32010 },
  /** A membership change that is impossible as asked. */
  change_refused: { status: 409, rpc: -32602 },
  /** The history asked for is gone, or never was: list again, then watch from the list's revision. */
  compacted: { status: 410, rpc: -32007 },
  request_too_large: { status: 413, rpc: -32602 },
  value_too_large: { status: 413, rpc: -32602 },
  /** The tenant holds all it may; what shrinks or deletes is always taken. */
  quota_exceeded: { status: 507, rpc: -32011 },
  /** No encryption key, or not the one that a stored value was sealed under. */
  credentials_unavailable: { status: 501, rpc: -32006 },
  /** Membership, over an engine that has none. */
  no_cluster: { status: 501, rpc: -32601 },
  /** Nothing was done here: `details.leader` takes writes and linearizable reads. */
  not_leader: { status: 307, rpc: -32001 },
  /** Written or not: only a retry under the same request id can tell. */
  outcome_unknown: { status: 504, rpc: -32009 },
  /** This member has not yet seen what the reader has. */
  behind: { status: 503, rpc: -32008 },
  /** Nothing was written; try again shortly. */
  no_leader: { status: 503, rpc: -32001 },
  /** Unison: the server that keeps the data does not serve just now. */
  store_unreachable: { status: 503, rpc: -32008 },
  overloaded: { status: 503, rpc: -32008 },
  stopping: { status: 503, rpc: -32008 },
  internal_error: { status: 500, rpc: -32603 },
} as const satisfies Readonly<Record<string, { status: number; rpc: number }>>;
export type RefusalCode = keyof typeof REFUSALS;

/** The body of every HTTP refusal; `error.data` of a JSON-RPC error carries the same `code`. */
export interface ErrorBody {
  readonly error: {
    readonly code: RefusalCode;
    readonly message: string;
    readonly trace_id: string;
    readonly details?: unknown;
  };
}

export interface SetResult extends KvEntry {
  readonly ok: true;
}
export interface DeleteResult {
  readonly ok: true;
  readonly namespace: string;
  readonly key: string;
  readonly version: number;
  readonly revision: number;
}
export interface BatchResult {
  readonly ok: true;
  readonly revision: number;
  readonly results: readonly OperationResult[];
}
/** `revision` is the one the page is valid at; `nextCursor` is absent on the last page. */
export interface ListResult {
  readonly items: readonly KvEntry[];
  readonly revision: number;
  readonly nextCursor?: string;
}
/** Pass `nextSince` as the next `since`; it equals `revision` when nothing is left. */
export interface ChangesResult {
  readonly items: readonly ChangeEvent[];
  readonly revision: number;
  readonly nextSince: number;
  readonly clusterId: string;
}
export interface SubscribeResult {
  readonly namespace: string;
  /** With `initial: true`: what is there at `fromRevision`. */
  readonly items?: readonly KvEntry[];
  /** Changes with a greater revision follow. */
  readonly fromRevision: number;
  readonly clusterId: string;
}
/** An access key that reaches one namespace and what lies beneath it. Its token is not kept. */
export interface TenantKeyInfo {
  readonly id: string;
  readonly namespace: string;
  readonly access: "read_write" | "read_only";
  readonly label: string;
  readonly createdBy: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly expiresAt: number | null;
}
/** `key` is the token to send as bearer; it is told once. */
export interface KeyMade extends TenantKeyInfo {
  readonly ok: true;
  readonly key: string;
}
/** Counts are of values held by this member that are sealed under another key than `keyId`. */
export interface EncryptionStatus {
  /** The key that seals now; null when this member has none. */
  readonly keyId: string | null;
  readonly otherwiseSealed: { readonly entries: number; readonly changes: number };
}
export interface RotationResult {
  readonly ok: true;
  readonly keyId: string;
  readonly resealed: { readonly entries: number; readonly changes: number };
}
/** The first line of a backup, with what its last adds; between them the state, an SQLite file of `bytes` bytes. */
export interface BackupFacts {
  readonly format: string;
  /** Of the cluster it was made in; a restored one has another id. */
  readonly clusterId: string;
  readonly nodeId: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly appliedIndex: number;
  readonly revision: number;
  /** Replicated time of the state, epoch milliseconds. */
  readonly timeMs: number;
  readonly bytes: number;
  /** Of the state, in hexadecimal; alone in the last line. */
  readonly sha256: string;
}
/** What keeps the process from serving everything, e.g. `leader`; empty when nothing does. */
export interface PingResult {
  readonly missing: readonly string[];
}
export interface ClusterStatus {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly role: "leader" | "follower" | "candidate" | "learner";
  readonly term: number;
  readonly leaderId: string | null;
  readonly leaderAddress: string | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly members: readonly ClusterMember[];
  /** Names that were removed and cannot be used again. */
  readonly removed: readonly string[];
}
export interface ClusterMember {
  readonly nodeId: string;
  readonly address: string | null;
  readonly voter: boolean;
  readonly role: "voter" | "learner";
  /** What the leader knows its log to hold; only the leader's answer has it. */
  readonly matchIndex?: number;
}
export interface JoinRequest {
  readonly nodeId: string;
  readonly address: string;
  readonly incarnation: string;
}

export type RpcId = string | number;
export interface RpcRequest {
  readonly jsonrpc: "2.0";
  readonly id: RpcId;
  readonly method: string;
  readonly params?: unknown;
}
/** `data.leader` on -32001, `data.revision` and `data.compactedThrough` on -32007. */
export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data: { readonly code: RefusalCode; readonly [name: string]: unknown };
}

/** Close codes of `/stream`; below 4500 reconnect and resume, from 4500 on mend the client first. */
export const CLOSE = {
  goingAway: 1001,
  /** What keeps the data cannot be read just now: resume shortly. */
  tryAgain: 1013,
  tooBig: 1009,
  /** The reason ends in `fromRevision=<n>`: resume there. */
  slowWatcher: 4008,
  /** The history behind the cursor was compacted while catching up: list again. */
  compacted: 4009,
  binaryFrame: 4500,
  /** The key the socket was opened with was revoked, or its time is over. */
  keyRevoked: 4501,
} as const;
