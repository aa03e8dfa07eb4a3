/**
 * Owns when a leader may answer a read as if alone in the world: ReadIndex. A round of messages sent after
 * the request must be answered by a majority, and the commit index noted before it must be applied.
 * Pure. Raft thesis §6.4; pitfall 30: rounds are never reused, and end with the term.
 */
import { currentVoters } from "./membership.ts";
import { quorumIndex } from "./quorum.ts";
import { replicate } from "./replication.ts";
import type { Outgoing, RaftState } from "./types.ts";

/** Kept by whoever asked, and shown again until it is confirmed or lost. */
export interface ReadTicket {
  readonly term: number;
  readonly round: number;
  /** The state must have applied this much. */
  readonly index: number;
}
export type ReadVerdict = "confirmed" | "waiting" | "lost";

/** Starts a round for all reads that wait now. Null when this member does not lead. */
export function askRead(state: RaftState): {
  readonly state: RaftState;
  readonly messages: readonly Outgoing[];
  readonly ticket: ReadTicket;
} | null {
  if (state.role.kind !== "leader") return null;
  // Before the term's own no-op is committed, this member does not know what is.
  const index = Math.max(state.commitIndex, state.role.termStartIndex);
  const sent = replicate(state, true);
  return { ...sent, ticket: { term: state.term, round: state.role.round + 1, index } };
}

export function judgeRead(state: RaftState, ticket: ReadTicket, appliedIndex: number): ReadVerdict {
  if (state.role.kind !== "leader" || state.term !== ticket.term) return "lost";
  const { peers, round } = state.role;
  const acked = currentVoters(state).map((voter) =>
    voter === state.nodeId ? round : (peers.get(voter)?.ackedRound ?? 0),
  );
  const heard = quorumIndex(acked) >= ticket.round;
  return heard && appliedIndex >= ticket.index ? "confirmed" : "waiting";
}
