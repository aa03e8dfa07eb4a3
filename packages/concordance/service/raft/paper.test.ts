import { describe, expect, test } from "bun:test";
import { Cluster } from "../../test/cluster.ts";
import { foundedBy } from "./membership.ts";
import { step } from "./node.ts";
import { type Moment, nodeId, TIMING } from "./types.ts";

/*
 * What Ongaro's thesis claims, section by section, as this core does it. Each is one small case; that none of
 * them fails in company is the simulation's to show.
 */
const [n1, n2, n3] = [nodeId("n1"), nodeId("n2"), nodeId("n3")];
const at = (monotonicMs: number, random = 0): Moment => ({ monotonicMs, wallMs: 1_000, random });

/** All that is in flight between two members arrives; answers wait until they are asked for. */
function deliver(cluster: Cluster, from: string, to: string, nowMs: number): void {
  const due = cluster.network.filter((one) => one.from === from && one.to === to);
  for (const message of due) cluster.network.splice(cluster.network.indexOf(message), 1);
  for (const message of due) cluster.deliver(message, at(nowMs));
}

/** n1 leads n2 and n3, and its no-op is committed. */
function led(): Cluster {
  const cluster = new Cluster([n1, n2, n3], at(0));
  cluster.tick(n1, at(150));
  for (let turn = 0; turn < 4; turn += 1) {
    deliver(cluster, n1, n2, 150);
    deliver(cluster, n2, n1, 150);
    cluster.synced(n1);
  }
  cluster.network.splice(0);
  expect(cluster.member(n1).state).toMatchObject({ role: { kind: "leader" }, commitIndex: 1 });
  return cluster;
}

