/**
 * Owns who belongs to a cluster, and how that may change: one member at a time, in force from the moment
 * its entry is appended, taken back when the entry is truncated. Pure. Raft thesis §4.1–4.3, with the
 * correction of 2015: no change before an entry of the leader's own term is committed.
 */
import { assert } from "./assert.ts";
import { type NodeId, nodeId, type RaftState } from "./types.ts";

export interface Member {
  readonly nodeId: NodeId;
  /** `host:port` where its peers reach it, or null before it told anyone. */
  readonly address: string | null;
  /** A learner receives the log and does not count. */
  readonly role: "voter" | "learner";
  /** Made with the data directory: an old name with a new disk is somebody else (pitfall 5). */
  readonly incarnation: string;
}
export interface Membership {
  readonly members: readonly Member[];
  /** Names that were removed. They are never given out again. */
  readonly removed: readonly NodeId[];
}
/** A membership and the index of the entry that brought it. */
export interface MembershipAt {
  readonly index: number;
  readonly membership: Membership;
}

export type Change =
  | { readonly kind: "add_learner"; readonly member: Omit<Member, "role"> }
  | { readonly kind: "promote"; readonly nodeId: NodeId }
  | { readonly kind: "remove"; readonly nodeId: NodeId }
  | { readonly kind: "set_address"; readonly nodeId: NodeId; readonly address: string };
/** Why a change is not possible as asked; asking again as it is will not help. */
export type ChangeProblem = "name_taken" | "unknown_member" | "last_voter" | "nothing_to_do";

export const NOBODY: Membership = { members: [], removed: [] };
const REMOVED_MAX = 1_000;

/** The membership of voters alone, as at the start of a cluster. */
export function foundedBy(
  ids: readonly NodeId[],
  incarnation: string,
  address: string | null = null,
): Membership {
  const members = ids.map((id) => ({ nodeId: id, address, role: "voter" as const, incarnation }));
  return { members, removed: [] };
}

export function memberOf(membership: Membership, id: NodeId): Member | undefined {
  return membership.members.find((member) => member.nodeId === id);
}

export function votersOf(membership: Membership): readonly NodeId[] {
  return membership.members.filter(({ role }) => role === "voter").map(({ nodeId: id }) => id);
}

/** The membership after `change`, or why it cannot be. */
export function changed(membership: Membership, change: Change): Membership | ChangeProblem {
  if (change.kind === "add_learner") return added(membership, change.member);
  const member = memberOf(membership, change.nodeId);
  if (member === undefined) return "unknown_member";
  if (change.kind === "remove") return without(membership, member);
  const next: Member =
    change.kind === "promote"
      ? { ...member, role: "voter" }
      : { ...member, address: change.address };
  if (next.role === member.role && next.address === member.address) return "nothing_to_do";
  const members = membership.members.map((one) => (one === member ? next : one));
  return { ...membership, members };
}

/** Replaces what entries from `firstIndex` on said by `fresh`: truncation takes a change back. */
export function withMemberships(
  history: readonly MembershipAt[],
  firstIndex: number,
  fresh: readonly MembershipAt[],
): readonly MembershipAt[] {
  const kept = history.filter(({ index }) => index < firstIndex);
  assert(kept.length > 0, "a committed membership is never taken back");
  return [...kept, ...fresh];
}

/** What counts now: the latest, committed or not. */
export function inForce(history: readonly MembershipAt[]): Membership {
  const last = history.at(-1);
  assert(last !== undefined, "the base carries a membership");
  return last.membership;
}

export function currentVoters({ memberships }: Pick<RaftState, "memberships">): readonly NodeId[] {
  return votersOf(inForce(memberships));
}

/** Whether no other vote is needed. A leader that is being removed has no vote of its own. */
export function isMajorityAlone(state: Pick<RaftState, "memberships" | "nodeId">): boolean {
  const voters = currentVoters(state);
  return voters.length === 1 && voters[0] === state.nodeId;
}

/** What was in force at `index`, at or after the base. */
export function membershipAt(history: readonly MembershipAt[], index: number): Membership {
  const found = history.findLast((one) => one.index <= index);
  assert(found !== undefined, "the base carries a membership");
  return found.membership;
}

/**
 * Whether a member may stand for election: a voter may, and so may one whose removal is not known to be
 * committed, since until then it may be the only one whose log can win (thesis §4.2.2). It asks for the
 * votes of the membership in force, in which its own does not count.
 */
export function mayStand({
  memberships,
  commitIndex,
  nodeId: id,
}: Pick<RaftState, "memberships" | "commitIndex" | "nodeId">): boolean {
  const agreed = membershipAt(memberships, commitIndex);
  return votersOf(inForce(memberships)).includes(id) || votersOf(agreed).includes(id);
}

export function encodeMembership(membership: Membership): string {
  return JSON.stringify(membership);
}

/** Reads what `encodeMembership` wrote; anything else is a broken log. */
export function decodeMembership(text: string): Membership {
  const { members, removed } = JSON.parse(text) as Membership;
  assert(Array.isArray(members) && Array.isArray(removed), "a membership entry lists its members");
  return { members, removed: removed.map(nodeId) };
}

function added(membership: Membership, fresh: Omit<Member, "role">): Membership | ChangeProblem {
  if (membership.removed.includes(fresh.nodeId)) return "name_taken";
  const known = memberOf(membership, fresh.nodeId);
  if (known === undefined) {
    return { ...membership, members: [...membership.members, { ...fresh, role: "learner" }] };
  }
  return known.incarnation === fresh.incarnation ? "nothing_to_do" : "name_taken";
}

function without(membership: Membership, gone: Member): Membership | ChangeProblem {
  const voters = votersOf(membership);
  if (voters.length === 1 && voters[0] === gone.nodeId) return "last_voter";
  const members = membership.members.filter((one) => one !== gone);
  return { members, removed: [...membership.removed, gone.nodeId].slice(-REMOVED_MAX) };
}

/** Voters beside this one, best informed first: who could take over. */
export function successorsOf(state: RaftState): readonly NodeId[] {
  const { role } = state;
  if (role.kind !== "leader") return [];
  const matched = (id: NodeId) => role.peers.get(id)?.matchIndex ?? 0;
  const others = currentVoters(state).filter((id) => id !== state.nodeId);
  return others.toSorted((a, b) => matched(b) - matched(a));
}
