import { describe, expect, test } from "bun:test";
import { Cluster } from "../../test/cluster.ts";
import { EMPTY_LOG, withTerms } from "./log-shape.ts";
import { foundedBy } from "./membership.ts";
import { compactThrough, leadsAlone, persisted, restart, step, tick } from "./node.ts";
import { type LogEntry, type Moment, nodeId, type RaftState } from "./types.ts";

const [n1, n2, n3] = [nodeId("n1"), nodeId("n2"), nodeId("n3")];
const at = (monotonicMs: number): Moment => ({ monotonicMs, wallMs: 1_000, random: 0 });
const entry = (index: number, term: number): LogEntry => ({
  index,
  term,
  kind: "command",
  timeMs: 1_000,
  payload: `${index}/${term}`,
});

/** A follower of term `term` whose log holds `terms`. */
function follower(terms: readonly number[], term: number): { cluster: Cluster; state: RaftState } {
  const cluster = new Cluster([n1, n2, n3], at(0));
  const entries = terms.map((one, offset) => entry(offset + 1, one));
  const header = { type: "append_request", from: n2, to: n1, term, round: 1 } as const;
  const prev = { prevIndex: 0, prevTerm: 0, throughIndex: entries.length, commitIndex: 0 };
  cluster.deliver({ ...header, ...prev, entries }, at(1));
  cluster.network.splice(0);
  return { cluster, state: cluster.member(n1).state };
}
const voteFrom = (from: typeof n2, term: number, lastIndex: number, lastTerm: number) =>
  ({
    type: "vote_request",
    from,
    to: n1,
    term,
    lastIndex,
    lastTerm,
    preVote: false,
    transfer: false,
  }) as const;
const appendOf = (term: number, prevIndex: number, prevTerm: number, commitIndex: number) => ({
  type: "append_request" as const,
  from: n2,
  to: n1,
  term,
  round: 2,
  prevIndex,
  prevTerm,
  commitIndex,
});

const yes = (from: typeof n2, term: number, preVote = false) =>
  ({ type: "vote_reply", from, to: n1, term, preVote, granted: true }) as const;

describe("votes", () => {
  test("pitfall 1: one vote a term, also when the voter crashed in between (C2)", () => {
    const { cluster } = follower([], 1);
    cluster.deliver(voteFrom(n2, 2, 0, 0), at(200));
    cluster.crash(n1, at(203));
    cluster.deliver(voteFrom(n3, 2, 9, 2), at(204));
    expect(cluster.network).toMatchObject([
      { to: n2, granted: true },
      { to: n3, granted: false },
    ]);
  });

  test("pitfall 10: the last term is compared before the length (§5.4.1)", () => {
    const { state } = follower([1, 3], 3);
    const granted = (lastIndex: number, lastTerm: number) =>
      step(state, voteFrom(n2, 4, lastIndex, lastTerm), at(500)).ready.messages[0];
    expect(granted(9, 2)).toMatchObject({ granted: false });
    expect(granted(1, 3)).toMatchObject({ granted: false });
    expect(granted(2, 3)).toMatchObject({ granted: true });
    expect(granted(1, 4)).toMatchObject({ granted: true });
  });

  test("pitfall 14: a duplicated reply is one vote", () => {
    const five = ["n1", "n2", "n3", "n4", "n5"].map(nodeId);
    const cluster = new Cluster(five, at(0));
    cluster.tick(n1, at(300));
    for (const voter of [n2, n3]) cluster.deliver(yes(voter, 1, true), at(300));
    const reply = yes(n2, 1);
    cluster.deliver(reply, at(301));
    cluster.deliver(reply, at(302));
    expect(cluster.member(n1).state.role.kind).toBe("candidate");
    cluster.deliver({ ...reply, from: n3 }, at(303));
    expect(cluster.member(n1).state.role.kind).toBe("leader");
  });

  test("pitfall 13: a vote given in an older term does not count in a newer one (C2)", () => {
    const cluster = new Cluster([n1, n2, n3], at(0));
    for (const [term, nowMs] of [
      [1, 300],
      [2, 600],
    ] as const) {
      cluster.tick(n1, at(nowMs));
      cluster.deliver(yes(n2, term, true), at(nowMs));
    }
    const late = yes(n2, 1);
    cluster.deliver(late, at(601));
    expect(cluster.member(n1).state).toMatchObject({ term: 2, role: { kind: "candidate" } });
  });

  test("pitfall 9: refusing a vote does not push the election back", () => {
    const { state } = follower([1], 1);
    const refused = step(state, voteFrom(n3, 1, 0, 0), at(200)).state;
    expect(refused.electionDueMs).toBe(state.electionDueMs);
    const granted = step(state, voteFrom(n3, 2, 1, 1), at(200)).state;
    expect(granted.electionDueMs).toBe(200 + 150);
  });
});

