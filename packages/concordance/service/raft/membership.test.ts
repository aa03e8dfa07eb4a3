import { describe, expect, test } from "bun:test";
import {
  changed,
  decodeMembership,
  encodeMembership,
  foundedBy,
  inForce,
  isMajorityAlone,
  type Membership,
  mayStand,
  memberOf,
  votersOf,
  withMemberships,
} from "./membership.ts";
import { nodeId } from "./types.ts";

const [n1, n2, n3, n4] = [nodeId("n1"), nodeId("n2"), nodeId("n3"), nodeId("n4")];
const three = foundedBy([n1, n2, n3], "first");
const newcomer = { nodeId: n4, address: "127.0.0.1:4", incarnation: "fourth" };

function grown(): Membership {
  const next = changed(three, { kind: "add_learner", member: newcomer });
  if (typeof next === "string") throw new Error(next);
  return next;
}

describe("membership (thesis §4)", () => {
  test("pitfall 27: who joins does not vote until promoted", () => {
    expect(votersOf(grown())).toEqual([n1, n2, n3]);
    const promoted = changed(grown(), { kind: "promote", nodeId: n4 });
    expect(votersOf(promoted as Membership)).toEqual([n1, n2, n3, n4]);
  });

  test("pitfall 5: a known name with another disk is somebody else", () => {
    const same = { nodeId: n1, address: null, incarnation: "first" };
    expect(changed(three, { kind: "add_learner", member: same })).toBe("nothing_to_do");
    const wiped = { ...same, incarnation: "second" };
    expect(changed(three, { kind: "add_learner", member: wiped })).toBe("name_taken");
  });

  test("a name that was removed is never given out again, whatever disk is behind it", () => {
    const left = changed(three, { kind: "remove", nodeId: n3 }) as Membership;
    expect(memberOf(left, n3)).toBeUndefined();
    for (const incarnation of ["first", "other"]) {
      const member = { nodeId: n3, address: null, incarnation };
      expect(changed(left, { kind: "add_learner", member })).toBe("name_taken");
    }
  });

  test("the last voter cannot be removed, and nobody unknown can be changed", () => {
    const alone = foundedBy([n1], "first");
    expect(changed(alone, { kind: "remove", nodeId: n1 })).toBe("last_voter");
    expect(changed(alone, { kind: "promote", nodeId: n2 })).toBe("unknown_member");
    expect(changed(alone, { kind: "promote", nodeId: n1 })).toBe("nothing_to_do");
  });

  test("pitfall 26: a change is in force from append, and taken back when it is truncated", () => {
    const base = [{ index: 0, membership: three }];
    const appended = withMemberships(base, 5, [{ index: 5, membership: grown() }]);
    expect(inForce(appended)).toEqual(grown());
    expect(inForce(withMemberships(appended, 5, []))).toEqual(three);
    expect(() => withMemberships(base, 0, [])).toThrow("never taken back");
  });

  test("pitfall 28: who is being removed stands until that is committed, and is no majority", () => {
    const both = { index: 0, membership: foundedBy([n1, n2], "first") };
    const memberships = [both, { index: 7, membership: foundedBy([n2], "first") }];
    expect(mayStand({ nodeId: n1, memberships, commitIndex: 6 })).toBe(true);
    expect(mayStand({ nodeId: n1, memberships, commitIndex: 7 })).toBe(false);
    expect(isMajorityAlone({ nodeId: n1, memberships })).toBe(false);
    expect(isMajorityAlone({ nodeId: n2, memberships })).toBe(true);
  });

  test("goes through its text form unchanged; anything else is a broken log", () => {
    expect(decodeMembership(encodeMembership(grown()))).toEqual(grown());
    expect(() => decodeMembership('{"members":1}')).toThrow("lists its members");
  });
});