describe("Raft, as the thesis has it", () => {
  test("§3.3: whoever sees a newer term follows it; whoever speaks of an older one is refused", () => {
    const cluster = led();
    const vote = { type: "vote_reply", from: n3, to: n1, term: 9, preVote: false, granted: false };
    cluster.deliver(vote as Parameters<Cluster["deliver"]>[0], at(160));
    expect(cluster.member(n1).state).toMatchObject({ term: 9, role: { kind: "follower" } });
    const place = { prevIndex: 1, prevTerm: 1, throughIndex: 1, commitIndex: 1, entries: [] };
    const old = { type: "append_request", from: n2, to: n1, term: 8, round: 1, ...place } as const;
    expect(step(cluster.member(n1).state, old, at(161)).ready.messages).toMatchObject([
      { success: false, term: 9 },
    ]);
  });

  test("§3.4: election timeouts are drawn between 150 and 300 ms, anew for each election", () => {
    const cluster = new Cluster([n1, n2, n3], at(0, 0.5));
    const dueMs = () => cluster.member(n1).state.electionDueMs;
    expect(dueMs()).toBe(225);
    cluster.tick(n1, at(225, 0.9));
    expect(dueMs()).toBe(225 + 285);
  });

  test("§3.5: an entry is accepted only behind the entry it was written behind", () => {
    const cluster = led();
    const entry = { index: 5, term: 1, kind: "command", timeMs: 1_000, payload: "" } as const;
    const place = { prevIndex: 4, prevTerm: 1, throughIndex: 5, commitIndex: 1 };
    const header = { type: "append_request", from: n1, to: n2, term: 1, round: 9 } as const;
    cluster.deliver({ ...header, ...place, entries: [entry] }, at(160));
    expect(cluster.member(n2).state.log.lastIndex).toBe(1);
    expect(cluster.network).toMatchObject([{ success: false, hintIndex: 2 }]);
  });

  test("§3.6.1: a vote goes to nobody whose log is behind", () => {
    const cluster = led();
    const ask = { type: "vote_request", from: n3, to: n2, term: 2, transfer: false } as const;
    cluster.deliver({ ...ask, preVote: false, lastIndex: 0, lastTerm: 0 }, at(500));
    expect(cluster.network).toMatchObject([{ type: "vote_reply", granted: false }]);
  });

  test("§3.8: term, vote and entries are on disk before anybody hears of them", () => {
    const cluster = new Cluster([n1, n2, n3], at(0));
    const ask = { type: "vote_request", from: n3, to: n2, term: 1, transfer: false } as const;
    const ready = cluster.deliver({ ...ask, preVote: false, lastIndex: 0, lastTerm: 0 }, at(1));
    expect(ready).toMatchObject({
      hardState: { term: 1, votedFor: n3 },
      messages: [{ granted: true }],
    });
  });

  test("§3.9: a heartbeat may be lost without an election, and an election may fail without a proposal's end", () => {
    const { heartbeatIntervalMs, electionTimeoutMinMs, electionTimeoutMaxMs } = TIMING;
    expect(2 * heartbeatIntervalMs).toBeLessThan(electionTimeoutMinMs);
    expect(10 * electionTimeoutMaxMs).toBeLessThan(TIMING.proposalTimeoutMs);
  });

  test("§3.10: the successor is told to stand once it has the whole log, and proposals wait for it", () => {
    const cluster = led();
    expect(cluster.transfer(n1, n2, at(200))?.messages).toMatchObject([{ type: "timeout_now" }]);
    expect(cluster.propose(n1, ["late"], at(201))).toBeNull();
    cluster.network.splice(0);
    expect(cluster.transfer(n1, n3, at(202))?.messages).toEqual([]);
  });

  test("§4.1: one change at a time, in force from the moment it is appended", () => {
    const cluster = led();
    cluster.change(n1, { kind: "remove", nodeId: n3 }, at(200));
    expect(cluster.member(n1).state.memberships.at(-1)).toMatchObject({ index: 2 });
    expect(cluster.change(n1, { kind: "remove", nodeId: n2 }, at(201))).toBe("busy");
    // Two voters now: the other one's answer, and the own sync, are a majority.
    cluster.synced(n1);
    deliver(cluster, n1, n2, 202);
    deliver(cluster, n2, n1, 202);
    expect(cluster.member(n1).state.commitIndex).toBe(2);
  });

  test("§5: a state stands for the log beneath it, and the log behind it stays where it agrees", () => {
    const { state } = led().member(n2);
    const snapshot = { lastTerm: 1, timeMs: 1_000, membership: foundedBy([n1, n2, n3], "s") };
    const offer = { type: "snapshot_offer", from: n1, to: n2, term: 1, round: 9 } as const;
    const behind = step(state, { ...offer, snapshot: { ...snapshot, index: 1 } }, at(200));
    expect(behind.state.log.lastIndex).toBe(1);
    const ahead = step(state, { ...offer, snapshot: { ...snapshot, index: 7 } }, at(200));
    expect(ahead.state.log).toMatchObject({ baseIndex: 7, lastIndex: 7 });
    expect(ahead.ready.messages).toMatchObject([{ success: true, matchIndex: 7 }]);
  });

  test("§6.2: a leader that no majority answers for an election timeout stops leading", () => {
    const cluster = led();
    cluster.tick(n1, at(150 + TIMING.electionTimeoutMaxMs));
    expect(cluster.member(n1).state.role.kind).toBe("leader");
    cluster.tick(n1, at(151 + TIMING.electionTimeoutMaxMs));
    expect(cluster.member(n1).state.role.kind).toBe("follower");
  });

  test("§6.4: a read waits for a round of messages that began after it was asked for", () => {
    const cluster = led();
    cluster.read(n1, at(200));
    expect(cluster.verdict(n1)).toBe("waiting");
    deliver(cluster, n1, n3, 201);
    deliver(cluster, n3, n1, 201);
    expect(cluster.verdict(n1)).toBe("confirmed");
  });

  test("§9.6: asking beforehand raises no term, and is refused while a leader is heard", () => {
    const cluster = led();
    cluster.tick(n3, at(400));
    expect(cluster.member(n3).state).toMatchObject({ term: 0, role: { preVote: true } });
    const asked = cluster.network.find((one) => one.to === n2);
    if (asked === undefined) throw new Error("n2 is asked");
    expect(step(cluster.member(n2).state, asked, at(200)).ready.messages).toEqual([]);
    expect(step(cluster.member(n2).state, asked, at(401)).ready.messages).toMatchObject([
      { granted: false, preVote: true },
    ]);
  });

  test("§10.2.1: followers may have an entry before the leader does, and commit it without the leader's disk", () => {
    const cluster = led();
    cluster.tick(n1, at(200));
    for (let turn = 0; turn < 3; turn += 1) {
      deliver(cluster, n1, n3, 201);
      deliver(cluster, n3, n1, 201);
    }
    cluster.network.splice(0);
    const proposed = cluster.propose(n1, ["a"], at(202));
    expect(proposed?.messages).toMatchObject([
      { type: "append_request", to: n2, throughIndex: 2 },
      { type: "append_request", to: n3, throughIndex: 2 },
    ]);
    for (const follower of [n2, n3]) {
      expect(cluster.member(n1).state.commitIndex).toBe(1);
      deliver(cluster, n1, follower, 203);
      deliver(cluster, follower, n1, 203);
    }
    expect(cluster.member(n1).state).toMatchObject({ durableIndex: 1, commitIndex: 2 });
  });
});