describe("who may disturb", () => {
  test("pitfall 11: a follower that hears its leader grants neither vote nor pre-vote, and keeps its term", () => {
    const { state } = follower([1], 1);
    for (const preVote of [true, false]) {
      const asked = { ...voteFrom(n3, 9, 9, 9), preVote };
      expect(step(state, asked, at(100))).toMatchObject({
        state: { term: 1 },
        ready: { messages: [] },
      });
      expect(step(state, asked, at(152)).ready.messages).toMatchObject([{ granted: true }]);
    }
  });

  test("pitfall 11: the leader itself may ask at once, and so may one it names", () => {
    const { state } = follower([1], 1);
    const asked = { ...voteFrom(n2, 2, 1, 1), preVote: true };
    expect(step(state, asked, at(2)).ready.messages).toMatchObject([{ granted: true }]);
    const named = { ...voteFrom(n3, 2, 1, 1), transfer: true };
    expect(step(state, named, at(2)).ready.messages).toMatchObject([{ granted: true }]);
  });

  test("pitfall 11: asking beforehand raises no term", () => {
    const cluster = new Cluster([n1, n2, n3], at(0));
    for (const nowMs of [300, 700, 1_100]) cluster.tick(n1, at(nowMs));
    expect(cluster.member(n1).state).toMatchObject({ term: 0, role: { preVote: true } });
  });

  test("pitfall 12: a leader that nobody answers steps down within an election timeout", () => {
    const cluster = new Cluster([n1, n2, n3], at(0));
    cluster.tick(n1, at(300));
    cluster.deliver(yes(n2, 1, true), at(300));
    cluster.deliver(yes(n2, 1), at(300));
    cluster.tick(n1, at(600));
    expect(cluster.member(n1).state.role.kind).toBe("leader");
    cluster.tick(n1, at(601));
    expect(cluster.member(n1).state).toMatchObject({ role: { kind: "follower" }, leaderId: null });
  });
});

