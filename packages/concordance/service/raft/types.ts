/**
 * Owns the vocabulary of the Raft rooms: entries, messages, state, and `Ready`, the contract between the
 * pure core and the disk. Refuses to own: what a payload means (service/fsm.ts).
 * Source: Raft (Ongaro, Ousterhout), figure 2; thesis §3.10, §4, §6.4, §9.6, §10.2.1.
 */
import type { LogShape } from "./log-shape.ts";
import type { Membership, MembershipAt } from "./membership.ts";

export type NodeId = string & { readonly brand: "NodeId" };
export const nodeId = (text: string): NodeId => text as NodeId;

/** Compiled in, so that no two members of one cluster can disagree. */
export const TIMING = {
  electionTimeoutMinMs: 150,
  electionTimeoutMaxMs: 300,
  heartbeatIntervalMs: 50,
  /** How long followers may not know of a commit when no other message tells them. */
  announceAfterMs: 1,
  /** After the leader's socket closed: long enough for two followers not to stand at once. */
  suspicionMs: 20,
  proposalTimeoutMs: 5_000,
  /** Several elections: who knows no leader by then is on the wrong side of something. */
  outOfTouchMs: 1_000,
} as const;
/** Entries in one AppendEntries message; bytes bound it further where it is sent (driver.ts). */
export const APPEND_ENTRIES_MAX = 1_000;

/** All that the core may know of the world, read by its caller once an event. */
export interface Moment {
  /** Never runs back; drives timers only. */
  readonly monotonicMs: number;
  /** Epoch milliseconds; stamped into entries by a leader, and nothing else. */
  readonly wallMs: number;
  /** In [0, 1). */
  readonly random: number;
}

export interface LogEntry {
  readonly index: number;
  readonly term: number;
  /** A no-op opens each term (§8), so that a new leader learns its commit index. */
  readonly kind: "noop" | "command" | "config";
  /** Replicated time, epoch milliseconds: never smaller than in the entry before. */
  readonly timeMs: number;
  readonly payload: string;
}

/** What must survive a crash beside the log. `commitIndex` may be old; it is never ahead. */
export interface HardState {
  readonly term: number;
  readonly votedFor: NodeId | null;
  readonly commitIndex: number;
}

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: number;
}
export interface VoteRequest extends Envelope {
  readonly type: "vote_request";
  /** Only asks whether a vote would be given; `term` is then the one after the sender's (§9.6). */
  readonly preVote: boolean;
  /** The leader itself asked for this election, so hearing that leader is no reason to refuse. */
  readonly transfer: boolean;
  readonly lastIndex: number;
  readonly lastTerm: number;
}
export interface VoteReply extends Envelope {
  readonly type: "vote_reply";
  readonly preVote: boolean;
  readonly granted: boolean;
}
/** An AppendEntries header. The core never holds payloads, so whoever sends it adds `entries`. */
export interface AppendHeader extends Envelope {
  readonly type: "append_request";
  /** Counts what a leader sent in its term; the reply repeats it (flow control, ReadIndex). */
  readonly round: number;
  readonly prevIndex: number;
  readonly prevTerm: number;
  /** Entries `prevIndex + 1 … throughIndex` may be in the message; equal to `prevIndex` for a heartbeat. */
  readonly throughIndex: number;
  readonly commitIndex: number;
}
export interface AppendRequest extends AppendHeader {
  readonly entries: readonly LogEntry[];
}
export interface AppendReply extends Envelope {
  readonly type: "append_reply";
  readonly round: number;
  readonly success: boolean;
  /** On success: previous index + entries received. Otherwise 0. */
  readonly matchIndex: number;
  /** On refusal: where the leader should try next. Otherwise 0. */
  readonly hintIndex: number;
}
/** A state that stands for all entries up to `index`. Where its bytes are is the transport's matter. */
export interface SnapshotFacts {
  readonly index: number;
  readonly lastTerm: number;
  readonly timeMs: number;
  readonly membership: Membership;
}
/** The follower needs what was compacted; whoever sends it adds a snapshot. */
export interface SnapshotHeader extends Envelope {
  readonly type: "snapshot_offer";
  readonly round: number;
}
/** Reaches the core once the bytes are on this member's disk, verified. */
export interface SnapshotOffer extends SnapshotHeader {
  readonly snapshot: SnapshotFacts;
}
/** Stand for election now: the leader steps aside (§3.10). */
export interface TimeoutNow extends Envelope {
  readonly type: "timeout_now";
}
export type Incoming =
  | VoteRequest
  | VoteReply
  | AppendRequest
  | AppendReply
  | SnapshotOffer
  | TimeoutNow;
