/**
 * Owns the log on both sides: what a leader appends and sends, what a follower accepts, when an index is
 * committed. Pure. Raft §5.3 (log matching), §5.4.2 (commit rule), §7 (snapshots), thesis §10.2.1.
 * Flow control: one message with entries is unanswered at a time; empty ones are always sent on schedule.
 */
import { assert } from "./assert.ts";
import { emptyLog, termAt, termStart, withTerms } from "./log-shape.ts";
import { currentVoters, decodeMembership, inForce, withMemberships } from "./membership.ts";
import { quorumIndex } from "./quorum.ts";
import {
  APPEND_ENTRIES_MAX,
  type AppendReply,
  type AppendRequest,
  type Draft,
  type LeaderRole,
  type LogEntry,
  type Moment,
  type NodeId,
  type Outgoing,
  type Progress,
  type RaftState,
  type SnapshotOffer,
} from "./types.ts";

type Fresh = Pick<LogEntry, "kind" | "payload">;

export function freshProgress(nextIndex: number, moment: Moment): Progress {
  const heardMs = moment.monotonicMs;
  return { matchIndex: 0, nextIndex, inFlight: 0, probing: false, ackedRound: 0, heardMs };
}

/** Appends to the leader's own log, stamping replicated time (C5: apply never sees a clock). */
export function appendOwn(state: RaftState, fresh: readonly Fresh[], moment: Moment) {
  const timeMs = Math.max(Math.trunc(moment.wallMs), state.lastTimeMs);
  const firstIndex = state.log.lastIndex + 1;
  const append = fresh.map(
    ({ kind, payload }, offset): LogEntry => ({
      index: firstIndex + offset,
      term: state.term,
      kind,
      timeMs,
      payload,
    }),
  );
  return { state: withLog({ ...state, lastTimeMs: timeMs }, append), append };
}

/** Sends every follower what it lacks; with `beat`, also something to those who lack nothing. */
export function replicate(
  state: RaftState,
  beat: boolean,
  only?: NodeId,
): { readonly state: RaftState; readonly messages: readonly Outgoing[] } {
  assert(state.role.kind === "leader", "only a leader replicates");
  const round = state.role.round + 1;
  const peers = new Map(state.role.peers);
  const messages: Outgoing[] = [];
  for (const [to, progress] of state.role.peers) {
    if (only !== undefined && to !== only) continue;
    const sent = sendTo(state, to, progress, round, beat);
    if (sent.length === 0) continue;
    messages.push(...sent);
    const carries = sent.some(
      (one) => one.type === "append_request" && one.throughIndex > one.prevIndex,
    );
    if (carries) peers.set(to, { ...progress, inFlight: round });
  }
  return { state: { ...state, role: { ...state.role, peers, round } }, messages };
}

/** Follower side; node.ts has already recognised the sender as this term's leader. */
export function stepAppendRequest(state: RaftState, request: AppendRequest): Draft {
  // What was compacted here is committed, so it matches; the leader goes on behind it.
  if (request.prevIndex < state.log.baseIndex) {
    return { state, messages: [replyTo(state, request, state.commitIndex, 0)] };
  }
  const hintIndex = refusalHint(state, request);
  if (hintIndex !== null) return { state, messages: [replyTo(state, request, 0, hintIndex)] };
  // Only from the first conflict: a late message must not remove newer entries (pitfall 15).
  const fresh = request.entries.slice(firstConflict(state, request));
  const accepted = fresh.length === 0 ? state : withEntries(state, fresh);
  const matchIndex = request.prevIndex + request.entries.length;
  // Bounded by what this message proved, not by this node's own tail (pitfall 16).
  const commitIndex = Math.max(state.commitIndex, Math.min(request.commitIndex, matchIndex));
  const messages = [replyTo(accepted, request, matchIndex, 0)];
  return { state: { ...accepted, commitIndex }, append: fresh, messages };
}

/** Follower side: the state now stands for everything up to the snapshot's index (pitfalls 22 and 24). */
export function stepSnapshotOffer(state: RaftState, offer: SnapshotOffer): Draft {
  const { index, lastTerm, timeMs, membership } = offer.snapshot;
  // What is committed here is the same history: the leader goes on behind it.
  const messages = (matchIndex: number) => [replyTo(state, offer, matchIndex, 0)];
  if (index <= state.commitIndex) return { state, messages: messages(state.commitIndex) };
  const keepLog = termAt(state.log, index) === lastTerm;
  const later = keepLog ? state.memberships.filter((one) => one.index > index) : [];
  const installed: RaftState = {
    ...state,
    log: keepLog ? state.log : emptyLog(index, lastTerm),
    memberships: [{ index, membership }, ...later],
    lastTimeMs: keepLog ? state.lastTimeMs : timeMs,
    durableIndex: keepLog ? Math.max(state.durableIndex, index) : index,
    commitIndex: index,
  };
  const install = { snapshot: offer.snapshot, keepLog };
  return { state: installed, install, messages: messages(index) };
}

/** Leader side: folds one reply, and sends on when the follower lacks more. */
export function stepAppendReply(state: RaftState, reply: AppendReply, moment: Moment): Draft {
  if (state.role.kind !== "leader") return { state };
  const before = state.role.peers.get(reply.from);
  if (before === undefined) return { state };
  const ackedRound = Math.max(before.ackedRound, reply.round);
  // Messages of one sender stay in order, so a later answer means the earlier one was handled or lost.
  const inFlight = reply.round >= before.inFlight ? 0 : before.inFlight;
  const heard = { ...before, ackedRound, inFlight, heardMs: moment.monotonicMs };
  const progress = folded(state, heard, reply);
  const moved = advanceCommit(withProgress(state, reply.from, progress));
  // Where only a snapshot helps, asking again at once would go round in circles.
  const probes = !reply.success && progress.nextIndex > state.log.baseIndex;
  return replicate(moved, probes, reply.from);
}

