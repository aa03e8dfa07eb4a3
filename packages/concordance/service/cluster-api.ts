/**
 * Owns what an operator asks of a cluster: its status, joining, promoting, removing, handing leadership
 * over. Refuses to own: the rules of membership (raft/membership.ts), and the data (api.ts).
 */
import type { ClusterMember, ClusterStatus, JoinRequest } from "../shared/protocol.ts";
import type { KvStore } from "../shared/store.ts";
import { backupBytes } from "./backup.ts";
import type { ApplyResult } from "./fsm.ts";
import type { RaftDriver } from "./raft/driver.ts";
import { type Change, inForce, memberOf, successorsOf } from "./raft/membership.ts";
import type { ChangeOutcome } from "./raft/ports.ts";
import { type NodeId, nodeId } from "./raft/types.ts";
import type { RaftEngine } from "./raft-engine.ts";
import { Refusal } from "./refusal.ts";
import type { Snapshots } from "./snapshots.ts";

export interface ClusterParts {
  readonly engine: RaftEngine;
  readonly driver: RaftDriver<ApplyResult>;
  readonly store: KvStore;
  readonly snapshots: Snapshots;
  /** Writes what was applied to the file that a copy is taken of. */
  readonly flush: () => void;
  readonly addressOf: (id: NodeId) => string | null;
}

/** Another change is still being agreed on: it takes a round trip, so a short wait settles it. */
const BUSY_TRIES = 100;
const BUSY_WAIT_MS = 20;

export class ClusterApi {
  readonly #parts: ClusterParts;

  constructor(parts: ClusterParts) {
    this.#parts = parts;
  }

  status(): ClusterStatus {
    const { engine, driver, store, addressOf } = this.#parts;
    const { nodeId: id, role, term, leaderId, commitIndex, memberships } = driver.state;
    const { members, removed } = inForce(memberships);
    const isLearner = members.some((one) => one.nodeId === id && one.role === "learner");
    const matchOf = (other: NodeId) => {
      if (role.kind !== "leader") return {};
      const matchIndex =
        other === id ? driver.state.durableIndex : role.peers.get(other)?.matchIndex;
      return matchIndex === undefined ? {} : { matchIndex };
    };
    return {
      clusterId: engine.clusterId,
      nodeId: id,
      role: isLearner ? "learner" : role.kind,
      term,
      leaderId,
      leaderAddress: leaderId === null ? null : addressOf(leaderId),
      commitIndex,
      appliedIndex: store.position.appliedIndex,
      members: members.map(
        (one): ClusterMember => ({
          nodeId: one.nodeId,
          address: addressOf(one.nodeId),
          voter: one.role === "voter",
          role: one.role,
          ...matchOf(one.nodeId),
        }),
      ),
      removed,
    };
  }

  /** Adds a learner; the leader promotes it once it has caught up. Asking again is harmless. */
  async join({ nodeId: id, address, incarnation }: JoinRequest): Promise<string> {
    await this.#tellOwnAddress();
    const member = { nodeId: nodeId(id), address, incarnation };
    await this.#change({ kind: "add_learner", member }, id);
    return JSON.stringify(this.status());
  }

  async remove(id: NodeId): Promise<string> {
    await this.#change({ kind: "remove", nodeId: id }, id);
    return JSON.stringify(this.status());
  }

  async promote(id: NodeId): Promise<string> {
    await this.#change({ kind: "promote", nodeId: id }, id);
    return JSON.stringify(this.status());
  }

  /** What this member has applied, as one file that proves itself (backup.ts). */
  async backup(): Promise<AsyncGenerator<Uint8Array>> {
    const { engine, driver, snapshots, flush } = this.#parts;
    flush();
    const loan = snapshots.copyForBackup();
    const begun = await loan.begun;
    const from = { clusterId: engine.clusterId, nodeId: driver.state.nodeId };
    return backupBytes({ ...from, createdAt: Date.now(), ...begun }, loan);
  }

  /** To `id`, or to whoever is best informed. Answers once it has begun. */
  transfer(id: NodeId | null): string {
    const { driver, engine } = this.#parts;
    if (driver.state.role.kind !== "leader") throw engine.noLeader();
    const to = id ?? successorsOf(driver.state)[0];
    if (to !== undefined && driver.transfer(to)) return JSON.stringify({ ok: true, to });
    const why =
      id === null ? "There is no other voter to take over." : `${id} is not another voter.`;
    throw new Refusal("change_refused", why);
  }

  /** Members that come later must find this one; alone it had nobody to tell. */
  async #tellOwnAddress(): Promise<void> {
    const { driver, addressOf } = this.#parts;
    const { memberships, nodeId: id } = driver.state;
    const address = addressOf(id);
    const known = memberOf(inForce(memberships), id)?.address ?? null;
    if (address === null || address === known) return;
    await this.#change({ kind: "set_address", nodeId: id, address }, id);
  }

  async #change(change: Change, id: string): Promise<void> {
    const { driver, engine } = this.#parts;
    for (let attempt = 0; attempt < BUSY_TRIES; attempt += 1) {
      const outcome = await driver.change(change);
      if (outcome === "done" || outcome === "nothing_to_do") return;
      if (outcome === "not_leader") throw engine.noLeader();
      if (outcome !== "busy") throw refused(outcome, id);
      await Bun.sleep(BUSY_WAIT_MS);
    }
    throw new Refusal("overloaded", "Another membership change is still under way; retry.");
  }
}

function refused(outcome: Exclude<ChangeOutcome, "done">, id: string): Refusal {
  if (outcome === "unknown") {
    return new Refusal(
      "outcome_unknown",
      "Leadership was lost meanwhile; look at the status, then ask again.",
    );
  }
  const reasons: Readonly<Record<string, string>> = {
    name_taken: `The name ${id} was used before, by another data directory. If its data is lost, POST /api/v1/cluster/remove {"nodeId":"${id}"}; then start with an empty directory and a name never used`,
    unknown_member: `There is no member ${id}`,
    last_voter: `${id} is the only voter; promote another member first`,
    not_caught_up: `${id} has not caught up with the log yet; wait and ask again`,
  };
  return new Refusal("change_refused", `${reasons[outcome] ?? outcome}.`, { reason: outcome });
}
