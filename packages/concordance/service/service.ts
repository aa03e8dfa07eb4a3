/**
 * Owns one member's parts and how they are joined: the only file that names the concrete ones together.
 * Refuses to own: the process (main.ts), and every rule (all other rooms).
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { ClusterApi } from "./cluster-api.ts";
import type { Config } from "./config.ts";
import { sweepExpired } from "./expiry.ts";
import { type ApplyResult, Fsm } from "./fsm.ts";
import { joinCluster } from "./join.ts";
import type { Logger } from "./logger.ts";
import type { OpenMember } from "./member.ts";
import { memberMetrics, TENANTS_SHOWN } from "./metrics.ts";
import type { WireMessage } from "./peer-wire.ts";
import { Peers } from "./peers.ts";
import { snapshotFacts } from "./raft/compactor.ts";
import { RaftDriver } from "./raft/driver.ts";
import { isOutOfTouch } from "./raft/election.ts";
import { inForce, memberOf, membershipAt, successorsOf, votersOf } from "./raft/membership.ts";
import type { Moment, NodeId, SnapshotHeader } from "./raft/types.ts";
import { RaftEngine } from "./raft-engine.ts";
import type { HttpServer } from "./server.ts";
import { Snapshots } from "./snapshots.ts";
import { type Secrets, surfaceOver } from "./surface.ts";
import type { Transport } from "./transport.ts";
import type { StreamHandler } from "./ws.ts";

const HOUSEKEEPING_MS = 1_000;
const now = (): Moment => ({
  monotonicMs: performance.now(),
  wallMs: Date.now(),
  random: Math.random(),
});
const HAND_OVER_MS = 500;
const HAND_OVER_STEP_MS = 2;

export class Service {
  readonly server: HttpServer;
  readonly #opened: OpenMember;
  readonly #transport: Transport;
  readonly #config: Config;
  readonly #log: Logger;
  readonly #driver: RaftDriver<ApplyResult>;
  readonly #peers: Peers;
  readonly #snapshots: Snapshots;
  readonly #stream: StreamHandler;
  readonly #fsm: Fsm;
  #address = "";
  #stopped = false;
  #stopTimers: () => void = () => undefined;

  /** Throws `DataDirectoryUnusable` when disk and state disagree. */
  constructor(
    opened: OpenMember,
    config: Config,
    secrets: Secrets,
    log: Logger,
    onFatal: (error: unknown) => void,
  ) {
    this.#opened = opened;
    this.#transport = secrets.transport;
    this.#config = config;
    this.#log = log;
    this.#fsm = new Fsm(opened.state.store);
    this.#snapshots = new Snapshots(opened.state, log, (index, timeMs) =>
      snapshotFacts(this.#driver.state, index, timeMs),
    );
    this.#peers = this.#makePeers();
    this.#driver = this.#makeDriver(onFatal);
    const { store } = opened.state;
    const addressOf = (id: NodeId) => this.#peers.addressOf(id);
    const engine = new RaftEngine(opened.identity.clusterId, this.#driver, store, addressOf);
    const cluster = new ClusterApi({
      engine,
      driver: this.#driver,
      store,
      snapshots: this.#snapshots,
      flush: () => this.#fsm.flush(),
      addressOf,
    });
    const surface = surfaceOver({
      engine,
      config,
      secrets,
      log,
      members: { cluster, peers: this.#peers, snapshots: this.#snapshots },
      engineMetrics: () => this.#metrics(cluster),
    });
    this.server = surface.server;
    this.#stream = surface.stream;
    this.#fsm.onChanges((changes) => this.#stream.publish(changes));
  }

  /** `host:port` where this member is reached. */
  get address(): string {
    return this.#address;
  }

  /** Begins to take part; a sole voter serves when this returns. */
  start(port: number): void {
    const { host, advertise } = this.#config;
    this.#address = advertise ?? `${hostOf(host)}:${port}`;
    this.#driver.start();
    this.#peers.start();
    const stopSweeping = sweepExpired(this.#driver, this.#opened.state.store, Date.now);
    const housekeeping = setInterval(() => this.#keepHouse(), HOUSEKEEPING_MS);
    this.#stopTimers = () => {
      stopSweeping();
      clearInterval(housekeeping);
    };
  }

  #keepHouse(): void {
    this.#snapshots.forget();
    if (isOutOfTouch(this.#driver.state, now())) this.#stream.sendWatchersAway();
  }

  /** Asks to be added while the cluster does not count this member. Throws `JoinRefused`. */
  async join(seed: string | null): Promise<void> {
    if (seed === null || this.#isMember()) return;
    const { nodeId, incarnation } = this.#opened.identity;
    const request = { nodeId, address: this.#address, incarnation };
    const known = () => [seed, ...this.#memberAddresses()];
    const wanted = () => !this.#stopped && !this.#isMember();
    const access = { apiKey: this.#config.apiKey, transport: this.#transport };
    await joinCluster(known, access, request, wanted);
  }

  /** Lets another voter lead before this one stops, so that writers hardly notice. */
  async handOver(): Promise<void> {
    const [successor] = successorsOf(this.#driver.state);
    if (successor === undefined || !this.#driver.transfer(successor)) return;
    for (let waitedMs = 0; waitedMs < HAND_OVER_MS; waitedMs += HAND_OVER_STEP_MS) {
      if (this.#driver.state.role.kind !== "leader") return;
      await Bun.sleep(HAND_OVER_STEP_MS);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#stopTimers();
    this.#driver.stop();
  }

  #makePeers(): Peers {
    return new Peers({
      identity: this.#opened.identity,
      apiKey: this.#config.apiKey,
      transport: this.#transport,
      address: () => this.#address,
      membership: () => inForce(this.#driver.state.memberships),
      agreed: () => {
        const { memberships, commitIndex } = this.#driver.state;
        return membershipAt(memberships, commitIndex);
      },
      receive: (message) => this.#receive(message),
      lost: (peer) => this.#driver.peerLost(peer),
      learned: (peer, address) => void this.#learned(peer, address),
      log: this.#log,
    });
  }

  #makeDriver(onFatal: (error: unknown) => void): RaftDriver<ApplyResult> {
    const { identity, log, state } = this.#opened;
    const fsm = this.#fsm;
    const peers = this.#peers;
    const snapshots = this.#snapshots;
    const { compactEntries } = this.#config;
    return new RaftDriver<ApplyResult>({
      nodeId: identity.nodeId,
      log,
      machine: {
        get appliedIndex() {
          return state.store.position.appliedIndex;
        },
        get timeMs() {
          return state.store.position.timeMs;
        },
        apply: (entries) => fsm.apply(entries),
        flush: () => fsm.flush(),
        sync: () => state.sync(),
        install: (file) => this.#install(file),
      },
      outbox: {
        send: (message) => peers.send(message),
        offerSnapshot: (header) => this.#offer(header),
        get heldIndex() {
          return snapshots.heldIndex;
        },
      },
      compaction: { entries: compactEntries, tail: Math.floor(compactEntries / 10) },
      now,
      onFatal,
    });
  }

  #receive(message: WireMessage): void {
    if (!this.#isHeard(message)) return;
    if (message.type === "snapshot_offer") void this.#fetch(message);
    else this.#driver.receive(message);
  }

  /**
   * A member that was away may not know whoever leads by now, so strangers are listened to; but not by one that
   * decides alone, and not in the term that this one leads: no true leader can be among them.
   */
  #isHeard({ from, term }: WireMessage): boolean {
    const { memberships, commitIndex, nodeId, role, term: own } = this.#driver.state;
    const current = inForce(memberships);
    const agreed = membershipAt(memberships, commitIndex);
    const isKnown = memberOf(current, from) !== undefined || memberOf(agreed, from) !== undefined;
    if (isKnown) return true;
    const voters = votersOf(current);
    const decidesAlone = voters.length === 1 && voters[0] === nodeId;
    return !decidesAlone && !(role.kind === "leader" && term <= own);
  }

  #offer(header: SnapshotHeader): void {
    const snapshot = this.#snapshots.current(this.#driver.state.log.baseIndex);
    if (snapshot === null) return;
    this.#peers.send({ ...header, snapshot: snapshot.facts, file: snapshot.file });
  }

  async #fetch(offer: WireMessage & { type: "snapshot_offer" }): Promise<void> {
    const { file, from } = offer;
    const address = this.#peers.addressOf(from);
    if (file === undefined || address === null) return;
    if (offer.snapshot.index <= this.#driver.state.commitIndex) return;
    const { http, dial } = this.#transport;
    const url = `${http}://${address}/raft/snapshot/${file.name}`;
    const name = await this.#snapshots.fetch(url, { apiKey: this.#config.apiKey, dial }, file);
    if (name === null || this.#stopped) return;
    this.#driver.receiveSnapshot(offer, name);
    // Gone when it was taken; left when this member had caught up meanwhile.
    rmSync(join(this.#config.dataDir, name), { force: true });
  }

  /** Watchers go on from the change log of the new state, which came with it. */
  #install(file: string): void {
    this.#opened.state.replace(file);
    this.#stream.publish([]);
  }

  /** A member moved: the leader writes it down for those that come later. */
  async #learned(peer: NodeId, address: string): Promise<void> {
    const { role, memberships } = this.#driver.state;
    const known = memberOf(inForce(memberships), peer);
    if (role.kind !== "leader" || known === undefined || known.address === address) return;
    await this.#driver.change({ kind: "set_address", nodeId: peer, address });
  }

  #isMember(): boolean {
    const { memberships } = this.#driver.state;
    return memberOf(inForce(memberships), this.#opened.identity.nodeId) !== undefined;
  }

  #memberAddresses(): readonly string[] {
    const { members } = inForce(this.#driver.state.memberships);
    return members.flatMap(({ address }) => (address === null ? [] : [address]));
  }

  #metrics(cluster: ClusterApi): string {
    const { position, ledger } = this.#opened.state.store;
    const [driver, droppedMessages] = [this.#driver.stats, this.#peers.dropped];
    const tenants = ledger.largest(TENANTS_SHOWN);
    const status = cluster.status();
    return memberMetrics({ status, position, driver, droppedMessages, tenants });
  }
}

/** As it stands in an address: IPv6 in brackets. */
export function hostOf(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
