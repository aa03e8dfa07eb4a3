/**
 * Owns the order of events at one Raft member: each function takes a state and an event, and returns the
 * next state with a `Ready` (persist, send, apply). Pure: no clock, no randomness, no I/O.
 * Refuses to own: the rules of election, replication, reads (their own rooms), and doing any of it (driver.ts).
 */
import { assert } from "./assert.ts";
import {
  campaign,
  electionDueMs,
  followNewTerm,
  hasLostQuorum,
  hearLeader,
  isDisturbance,
  standForElection,
  stepDown,
  stepVoteReply,
  stepVoteRequest,
} from "./election.ts";
import { compacted, type LogShape, termAt } from "./log-shape.ts";
import {
  type Change,
  type ChangeProblem,
  changed,
  currentVoters,
  encodeMembership,
  inForce,
  isMajorityAlone,
  type MembershipAt,
  memberOf,
  membershipAt,
} from "./membership.ts";
import { askRead, type ReadTicket } from "./reads.ts";
import {
  advanceCommit,
  appendOwn,
  replicate,
  stepAppendReply,
  stepAppendRequest,
  stepSnapshotOffer,
  withCurrentPeers,
} from "./replication.ts";
import {
  type AppendRequest,
  type Draft,
  type HardState,
  type Incoming,
  type LeaderRole,
  type Moment,
  type NodeId,
  type Outgoing,
  type RaftState,
  type Ready,
  type SnapshotOffer,
  type Step,
  TIMING,
  type TimeoutNow,
} from "./types.ts";

/** What the disk gave back. */
export interface Restored {
  readonly hardState: HardState;
  readonly log: LogShape;
  readonly lastTimeMs: number;
  readonly memberships: readonly MembershipAt[];
}
export type ChangeRefusal = ChangeProblem | "not_leader" | "busy" | "not_caught_up";

/** A learner may lag this much behind the commit index and still become a voter (pitfall 27). */
const CAUGHT_UP_ENTRIES = 50;

/**
 * A member after a restart. What was applied was committed, even where the hard state is not as far: it is
 * written only along with something else. A sole voter may campaign at once: there is nobody to disturb.
 */
export function restart(
  nodeId: NodeId,
  restored: Restored,
  appliedIndex: number,
  moment: Moment,
): RaftState {
  const { hardState, log, lastTimeMs, memberships } = restored;
  const commitIndex = Math.max(hardState.commitIndex, log.baseIndex, appliedIndex);
  assert(commitIndex <= log.lastIndex, "the log holds all that was committed");
  const alone = isMajorityAlone({ nodeId, memberships });
  return {
    nodeId,
    memberships,
    term: hardState.term,
    votedFor: hardState.votedFor,
    log,
    lastTimeMs,
    durableIndex: log.lastIndex,
    commitIndex,
    leaderId: null,
    heardMs: moment.monotonicMs,
    electionDueMs: alone ? moment.monotonicMs : electionDueMs(moment),
    role: { kind: "follower" },
  };
}

/** Time passed: heartbeats and the quorum check are due at a leader, an election at anyone else. */
export function tick(state: RaftState, moment: Moment): Step {
  const { role } = state;
  if (role.kind === "leader") return concluded(state, tickLeader(state, role, moment), moment);
  const due = moment.monotonicMs >= state.electionDueMs;
  return concluded(state, due ? standForElection(state, moment) : { state }, moment);
}

/** A message arrived. Terms are settled here, so the rooms only ever see their own term. */
export function step(before: RaftState, message: Incoming, moment: Moment): Step {
  assert(message.to === before.nodeId, "messages are delivered to the member they name");
  if (message.type === "vote_request" && isDisturbance(before, message, moment)) {
    return concluded(before, { state: before }, moment);
  }
  const raises = message.term > before.term && !isHypothetical(message);
  const state = raises ? followNewTerm(before, message.term, moment) : before;
  return concluded(before, route(state, message, moment), moment);
}

/** Appends client commands at the leader, as one batch. Null when this member may not propose now. */
export function propose(
  state: RaftState,
  payloads: readonly string[],
  moment: Moment,
): Step | null {
  if (state.role.kind !== "leader" || state.role.transfer !== null) return null;
  const fresh = payloads.map((payload) => ({ kind: "command" as const, payload }));
  const appended = appendOwn(state, fresh, moment);
  const sent = replicate(appended.state, false);
  const next = told(sent.state, sent.messages);
  return concluded(state, { ...appended, ...sent, state: next }, moment);
}