describe("replication at a follower", () => {
  test("pitfall 15: an old, reordered message removes nothing", () => {
    const { state } = follower([1, 1, 1], 1);
    const late = { ...appendOf(1, 0, 0, 0), throughIndex: 1, entries: [entry(1, 1)] };
    const { state: after, ready } = step(state, late, at(2));
    expect(after.log.lastIndex).toBe(3);
    expect(ready.append).toEqual([]);
    expect(ready.messages).toMatchObject([{ success: true, matchIndex: 1 }]);
  });

  test("pitfall 16: commit is bounded by what this message proved", () => {
    const { state } = follower([1, 1, 1], 1);
    const heartbeat = { ...appendOf(2, 1, 1, 3), throughIndex: 1, entries: [] };
    const { state: after, ready } = step(state, heartbeat, at(2));
    expect(after.commitIndex).toBe(1);
    expect(ready.committedThrough).toBe(1);
  });

  test("pitfall 17: a refusal steps back over the whole conflicting term", () => {
    const { state } = follower([1, 2, 2, 2, 2], 2);
    const conflicting = { ...appendOf(5, 4, 4, 0), throughIndex: 4, entries: [] };
    expect(step(state, conflicting, at(2)).ready.messages).toMatchObject([
      { success: false, hintIndex: 2 },
    ]);
    const beyond = { ...appendOf(5, 40, 4, 0), throughIndex: 40, entries: [] };
    expect(step(state, beyond, at(2)).ready.messages).toMatchObject([
      { success: false, hintIndex: 6 },
    ]);
  });

  test("pitfall 13: a leader of an older term is refused and changes nothing", () => {
    const { state } = follower([1], 3);
    const old = { ...appendOf(2, 0, 0, 1), throughIndex: 1, entries: [entry(1, 2)] };
    const { state: after, ready } = step(state, old, at(2));
    expect(after).toEqual(state);
    expect(ready.messages).toMatchObject([{ success: false, term: 3 }]);
  });

  test("pitfall 24: a snapshot keeps the log behind it only where the log agrees with it", () => {
    const { state } = follower([1, 1, 2, 2], 2);
    const snapshot = (index: number, lastTerm: number) => ({
      type: "snapshot_offer" as const,
      from: n2,
      to: n1,
      term: 3,
      round: 2,
      snapshot: { index, lastTerm, timeMs: 1_500, membership: foundedBy([n1, n2, n3], "s") },
    });
    const agreeing = step(state, snapshot(3, 2), at(2));
    expect(agreeing.ready.install).toMatchObject({ keepLog: true });
    expect(agreeing.state).toMatchObject({ commitIndex: 3, log: { lastIndex: 4 } });
    const conflicting = step(state, snapshot(3, 1), at(2));
    expect(conflicting.ready.install).toMatchObject({ keepLog: false });
    expect(conflicting.state).toMatchObject({
      commitIndex: 3,
      log: { baseIndex: 3, lastIndex: 3 },
    });
    expect(conflicting.state.memberships).toEqual([
      { index: 3, membership: foundedBy([n1, n2, n3], "s") },
    ]);
  });

  test("C2: a committed entry that a leader contradicts stops the node", () => {
    const { cluster } = follower([1, 1], 1);
    const commit = { ...appendOf(1, 2, 1, 2), throughIndex: 2, entries: [] };
    cluster.deliver(commit, at(2));
    const wrong = { ...appendOf(2, 0, 0, 0), throughIndex: 1, entries: [entry(1, 2)] };
    expect(() => cluster.deliver(wrong, at(3))).toThrow("committed entry is never replaced");
  });
});

describe("commit at a leader", () => {
  test("pitfall 7: an entry of an older term is not committed by counting (§5.4.2, figure 8)", () => {
    const { cluster } = follower([1, 2], 2);
    cluster.tick(n1, at(500));
    cluster.deliver(yes(n2, 3, true), at(500));
    cluster.deliver(yes(n2, 3), at(501));
    cluster.synced(n1);
    const reply = {
      type: "append_reply",
      from: n2,
      to: n1,
      term: 3,
      round: 1,
      success: true,
    } as const;
    cluster.deliver({ ...reply, matchIndex: 2, hintIndex: 0 }, at(502));
    expect(cluster.member(n1).state.commitIndex).toBe(0);
    cluster.deliver({ ...reply, matchIndex: 3, hintIndex: 0 }, at(503));
    expect(cluster.member(n1).state.commitIndex).toBe(3);
  });

  test("pitfall 13: an answer to what was sent in an earlier term proves nothing", () => {
    const { cluster } = follower([1, 2], 2);
    cluster.tick(n1, at(500));
    cluster.deliver(yes(n2, 3, true), at(500));
    cluster.deliver(yes(n2, 3), at(501));
    cluster.synced(n1);
    const late = { type: "append_reply", from: n2, to: n1, round: 1, success: true } as const;
    cluster.deliver({ ...late, term: 2, matchIndex: 3, hintIndex: 0 }, at(502));
    expect(cluster.member(n1).state.commitIndex).toBe(0);
    cluster.deliver({ ...late, term: 3, matchIndex: 3, hintIndex: 0 }, at(503));
    expect(cluster.member(n1).state.commitIndex).toBe(3);
  });

  test("pitfall 2: a leader counts itself only after its own sync (C1)", () => {
    const cluster = new Cluster([n1], at(0));
    cluster.tick(n1, at(0));
    cluster.synced(n1);
    cluster.propose(n1, ["a"], at(1));
    expect(cluster.member(n1).state.commitIndex).toBe(1);
    cluster.synced(n1);
    expect(cluster.member(n1).state.commitIndex).toBe(2);
  });

  test("pitfall 2: a sync of an entry that was replaced meanwhile proves nothing", () => {
    const { state } = follower([1, 2], 2);
    expect(persisted(state, 2, 1, at(3)).state.durableIndex).toBe(state.durableIndex);
    expect(persisted(state, 2, 2, at(3)).state.durableIndex).toBe(2);
  });

  test("pitfall 30: reading waits until the no-op of this term is applied", () => {
    const cluster = new Cluster([n1], at(0));
    expect(leadsAlone(cluster.member(n1).state, 0)).toBe(false);
    cluster.tick(n1, at(0));
    expect(leadsAlone(cluster.member(n1).state, 0)).toBe(false);
    cluster.synced(n1);
    expect(leadsAlone(cluster.member(n1).state, 0)).toBe(false);
    expect(leadsAlone(cluster.member(n1).state, 1)).toBe(true);
  });
});