/** §5.4.2: counting commits only an entry of this term; older ones commit beneath it (pitfall 7). */
export function advanceCommit(state: RaftState): RaftState {
  if (state.role.kind !== "leader") return state;
  const { peers } = state.role;
  const reached = currentVoters(state).map((voter) =>
    voter === state.nodeId ? state.durableIndex : (peers.get(voter)?.matchIndex ?? 0),
  );
  const commitIndex = quorumIndex(reached);
  const commits = commitIndex > state.commitIndex && termAt(state.log, commitIndex) === state.term;
  return commits ? { ...state, commitIndex } : state;
}

/** Keeps the leader's list of followers equal to the membership in force. */
export function withCurrentPeers(state: RaftState, role: LeaderRole, moment: Moment): RaftState {
  const { members } = inForce(state.memberships);
  const ids = members.map(({ nodeId: id }) => id).filter((id) => id !== state.nodeId);
  const fresh = freshProgress(state.log.lastIndex + 1, moment);
  const peers = new Map(ids.map((id) => [id, role.peers.get(id) ?? fresh]));
  return { ...state, role: { ...role, peers } };
}

function sendTo(
  state: RaftState,
  to: NodeId,
  progress: Progress,
  round: number,
  beat: boolean,
): readonly Outgoing[] {
  const { nodeId: from, term, commitIndex, log } = state;
  const needsSnapshot = progress.nextIndex <= log.baseIndex;
  const sends = !needsSnapshot && !progress.probing && progress.inFlight === 0;
  const hasMore = sends && progress.nextIndex <= log.lastIndex;
  if (!beat && !hasMore) return [];
  const prevIndex = Math.max(progress.nextIndex - 1, log.baseIndex);
  const prevTerm = termAt(log, prevIndex);
  assert(prevTerm !== null, "nextIndex is at most one past the leader's log");
  const reach = hasMore ? APPEND_ENTRIES_MAX : 0;
  const throughIndex = Math.min(log.lastIndex, prevIndex + reach);
  const range = { prevIndex, prevTerm, throughIndex, commitIndex };
  const append = { type: "append_request" as const, from, to, term, round, ...range };
  if (!needsSnapshot) return [append];
  return [append, { type: "snapshot_offer", from, to, term, round }];
}

function folded(state: RaftState, progress: Progress, reply: AppendReply): Progress {
  if (reply.success) {
    const { lastIndex } = state.log;
    assert(reply.matchIndex <= lastIndex, "a follower cannot match past the leader's log");
    const matchIndex = Math.max(progress.matchIndex, reply.matchIndex); // Replies may be reordered.
    const grown = matchIndex > progress.matchIndex || reply.matchIndex === progress.nextIndex - 1;
    if (!grown) return progress;
    return { ...progress, matchIndex, nextIndex: matchIndex + 1, probing: false };
  }
  const back = Math.min(reply.hintIndex, progress.nextIndex - 1);
  const nextIndex = Math.max(progress.matchIndex + 1, back);
  return { ...progress, nextIndex, probing: true };
}

/** Where the leader should try next, or null when `prev` matches. Steps back a whole term at once. */
function refusalHint(state: RaftState, request: AppendRequest): number | null {
  const ownTerm = termAt(state.log, request.prevIndex);
  if (ownTerm === request.prevTerm) return null;
  if (ownTerm === null) return state.log.lastIndex + 1;
  return Math.max(termStart(state.log, request.prevIndex), state.commitIndex + 1);
}

/** Offset of the first entry this log lacks or disagrees with; past the end when it has them all. */
function firstConflict(state: RaftState, request: AppendRequest): number {
  const found = request.entries.findIndex((entry) => termAt(state.log, entry.index) !== entry.term);
  return found === -1 ? request.entries.length : found;
}

function withEntries(state: RaftState, fresh: readonly LogEntry[]): RaftState {
  const firstIndex = fresh[0]?.index ?? 0;
  assert(
    firstIndex > state.commitIndex,
    "a committed entry is never replaced (leader completeness)",
  );
  const durableIndex = Math.min(state.durableIndex, firstIndex - 1);
  const lastTimeMs = fresh.at(-1)?.timeMs ?? state.lastTimeMs;
  return withLog({ ...state, durableIndex, lastTimeMs }, fresh);
}

/** The log with `entries` at their place; a membership is in force from here on (thesis §4.1). */
function withLog(state: RaftState, entries: readonly LogEntry[]): RaftState {
  const firstIndex = entries[0]?.index ?? state.log.lastIndex + 1;
  const terms = entries.map((entry) => entry.term);
  const log = withTerms(state.log, firstIndex, terms);
  const fresh = entries
    .filter(({ kind }) => kind === "config")
    .map(({ index, payload }) => ({ index, membership: decodeMembership(payload) }));
  return { ...state, log, memberships: withMemberships(state.memberships, firstIndex, fresh) };
}

function withProgress(state: RaftState, peer: NodeId, progress: Progress): RaftState {
  assert(state.role.kind === "leader", "only a leader tracks followers");
  const peers = new Map(state.role.peers).set(peer, progress);
  return { ...state, role: { ...state.role, peers } };
}

function replyTo(
  state: RaftState,
  { from: to, round }: AppendRequest | SnapshotOffer,
  matchIndex: number,
  hintIndex: number,
): AppendReply {
  const { nodeId: from, term } = state;
  const success = hintIndex === 0;
  return { type: "append_reply", from, to, term, round, success, matchIndex, hintIndex };
}
