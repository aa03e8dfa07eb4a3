/**
 * Owns who leads: timers, pre-votes, candidacy, votes, stepping down, and a leader's first entry. Pure.
 * Raft §5.2, §5.4.1, §8; thesis §3.10 (transfer), §6.2 (check-quorum), §9.6 (pre-vote, stickiness).
 */
import { assert } from "./assert.ts";
import { lastTerm } from "./log-shape.ts";
import { currentVoters, inForce, isMajorityAlone, mayStand } from "./membership.ts";
import { majority } from "./quorum.ts";
import { appendOwn, freshProgress, replicate } from "./replication.ts";
import {
  type Draft,
  type LeaderRole,
  type Moment,
  type NodeId,
  type RaftState,
  TIMING,
  type VoteReply,
  type VoteRequest,
} from "./types.ts";

/** When the next election may start; drawn anew each time so that rivals part ways. */
export function electionDueMs(moment: Moment): number {
  const { electionTimeoutMinMs, electionTimeoutMaxMs } = TIMING;
  const spreadMs = electionTimeoutMaxMs - electionTimeoutMinMs;
  return moment.monotonicMs + electionTimeoutMinMs + moment.random * spreadMs;
}

/** A newer term was seen: whatever this node was, it follows now (§5.1). */
export function followNewTerm(state: RaftState, term: number, moment: Moment): RaftState {
  assert(term > state.term, "a term never runs back");
  return { ...stepDown(state, moment), term, votedFor: null };
}

/** Stops leading or standing, in the same term. A deposed leader gives others a chance first. */
export function stepDown(state: RaftState, moment: Moment): RaftState {
  const led = state.role.kind === "leader";
  const gone: RaftState = { ...state, leaderId: null, role: { kind: "follower" } };
  if (!led) return gone;
  return { ...gone, electionDueMs: electionDueMs(moment), heardMs: moment.monotonicMs };
}

/**
 * Whether this member has been without a leader for so long that those who watch here should look
 * elsewhere: it may be cut off, or removed without having heard of it (pitfall 12).
 */
export function isOutOfTouch(state: RaftState, moment: Moment): boolean {
  return state.leaderId === null && moment.monotonicMs - state.heardMs > TIMING.outOfTouchMs;
}

/** A current leader spoke: follow it, and give it time (one of three timer resets, pitfall 9). */
export function hearLeader(state: RaftState, leaderId: NodeId, moment: Moment): RaftState {
  assert(state.role.kind !== "leader", "C2: two leaders in one term");
  const heard = { leaderId, heardMs: moment.monotonicMs, electionDueMs: electionDueMs(moment) };
  return { ...state, ...heard, role: { kind: "follower" } };
}

/** The leader's socket closed. A hint: this node asks around at once, and a quorum still decides. */
export function suspectLeader(state: RaftState, peer: NodeId, moment: Moment): RaftState {
  if (state.role.kind !== "follower" || state.leaderId !== peer) return state;
  const due = moment.monotonicMs + moment.random * TIMING.suspicionMs;
  return { ...state, leaderId: null, electionDueMs: Math.min(due, state.electionDueMs) };
}

/** The election timer ran out. A sole voter wins within the same step; others ask before they stand. */
export function standForElection(state: RaftState, moment: Moment): Draft {
  const electionDue = electionDueMs(moment);
  if (!mayStand(state)) {
    return { state: { ...state, leaderId: null, electionDueMs: electionDue } };
  }
  if (isMajorityAlone(state)) return campaign(state, moment, false);
  const granted = new Set([state.nodeId]);
  const asking: RaftState = {
    ...state,
    leaderId: null,
    electionDueMs: electionDue,
    role: { kind: "candidate", preVote: true, granted },
  };
  return { state: asking, messages: voteRequests(asking, true, false) };
}

/** Starts a real election with this node's own vote. */
export function campaign(state: RaftState, moment: Moment, transfer: boolean): Draft {
  const candidate: RaftState = {
    ...state,
    term: state.term + 1,
    votedFor: state.nodeId,
    leaderId: null,
    electionDueMs: electionDueMs(moment),
    role: { kind: "candidate", preVote: false, granted: new Set([state.nodeId]) },
  };
  // Safe before the vote is on disk: Ready persists it together with the no-op, ahead of any effect.
  if (isMajorityAlone(state)) return becomeLeader(candidate, moment);
  return { state: candidate, messages: voteRequests(candidate, false, transfer) };
}