describe("a restart", () => {
  test("pitfall 6: what was applied was committed, though the hard state is not as far", () => {
    const restored = {
      hardState: { term: 1, votedFor: n1, commitIndex: 1 },
      log: withTerms(EMPTY_LOG, 1, [1, 1, 1]),
      lastTimeMs: 1_000,
      memberships: [{ index: 0, membership: foundedBy([n1, n2, n3], "i") }],
    };
    expect(restart(n1, restored, 3, at(0)).commitIndex).toBe(3);
    // So the log can be compacted at once, before anybody has told what is committed.
    expect(compactThrough(restart(n1, restored, 3, at(0)), 2).log.baseIndex).toBe(2);
    expect(() => restart(n1, restored, 4, at(0))).toThrow("holds all that was committed");
  });
});

describe("a leader that is being removed", () => {
  /** Of two voters, n1 wrote an entry that removes it, and crashed before anyone had it. */
  function leaving(): RaftState {
    const both = { index: 0, membership: foundedBy([n1, n2], "i") };
    const other = { index: 2, membership: foundedBy([n2], "i") };
    const restored = {
      hardState: { term: 1, votedFor: n1, commitIndex: 1 },
      log: withTerms(EMPTY_LOG, 1, [1, 1]),
      lastTimeMs: 1_000,
      memberships: [both, other],
    };
    return restart(n1, restored, 0, at(0));
  }

  test("stands until its removal is committed, and has no vote of its own (thesis §4.2.2)", () => {
    // n2 lacks the entry, so n2 cannot win; if n1 would not stand, nobody ever led again.
    const asking = tick(leaving(), at(300));
    expect(asking.ready.messages).toMatchObject([{ to: n2, preVote: true, lastIndex: 2 }]);
    const standing = step(asking.state, yes(n2, 2, true), at(301));
    expect(standing.state.role.kind).toBe("candidate");
    const leading = step(standing.state, yes(n2, 2), at(302));
    expect(leading.state.role.kind).toBe("leader");
    expect(persisted(leading.state, 3, 2, at(303)).state.commitIndex).toBe(1);
  });

  test("pitfall 30: does not answer reads alone, since the other voter alone may go on without it", () => {
    const asking = tick(leaving(), at(300));
    const standing = step(asking.state, yes(n2, 2, true), at(301));
    const leading = step(standing.state, yes(n2, 2), at(302)).state;
    expect(leadsAlone({ ...leading, commitIndex: 3 }, 3)).toBe(false);
  });
});