export type Outgoing =
  | VoteRequest
  | VoteReply
  | AppendHeader
  | AppendReply
  | SnapshotHeader
  | TimeoutNow;

/** What the leader believes of one follower. */
export interface Progress {
  readonly matchIndex: number;
  readonly nextIndex: number;
  /** Round of the one message with entries that is unanswered, or 0: bytes in flight are bounded by it. */
  readonly inFlight: number;
  /** After a refusal only empty messages are sent, until one matches (pitfall 17). */
  readonly probing: boolean;
  readonly ackedRound: number;
  readonly heardMs: number;
}
export interface LeaderRole {
  readonly kind: "leader";
  readonly peers: ReadonlyMap<NodeId, Progress>;
  readonly heartbeatDueMs: number;
  /** When followers are told of a commit that no message has told them; Infinity when there is none. */
  readonly announceDueMs: number;
  /** Index of this term's no-op: reads wait until it is applied (pitfall 30). */
  readonly termStartIndex: number;
  readonly round: number;
  /** Nothing is proposed while leadership is being handed over. */
  readonly transfer: { readonly to: NodeId; readonly untilMs: number } | null;
}
export type Role =
  | { readonly kind: "follower" }
  | {
      readonly kind: "candidate";
      readonly preVote: boolean;
      readonly granted: ReadonlySet<NodeId>;
    }
  | LeaderRole;

export interface RaftState {
  readonly nodeId: NodeId;
  /** Oldest first, never empty; the last one is in force. The first is the base's. */
  readonly memberships: readonly MembershipAt[];
  readonly term: number;
  readonly votedFor: NodeId | null;
  readonly log: LogShape;
  /** Stamp of the last entry, so that replicated time never runs back (pitfall 32). */
  readonly lastTimeMs: number;
  /** The prefix this node has fsynced: its own voice in the commit count (pitfall 2). */
  readonly durableIndex: number;
  readonly commitIndex: number;
  readonly leaderId: NodeId | null;
  /** When the leader was last heard. */
  readonly heardMs: number;
  readonly electionDueMs: number;
  readonly role: Role;
}

/** What to do now, in this order: 1 persist, 2 send, 3 apply. Nothing of 2 or 3 may overtake 1. */
export interface Ready {
  /** 1. In one transaction with `append`; null = unchanged. */
  readonly hardState: HardState | null;
  /** 1. Replaces the log from `append[0].index` on. */
  readonly append: readonly LogEntry[];
  /** 1. Replaces the state and everything up to its index; the rest of the log is kept if `keepLog`. */
  readonly install: { readonly snapshot: SnapshotFacts; readonly keepLog: boolean } | null;
  /** 2. Appends of a leader whose term is on disk may go before 1 (§10.2.1); nothing else may. */
  readonly messages: readonly Outgoing[];
  /** 3. Apply everything up to here; null = nothing new. */
  readonly committedThrough: number | null;
}

export interface Step {
  readonly state: RaftState;
  readonly ready: Ready;
}

/** What a room decided; node.ts completes it to a `Ready`. */
export interface Draft {
  readonly state: RaftState;
  readonly append?: readonly LogEntry[];
  readonly install?: Ready["install"];
  readonly messages?: readonly Outgoing[];
}