/** Appends one membership change, when the rules of single-server changes allow one now. */
export function proposeChange(
  state: RaftState,
  change: Change,
  moment: Moment,
): Step | ChangeRefusal {
  const { role } = state;
  if (role.kind !== "leader") return "not_leader";
  const uncommitted = (state.memberships.at(-1)?.index ?? 0) > state.commitIndex;
  // The rule of 2015: without it two leaders may count different, disjoint majorities.
  if (state.commitIndex < role.termStartIndex || uncommitted || role.transfer !== null)
    return "busy";
  if (change.kind === "promote" && !isCaughtUp(state, role, change.nodeId)) return "not_caught_up";
  const next = changed(inForce(state.memberships), change);
  if (typeof next === "string") return next;
  const payload = encodeMembership(next);
  const appended = appendOwn(state, [{ kind: "config", payload }], moment);
  const current = withCurrentPeers(appended.state, role, moment);
  return concluded(state, { ...appended, ...replicate(current, false) }, moment);
}

/** The learner that has caught up and should count from now on, or null. */
export function promotable(state: RaftState): NodeId | null {
  const { role } = state;
  if (role.kind !== "leader") return null;
  const learners = inForce(state.memberships).members.filter((one) => one.role === "learner");
  return learners.find(({ nodeId: id }) => isCaughtUp(state, role, id))?.nodeId ?? null;
}

/** Begins to hand leadership to a voter; proposals wait until it took over or time ran out. */
export function transferTo(state: RaftState, to: NodeId, moment: Moment): Step | null {
  const { role } = state;
  if (role.kind !== "leader" || to === state.nodeId || !currentVoters(state).includes(to))
    return null;
  const transfer = { to, untilMs: moment.monotonicMs + TIMING.electionTimeoutMaxMs };
  const handing: RaftState = { ...state, role: { ...role, transfer } };
  return concluded(state, { state: handing, messages: handOver(handing) }, moment);
}

/** Starts the round of messages that lets waiting reads be answered. Null when this member does not lead. */
export function beginRead(
  state: RaftState,
  moment: Moment,
): { readonly step: Step; readonly ticket: ReadTicket } | null {
  const asked = askRead(state);
  return asked === null ? null : { step: concluded(state, asked, moment), ticket: asked.ticket };
}

/** The disk holds the log through `index`, whose entry has `term`; only now does this member count. */
export function persisted(state: RaftState, index: number, term: number, moment: Moment): Step {
  // An entry replaced while it was being written proves nothing about its successor.
  if (termAt(state.log, index) !== term) return concluded(state, { state }, moment);
  const durableIndex = Math.max(state.durableIndex, index);
  const moved = advanceCommit({ ...state, durableIndex });
  return concluded(state, announced(state, { state: moved }, moment), moment);
}

/** Forgets the entries up to `index`, which the durable state already stands for. */
export function compactThrough(state: RaftState, index: number): RaftState {
  assert(index <= state.commitIndex, "only what is committed is compacted");
  const base = { index, membership: membershipAt(state.memberships, index) };
  const later = state.memberships.filter((one) => one.index > index);
  return { ...state, log: compacted(state.log, index), memberships: [base, ...later] };
}

/** Whether this member alone decides: then local state, once caught up, is the newest there is. */
export function leadsAlone(state: RaftState, appliedIndex: number): boolean {
  if (state.role.kind !== "leader" || !isMajorityAlone(state)) return false;
  return appliedIndex >= state.role.termStartIndex && appliedIndex >= state.commitIndex;
}

function tickLeader(state: RaftState, role: LeaderRole, moment: Moment): Draft {
  if (hasLostQuorum(state, role, moment)) return { state: stepDown(state, moment) };
  const expired = role.transfer !== null && moment.monotonicMs >= role.transfer.untilMs;
  const transfer = expired ? null : role.transfer;
  if (moment.monotonicMs < Math.min(role.heartbeatDueMs, role.announceDueMs)) {
    return { state: { ...state, role: { ...role, transfer } } };
  }
  const heartbeatDueMs = moment.monotonicMs + TIMING.heartbeatIntervalMs;
  const next = { ...role, transfer, heartbeatDueMs, announceDueMs: Infinity };
  return replicate({ ...state, role: next }, true);
}

function route(state: RaftState, message: Incoming, moment: Moment): Draft {
  switch (message.type) {
    case "vote_request":
      return stepVoteRequest(state, message, moment);
    case "append_request":
    case "snapshot_offer":
      return fromLeader(state, message, moment);
    case "vote_reply":
      // An answer to an earlier self is dropped (pitfall 13).
      return message.term < state.term ? { state } : stepVoteReply(state, message, moment);
    case "append_reply":
      return message.term < state.term ? { state } : answered(state, message, moment);
    case "timeout_now":
      return takeOver(state, message, moment);
  }
}