/**
 * Whether an election would only disturb: this node leads, or heard the leader within the shortest
 * timeout. The leader itself may always ask, or a live majority could be left with nobody (pitfall 11).
 */
export function isDisturbance(state: RaftState, request: VoteRequest, moment: Moment): boolean {
  if (request.transfer || state.leaderId === request.from) return false;
  if (state.role.kind === "leader") return request.term > state.term;
  const recentMs = moment.monotonicMs - state.heardMs;
  return state.leaderId !== null && recentMs < TIMING.electionTimeoutMinMs;
}

/** Grants at most one vote a term, and only to a log at least as complete (§5.4.1: term, then index). */
export function stepVoteRequest(state: RaftState, request: VoteRequest, moment: Moment): Draft {
  const ownTerm = lastTerm(state.log);
  const upToDate =
    request.lastTerm > ownTerm ||
    (request.lastTerm === ownTerm && request.lastIndex >= state.log.lastIndex);
  if (request.preVote) return answerPreVote(state, request, upToDate);
  const free = state.votedFor === null || state.votedFor === request.from;
  const granted = request.term === state.term && free && upToDate;
  const { nodeId: from, term } = state;
  const facts = { from, to: request.from, term, preVote: false, granted };
  const messages = [{ type: "vote_reply" as const, ...facts }];
  if (!granted) return { state, messages };
  const voted = { ...state, votedFor: request.from, electionDueMs: electionDueMs(moment) };
  return { state: voted, messages };
}

/** Counts a vote: a set, so that a duplicated reply is one vote (pitfall 14). */
export function stepVoteReply(state: RaftState, reply: VoteReply, moment: Moment): Draft {
  const { role } = state;
  if (role.kind !== "candidate" || role.preVote !== reply.preVote || !reply.granted) {
    return { state };
  }
  // A yes to a pre-vote names the term it was asked about.
  if (reply.term !== state.term + (role.preVote ? 1 : 0)) return { state };
  const granted = new Set(role.granted).add(reply.from);
  const voters = currentVoters(state);
  const votes = voters.filter((voter) => granted.has(voter)).length;
  if (votes < majority(voters.length)) return { state: { ...state, role: { ...role, granted } } };
  return role.preVote ? campaign(state, moment, false) : becomeLeader(state, moment);
}

/** A leader that a majority has not answered for a whole election timeout leads nobody (pitfall 12). */
export function hasLostQuorum(state: RaftState, role: LeaderRole, moment: Moment): boolean {
  const since = moment.monotonicMs - TIMING.electionTimeoutMaxMs;
  const voters = currentVoters(state);
  const heard = voters.filter(
    (voter) => voter === state.nodeId || (role.peers.get(voter)?.heardMs ?? -Infinity) >= since,
  );
  return heard.length < majority(voters.length);
}

function answerPreVote(state: RaftState, request: VoteRequest, upToDate: boolean): Draft {
  const granted = request.term > state.term && upToDate;
  // A no carries this node's term, so that one that fell behind learns it.
  const term = granted ? request.term : state.term;
  const facts = { from: state.nodeId, to: request.from, term, preVote: true, granted };
  return { state, messages: [{ type: "vote_reply", ...facts }] };
}

function voteRequests(state: RaftState, preVote: boolean, transfer: boolean) {
  const { nodeId: from, log } = state;
  const term = preVote ? state.term + 1 : state.term;
  const voters = currentVoters(state).filter((voter) => voter !== from);
  const last = { lastIndex: log.lastIndex, lastTerm: lastTerm(log) };
  return voters.map((to) => ({
    type: "vote_request" as const,
    from,
    to,
    term,
    preVote,
    transfer,
    ...last,
  }));
}

function becomeLeader(state: RaftState, moment: Moment): Draft {
  assert(mayStand(state), "only a voter leads, or one that is being removed");
  const others = inForce(state.memberships).members.filter(({ nodeId: id }) => id !== state.nodeId);
  const fresh = freshProgress(state.log.lastIndex + 1, moment);
  const leader: RaftState = {
    ...state,
    leaderId: state.nodeId,
    role: {
      kind: "leader",
      peers: new Map(others.map(({ nodeId: id }) => [id, fresh])),
      heartbeatDueMs: moment.monotonicMs + TIMING.heartbeatIntervalMs,
      announceDueMs: Infinity,
      termStartIndex: state.log.lastIndex + 1,
      round: 0,
      transfer: null,
    },
  };
  const opened = appendOwn(leader, [{ kind: "noop", payload: "" }], moment);
  return { ...opened, ...replicate(opened.state, true) };
}
