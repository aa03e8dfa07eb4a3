/**
 * Owns the table of deliberate mistakes: for each pitfall of a home-made Raft, one place where it could be
 * made, and what must notice. The mistakes are patches of the source, applied to a copy; nothing of them is
 * in the program.
 */

export interface Mutant {
  /** As numbered in the tests that name them, 1 to 40. */
  readonly pitfall: number;
  readonly mistake: string;
  /** Below the package's folder. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  readonly caughtBy: Simulation | Test;
}
/** A seed that meets the mistake, and the law that it breaks. */
interface Simulation {
  readonly seed: number;
  readonly law: RegExp;
}
/** A test that fails then, by its file and the words of its name. */
interface Test {
  readonly file: string;
  readonly test: string;
}

const RAFT = "service/raft";
const NODE_TEST = `${RAFT}/node.test.ts`;
const DRIVER_TEST = `${RAFT}/driver.test.ts`;
const MEMBERS_TEST = `${RAFT}/driver-members.test.ts`;
const TRACES = `${RAFT}/trace.test.ts`;
const MEMBERSHIP_TEST = `${RAFT}/membership.test.ts`;
/** What goes wrong when members disagree about the log. */
const LOG_LAWS = /completeness|C1|C3|never replaced|match past|no holes|holds what/;

export const MUTANTS: readonly Mutant[] = [
  {
    pitfall: 1,
    mistake: "a second vote in a term",
    file: `${RAFT}/election.ts`,
    find: "const free = state.votedFor === null || state.votedFor === request.from;",
    replace: "const free = true;",
    caughtBy: { seed: 9, law: /C2/ },
  },
  {
    pitfall: 1,
    mistake: "a vote is not written",
    file: `${RAFT}/node.ts`,
    find: "const news = term !== before.term || votedFor !== before.votedFor;",
    replace: "const news = term !== before.term;",
    caughtBy: { seed: 4, law: /C2/ },
  },
  {
    pitfall: 2,
    mistake: "a leader counts itself before its own sync",
    file: `${RAFT}/replication.ts`,
    find: "voter === state.nodeId ? state.durableIndex :",
    replace: "voter === state.nodeId ? state.log.lastIndex :",
    caughtBy: { file: TRACES, test: "three-voters-election" },
  },
  {
    pitfall: 2,
    mistake: "what follows a sync does not wait for one beside the event loop",
    file: `${RAFT}/saver.ts`,
    find: "this.#saveBeside(unsaved, saved);",
    replace: "{ saved(); this.#saveBeside(unsaved, () => undefined); }",
    caughtBy: { file: MEMBERS_TEST, test: "a follower says that it has entries" },
  },
  {
    pitfall: 3,
    mistake: "a sync that fails is taken for done",
    file: `${RAFT}/saver.ts`,
    find: "if (failure !== null) throw failure;",
    replace: "if (failure === undefined) throw failure;",
    caughtBy: { file: MEMBERS_TEST, test: "pitfall 3: a sync that fails" },
  },
  {
    pitfall: 3,
    mistake: "a failed write is ignored",
    file: `${RAFT}/event-line.ts`,
    find: "this.#hasFailed = true;\n      onFailure(error);",
    replace: "if (error === null) onFailure(error);",
    caughtBy: { file: DRIVER_TEST, test: "pitfall 3" },
  },
  {
    pitfall: 4,
    mistake: "a checksum that fails is read over",
    file: `${RAFT}/log.ts`,
    find: "if (entrySum(entry) !== row.checksum)",
    replace: "if (entrySum(entry) === null)",
    caughtBy: { file: `${RAFT}/log.test.ts`, test: "pitfall 4: a changed payload" },
  },
  {
    pitfall: 4,
    mistake: "damage inside the write-ahead log is taken for its end",
    file: `${RAFT}/wal-guard.ts`,
    find: "if (ended) return true;",
    replace: "if (ended) return false;",
    caughtBy: { file: `${RAFT}/log-damage.test.ts`, test: "a bit that flips below" },
  },
  {
    pitfall: 5,
    mistake: "a wiped disk comes back under its name",
    file: "service/peers.ts",
    find: "if (known === undefined || known.incarnation === incarnation) return null;",
    replace: "if (known === undefined || incarnation !== null) return null;",
    caughtBy: { file: "service/peers.test.ts", test: "pitfall 5" },
  },
  {
    pitfall: 5,
    mistake: "a wiped disk joins under a name that is taken",
    file: `${RAFT}/membership.ts`,
    find: 'return known.incarnation === fresh.incarnation ? "nothing_to_do" : "name_taken";',
    replace: 'return "nothing_to_do";',
    caughtBy: { file: MEMBERSHIP_TEST, test: "pitfall 5" },
  },
  {
    pitfall: 6,
    mistake: "the applied index is not written with the rows",
    file: "shared/store.ts",
    find: "if (this.#dirty) this.#savePosition();",
    replace: "",
    caughtBy: { seed: 1, law: /C3|UNIQUE|state continues|holds what/ },
  },
  {
    pitfall: 7,
    mistake: "an entry of an older term commits by counting",
    file: `${RAFT}/replication.ts`,
    find: " && termAt(state.log, commitIndex) === state.term;",
    replace: ";",
    caughtBy: { file: NODE_TEST, test: "pitfall 7" },
  },
  {
    pitfall: 8,
    mistake: "a term without a no-op",
    file: `${RAFT}/election.ts`,
    find: 'appendOwn(leader, [{ kind: "noop", payload: "" }], moment)',
    replace: "appendOwn(leader, [], moment)",
    caughtBy: { file: TRACES, test: "one-voter" },
  },
  {
    pitfall: 9,
    mistake: "a refused vote pushes the election back",
    file: `${RAFT}/election.ts`,
    find: "if (!granted) return { state, messages };",
    replace:
      "if (!granted) return { state: { ...state, electionDueMs: electionDueMs(moment) }, messages };",
    caughtBy: { file: NODE_TEST, test: "pitfall 9" },
  },
  {
    pitfall: 10,
    mistake: "votes for a log that lacks entries",
    file: `${RAFT}/election.ts`,
    find: "request.lastTerm > ownTerm ||",
    replace: "request.lastTerm >= 0 ||",
    caughtBy: { seed: 1, law: LOG_LAWS },
  },
  {
    pitfall: 11,
    mistake: "votes against a leader that is heard",
    file: `${RAFT}/election.ts`,
    find: "return state.leaderId !== null && recentMs < TIMING.electionTimeoutMinMs;",
    replace: "return recentMs < 0;",
    caughtBy: { file: NODE_TEST, test: "pitfall 11: a follower that hears" },
  },
  {
    pitfall: 11,
    mistake: "even the leader is refused, because the leader was heard",
    file: `${RAFT}/election.ts`,
    find: "if (request.transfer || state.leaderId === request.from) return false;",
    replace: "if (request.transfer) return false;",
    caughtBy: { file: NODE_TEST, test: "pitfall 11: the leader itself" },
  },
  {
    pitfall: 12,
    mistake: "a leader that nobody answers goes on",
    file: `${RAFT}/election.ts`,
    find: "return heard.length < majority(voters.length);",
    replace: "return heard.length < 0;",
    caughtBy: { file: NODE_TEST, test: "pitfall 12" },
  },
  {
    pitfall: 13,
    mistake: "the last index is taken for what the message proved",
    file: `${RAFT}/replication.ts`,
    find: "const matchIndex = request.prevIndex + request.entries.length;",
    replace: "const matchIndex = accepted.log.lastIndex;",
    caughtBy: { seed: 10, law: LOG_LAWS },
  },
  {
    pitfall: 13,
    mistake: "answers to an earlier term count",
    file: `${RAFT}/node.ts`,
    find: "return message.term < state.term ? { state } : answered(state, message, moment);",
    replace: "return answered(state, message, moment);",
    caughtBy: { file: NODE_TEST, test: "pitfall 13: an answer" },
  },
  {
    pitfall: 14,
    mistake: "a repeated vote counts twice",
    file: `${RAFT}/election.ts`,
    find: "const votes = voters.filter((voter) => granted.has(voter)).length;",
    replace: "const votes = role.granted.size + 1;",
    caughtBy: { file: NODE_TEST, test: "pitfall 14" },
  },
  {
    pitfall: 15,
    mistake: "truncation on every message",
    file: `${RAFT}/replication.ts`,
    find: "return found === -1 ? request.entries.length : found;",
    replace: "return 0;",
    caughtBy: { seed: 1, law: LOG_LAWS },
  },
  {
    pitfall: 16,
    mistake: "commit beyond what the message proved",
    file: `${RAFT}/replication.ts`,
    find: "Math.min(request.commitIndex, matchIndex)",
    replace: "Math.min(request.commitIndex, accepted.log.lastIndex)",
    caughtBy: { seed: 9, law: LOG_LAWS },
  },
  {
    pitfall: 17,
    mistake: "entries are sent again and again to one that does not answer",
    file: `${RAFT}/replication.ts`,
    find: "!progress.probing && progress.inFlight === 0;",
    replace: "!progress.probing;",
    caughtBy: { file: TRACES, test: "three-voters-replication" },
  },
  {
    pitfall: 17,
    mistake: "a refusal steps back one entry at a time",
    file: `${RAFT}/replication.ts`,
    find: "return Math.max(termStart(state.log, request.prevIndex), state.commitIndex + 1);",
    replace: "return request.prevIndex;",
    caughtBy: { file: NODE_TEST, test: "pitfall 17" },
  },
  {
    pitfall: 18,
    mistake: "the slowest follower decides when anything commits",
    file: `${RAFT}/quorum.ts`,
    find: "descending[majority(reached.length) - 1]",
    replace: "descending.at(-1)",
    caughtBy: { seed: 3, law: /liveness/ },
  },
  {
    pitfall: 19,
    mistake: "every entry has a sync of its own",
    file: `${RAFT}/proposal-queue.ts`,
    find: "const BATCH_PROPOSALS_MAX = 256;",
    replace: "const BATCH_PROPOSALS_MAX = 1;",
    caughtBy: { file: DRIVER_TEST, test: "pitfall 19" },
  },
  {
    pitfall: 20,
    mistake: "messages of any size",
    file: `${RAFT}/entry-cache.ts`,
    find: "const MESSAGE_CHARS_MAX = 1_048_576;",
    replace: "const MESSAGE_CHARS_MAX = Infinity;",
    caughtBy: { file: MEMBERS_TEST, test: "pitfall 20" },
  },
  {
    pitfall: 21,
    mistake: "a queue without end",
    file: `${RAFT}/proposal-queue.ts`,
    find: "if (full || this.#proposals.length >= QUEUE_PROPOSALS_MAX) return false;",
    replace: "if (full) return false;",
    caughtBy: { file: DRIVER_TEST, test: "pitfall 21" },
  },
  {
    pitfall: 22,
    mistake: "a snapshot that was promised is not swapped in at the next start",
    file: "service/state-file.ts",
    find: "if (existsSync(join(dirname(statePath), basename(file)))) moveInto(file, statePath);",
    replace: "existsSync(join(dirname(statePath), basename(file)));",
    caughtBy: { file: "service/member.test.ts", test: "leaves the new state" },
  },
  {
    pitfall: 22,
    mistake: "a copy of a file that lacks what is still in its log",
    file: "service/page-copy.ts",
    find: "if (busy === 0 && log === checkpointed) {",
    replace: "if (busy === 0 && log >= checkpointed) {",
    caughtBy: { file: "service/page-copy.test.ts", test: "a reader of another program" },
  },
  {
    pitfall: 23,
    mistake: "what stands for the compacted log forgets the membership",
    file: `${RAFT}/node.ts`,
    find: "const base = { index, membership: membershipAt(state.memberships, index) };",
    replace:
      "const base = { index, membership: membershipAt(state.memberships, state.log.baseIndex) };",
    caughtBy: { seed: 2, law: /liveness|C1|C2|C3/ },
  },
  {
    pitfall: 24,
    mistake: "a log that conflicts with the snapshot is kept",
    file: `${RAFT}/replication.ts`,
    find: "const keepLog = termAt(state.log, index) === lastTerm;",
    replace: "const keepLog = termAt(state.log, index) !== null;",
    caughtBy: { file: NODE_TEST, test: "pitfall 24" },
  },
  {
    pitfall: 25,
    mistake: "no tail is kept, and nothing for a transfer under way",
    file: `${RAFT}/compactor.ts`,
    find: "Math.min(machine.appliedIndex - limits.tail, outbox.heldIndex)",
    replace: "machine.appliedIndex",
    caughtBy: { file: MEMBERS_TEST, test: "pitfall 25" },
  },
  {
    pitfall: 26,
    mistake: "several membership changes at once",
    file: `${RAFT}/node.ts`,
    find: "if (state.commitIndex < role.termStartIndex || uncommitted || role.transfer !== null)",
    replace: "if (role.transfer !== null && uncommitted)",
    caughtBy: { seed: 10, law: /one uncommitted membership change|C1|C2/ },
  },
  {
    pitfall: 27,
    mistake: "an empty member votes at once",
    file: `${RAFT}/membership.ts`,
    find: 'members: [...membership.members, { ...fresh, role: "learner" }]',
    replace: 'members: [...membership.members, { ...fresh, role: "voter" }]',
    caughtBy: { file: MEMBERSHIP_TEST, test: "pitfall 27" },
  },
  {
    pitfall: 28,
    mistake: "a leader that was removed leads on",
    file: `${RAFT}/node.ts`,
    find: "if (!gone || latest.index > state.commitIndex) return draft;",
    replace: "if (!gone || latest.index > 0) return draft;",
    caughtBy: { seed: 15, law: /a removed leader stops/ },
  },
  {
    pitfall: 28,
    mistake: "a leader that is being removed cannot be elected again",
    file: `${RAFT}/membership.ts`,
    find: "return votersOf(inForce(memberships)).includes(id) || votersOf(agreed).includes(id);",
    replace: "return votersOf(inForce(memberships)).includes(id) && votersOf(agreed).length >= 0;",
    caughtBy: { file: NODE_TEST, test: "stands until its removal is committed" },
  },
  {
    pitfall: 29,
    mistake: "messages of another cluster are heard",
    file: "service/peers.ts",
    find: "if (clusterId !== identity.clusterId) {",
    replace: "if (clusterId === null) {",
    caughtBy: { file: "service/peers.test.ts", test: "pitfall 29" },
  },
  {
    pitfall: 30,
    mistake: "a read without a round of messages",
    file: `${RAFT}/reads.ts`,
    find: "const heard = quorumIndex(acked) >= ticket.round;",
    replace: "const heard = acked.length > 0;",
    caughtBy: { seed: 9, law: /not linearizable/ },
  },
  {
    pitfall: 30,
    mistake: "a read before the term's own entry is committed",
    file: `${RAFT}/reads.ts`,
    find: "const index = Math.max(state.commitIndex, state.role.termStartIndex);",
    replace: "const index = 0;",
    caughtBy: { seed: 10, law: /not linearizable/ },
  },
  {
    pitfall: 31,
    mistake: "a leader trusts its office instead of asking (a lease without end)",
    file: `${RAFT}/node.ts`,
    find: 'if (state.role.kind !== "leader" || !isMajorityAlone(state)) return false;',
    replace: 'if (state.role.kind !== "leader") return false;',
    caughtBy: { seed: 10, law: /not linearizable|C1/ },
  },
  {
    pitfall: 32,
    mistake: "stamps from the wall clock alone",
    file: `${RAFT}/replication.ts`,
    find: "const timeMs = Math.max(Math.trunc(moment.wallMs), state.lastTimeMs);",
    replace: "const timeMs = Math.trunc(moment.wallMs);",
    caughtBy: { seed: 7, law: /C5/ },
  },
  {
    pitfall: 32,
    mistake: "an expiry that does not ask whether the key is due",
    file: "service/fsm.ts",
    find: "const due = held !== null && held.version === version && this.#isExpired(held);",
    replace: "const due = held !== null;",
    caughtBy: { seed: 2, law: /C5/ },
  },
  {
    pitfall: 33,
    mistake: "apply asks the clock",
    file: "service/fsm.ts",
    find: "const updatedAt = this.#draft.timeMs;",
    replace: "const updatedAt = Math.trunc(performance.now() * 1_000);",
    caughtBy: { seed: 1, law: /C3/ },
  },
  {
    pitfall: 34,
    mistake: "a write that is asked for again is done again",
    file: "service/fsm.ts",
    find: "if (known !== null) {",
    replace: "if (known !== null && known.outcome === null) {",
    caughtBy: { seed: 1, law: /C3|UNIQUE/ },
  },
  {
    pitfall: 35,
    mistake: "an answer for whatever is at the index",
    file: `${RAFT}/pending.ts`,
    find: "if (waiting?.term !== term) return;",
    replace: "if (waiting === undefined || term < 0) return;",
    caughtBy: { file: MEMBERS_TEST, test: "pitfall 35" },
  },
  {
    pitfall: 36,
    mistake: "live changes overtake what a watcher still lacks",
    file: "service/watch.ts",
    find: "if (isQuiet ? cursor <= this.#before : cursor === this.#before) {",
    replace: "if (latest !== null) {",
    caughtBy: { seed: 8, law: /C4/ },
  },
  {
    pitfall: 36,
    mistake: "history that is gone is skipped in silence",
    file: "service/watch.ts",
    find: "if (!isQuiet && cursor < compactedRevision) {",
    replace: "if (cursor < 0) {",
    caughtBy: { file: "service/watch.test.ts", test: "compacted under a paused reader" },
  },
  {
    pitfall: 36,
    mistake: "a tenant that nothing is known of is taken for a quiet one",
    file: "service/audience.ts",
    find: "?? this.#knownFrom;",
    replace: "?? 0;",
    caughtBy: { file: "service/watch.test.ts", test: "each watcher gets what it would have got" },
  },
  {
    pitfall: 37,
    mistake: "a list that names a later revision than its own",
    file: "service/raft-engine.ts",
    find: "this.#store.list(namespace, prefix, afterKey, limits);\n    return { items, more, revision: this.#revision };",
    replace:
      "this.#store.list(namespace, prefix, afterKey, limits);\n    return { items, more, revision: this.#revision + 1 };",
    caughtBy: { file: "shared/client.test.ts", test: "pitfall 37" },
  },
  {
    pitfall: 38,
    mistake: "the condition is not judged where the order is known",
    file: "service/fsm.ts",
    find: "if (cas === actual) continue;",
    replace: "if (cas >= actual || cas < actual) continue;",
    caughtBy: { seed: 1, law: /C1/ },
  },
  {
    pitfall: 39,
    mistake: "the key that may only read may write",
    file: "service/keys.ts",
    find: 'const AGENT: Caller = { access: "read_only", scope: null };',
    replace: 'const AGENT: Caller = { access: "read_write", scope: null };',
    caughtBy: { file: "shared/client.test.ts", test: "a read-only key is told so" },
  },
  {
    pitfall: 40,
    mistake: "elections sooner than the next heartbeat",
    file: `${RAFT}/types.ts`,
    find: "electionTimeoutMinMs: 150,\n  electionTimeoutMaxMs: 300,",
    replace: "electionTimeoutMinMs: 15,\n  electionTimeoutMaxMs: 30,",
    caughtBy: { seed: 2, law: /liveness/ },
  },
];