function fromLeader(
  state: RaftState,
  message: AppendRequest | SnapshotOffer,
  moment: Moment,
): Draft {
  if (message.term < state.term) return refuseOldLeader(state, message);
  const following = hearLeader(state, message.from, moment);
  if (message.type === "snapshot_offer") return stepSnapshotOffer(following, message);
  return stepAppendRequest(following, message);
}

function answered(state: RaftState, reply: Incoming & { type: "append_reply" }, moment: Moment) {
  const folded = announced(state, stepAppendReply(state, reply, moment), moment);
  return { ...folded, messages: [...(folded.messages ?? []), ...handOver(folded.state)] };
}

/**
 * Followers apply, and their watchers hear, without waiting for a heartbeat: soon after a commit that no
 * message has told yet, all of them are told. The next batch tells as much, and takes that message's place.
 */
function announced(before: RaftState, draft: Draft, moment: Moment): Draft {
  const { state } = draft;
  const { role, commitIndex, log } = state;
  const quiet = commitIndex === log.lastIndex;
  if (role.kind !== "leader" || commitIndex === before.commitIndex || !quiet) return draft;
  const announceDueMs = moment.monotonicMs + TIMING.announceAfterMs;
  return { ...draft, state: { ...state, role: { ...role, announceDueMs } } };
}

/** After a batch left: who took it knows, and who could not waits for a heartbeat as ever. */
function told(state: RaftState, messages: readonly Outgoing[]): RaftState {
  const { role } = state;
  if (role.kind !== "leader" || messages.length === 0) return state;
  return { ...state, role: { ...role, announceDueMs: Infinity } };
}

/** To the member that takes over, as soon as it has the whole log. Repeating it does no harm. */
function handOver(state: RaftState): readonly TimeoutNow[] {
  if (state.role.kind !== "leader" || state.role.transfer === null) return [];
  const { to } = state.role.transfer;
  if (state.role.peers.get(to)?.matchIndex !== state.log.lastIndex) return [];
  return [{ type: "timeout_now", from: state.nodeId, to, term: state.term }];
}

function takeOver(state: RaftState, message: TimeoutNow, moment: Moment): Draft {
  const asked = message.term === state.term && state.role.kind === "follower";
  const may = asked && currentVoters(state).includes(state.nodeId);
  return may ? campaign(state, moment, true) : { state };
}

function refuseOldLeader(
  state: RaftState,
  { from: to, round }: AppendRequest | SnapshotOffer,
): Draft {
  const { nodeId: from, term } = state;
  const refusal = { round, success: false, matchIndex: 0, hintIndex: state.log.lastIndex + 1 };
  return { state, messages: [{ type: "append_reply", from, to, term, ...refusal }] };
}

/** Pre-votes speak of a term nobody has entered. */
function isHypothetical(message: Incoming): boolean {
  if (message.type === "vote_request") return message.preVote;
  return message.type === "vote_reply" && message.preVote && message.granted;
}

function isCaughtUp(state: RaftState, role: LeaderRole, id: NodeId): boolean {
  const progress = role.peers.get(id);
  if (progress === undefined || progress.probing) return false;
  return progress.matchIndex > 0 && progress.matchIndex + CAUGHT_UP_ENTRIES >= state.commitIndex;
}

/** A leader that is no member any more leads until that is committed, then tells all, and stops. */
function retired(draft: Draft, moment: Moment): Draft {
  const { state } = draft;
  if (state.role.kind !== "leader") return draft;
  const latest = state.memberships.at(-1);
  const gone = latest !== undefined && memberOf(latest.membership, state.nodeId) === undefined;
  if (!gone || latest.index > state.commitIndex) return draft;
  const { messages } = replicate(state, true);
  const successor = currentVoters(state).find(
    (voter) =>
      state.role.kind === "leader" &&
      state.role.peers.get(voter)?.matchIndex === state.log.lastIndex,
  );
  const { nodeId: from, term } = state;
  const handing =
    successor === undefined ? [] : [{ type: "timeout_now" as const, from, to: successor, term }];
  const all = [...(draft.messages ?? []), ...messages, ...handing];
  return { ...draft, state: stepDown(state, moment), messages: all };
}

/** Completes a draft: term and vote go to disk when they changed, and ride along with every append. */
function concluded(before: RaftState, draft: Draft, moment: Moment): Step {
  const { state, append = [], install = null, messages = [] } = retired(draft, moment);
  assert(state.commitIndex >= before.commitIndex, "commit never moves back");
  const { term, votedFor, commitIndex } = state;
  const news = term !== before.term || votedFor !== before.votedFor;
  const writes = news || append.length > 0 || install !== null;
  const hardState = writes ? { term, votedFor, commitIndex } : null;
  const committedThrough = commitIndex > before.commitIndex ? commitIndex : null;
  const ready: Ready = { hardState, append, install, messages, committedThrough };
  return { state, ready };
}
