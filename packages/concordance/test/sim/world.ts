/**
 * Owns a whole cluster in virtual time: one queue of events, a network that loses, delays, repeats and
 * reorders, disks that take their time, clocks that disagree, and clients that remember what they saw.
 * One seed makes one run, down to the last message.
 */
import { assert } from "../../service/raft/assert.ts";
import {
  foundedBy,
  inForce,
  memberOf,
  membershipAt,
  NOBODY,
} from "../../service/raft/membership.ts";
import { type LogEntry, type Moment, type NodeId, nodeId } from "../../service/raft/types.ts";
import { Laws } from "./laws.ts";
import type { Operation } from "./linearizability.ts";
import type { Command } from "./machine.ts";
import { type Core, freshDisk, type SimMessage, SimNode, type Surroundings } from "./node.ts";
import { Luck } from "./random.ts";

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

const TICK_MS = 20;
const CLIENTS = 3;
const KEYS = ["x", "y"] as const;

export class World implements Surroundings {
  readonly core: Core;
  readonly luck: Luck;
  readonly laws = new Laws();
  readonly nodes = new Map<NodeId, SimNode>();
  readonly histories = new Map<string, Operation[]>();
  nowMs = 0;
  /** 0 = a perfect network and disk. */
  trouble = 1;
  acknowledged = 0;
  /** Of everything that was sent and done, in order: equal for equal seeds. */
  digest = 0;
  readonly #down = new Set<NodeId>();
  readonly #paused = new Map<NodeId, (() => void)[]>();
  readonly #blocked = new Set<string>();
  readonly #wallSkewMs = new Map<NodeId, number>();
  #events: Event[] = [];
  #order = 0;
  #names = 0;
  #writes = 0;

  constructor(seed: number, core: Core) {
    this.core = core;
    this.luck = new Luck(seed);
    const ids = Array.from({ length: 3 }, () => this.#newName());
    for (const id of ids) this.#boot(new SimNode(id, freshDisk(foundedBy(ids, "sim")), this));
    for (let client = 0; client < CLIENTS; client += 1) this.#clientLater();
  }

  runUntil(endMs: number): void {
    for (;;) {
      const next = this.#events[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#pop();
      this.nowMs = next.atMs;
      next.run();
      this.laws.check(this.nodes.values());
    }
    this.nowMs = endMs;
  }

  after(delayMs: number, run: () => void): void {
    this.#push({ atMs: this.nowMs + delayMs, order: this.#order, run });
    this.#order += 1;
  }

  moment(id: NodeId): Moment {
    const wallMs = 1_000_000 + this.nowMs + (this.#wallSkewMs.get(id) ?? 0);
    return { monotonicMs: this.nowMs, wallMs, random: this.luck.next() };
  }

  send(message: SimMessage): void {
    const sender = this.nodes.get(message.from);
    if (sender !== undefined) this.laws.sent(message, sender);
    const { machine: _state, ...text } = message;
    this.digest = Bun.hash.crc32(`${this.nowMs} ${JSON.stringify(text)}`, this.digest);
    const copies = this.luck.chance(0.03 * this.trouble) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (this.luck.chance(0.05 * this.trouble)) continue;
      const slow = this.luck.chance(0.05 * this.trouble) ? this.luck.between(0, 400) : 0;
      const bulk = message.type === "snapshot_offer" ? 20 : 0;
      this.after(this.luck.between(0.2, 3) + slow + bulk, () => this.#arrive(message));
    }
  }

  sync(_id: NodeId, done: () => void): void {
    const slow = this.luck.chance(0.02 * this.trouble) ? this.luck.between(0, 250) : 0;
    this.after(this.luck.between(0.1, 1.5) + slow, done);
  }

  applied(id: NodeId, entry: LogEntry, hash: number): void {
    this.laws.applied(id, entry, hash, this.nodes.values());
  }

  // What can go wrong, and the way back.

  crash(id: NodeId): void {
    if (this.#down.has(id)) return;
    this.#down.add(id);
    this.#paused.delete(id);
    this.nodes.get(id)?.crash();
  }

  restart(id: NodeId): void {
    if (!this.#down.delete(id)) return;
    this.nodes.get(id)?.restart();
  }

  pause(id: NodeId): void {
    if (!this.#paused.has(id)) this.#paused.set(id, []);
  }

  resume(id: NodeId): void {
    const missed = this.#paused.get(id) ?? [];
    this.#paused.delete(id);
    for (const run of missed) this.#at(id, run);
  }

  /** One direction only: what `from` sends does not reach `to`. */
  block(from: NodeId, to: NodeId): void {
    this.#blocked.add(`${from}>${to}`);
  }

  heal(): void {
    this.#blocked.clear();
  }

  skew(id: NodeId, ms: number): void {
    this.#wallSkewMs.set(id, ms);
  }

  /** A new member with an empty disk asks the leader to be added. */
  join(): void {
    const id = this.#newName();
    this.#boot(new SimNode(id, freshDisk(NOBODY), this));
    const member = { nodeId: id, address: null, incarnation: "sim" };
    this.leader()?.change({ kind: "add_learner", member });
  }

  leader(): SimNode | undefined {
    return [...this.nodes.values()]
      .filter(({ id, state }) => !this.#down.has(id) && state.role.kind === "leader")
      .toSorted((a, b) => b.state.term - a.state.term)[0];
  }

  /** Members by the leader's account; everyone when nobody leads. */
  members(): readonly NodeId[] {
    const leader = this.leader();
    if (leader === undefined) return [...this.nodes.keys()];
    return inForce(leader.state.memberships).members.map(({ nodeId: id }) => id);
  }

  calm(): void {
    this.trouble = 0;
    this.heal();
    for (const id of this.nodes.keys()) {
      this.resume(id);
      this.restart(id);
    }
  }

  #newName(): NodeId {
    this.#names += 1;
    return nodeId(`n${this.#names}`);
  }

  #boot(node: SimNode): void {
    this.nodes.set(node.id, node);
    const tick = () => {
      this.#at(node.id, () => node.tick());
      this.after(TICK_MS, tick);
    };
    this.after(this.luck.between(0, TICK_MS), tick);
  }

  /** Runs at a member that is up; a paused one does it later, a crashed one never. */
  #at(id: NodeId, run: () => void): void {
    if (this.#down.has(id)) return;
    const missed = this.#paused.get(id);
    if (missed !== undefined) missed.push(run);
    else run();
  }

  #arrive(message: SimMessage): void {
    if (this.#blocked.has(`${message.from}>${message.to}`)) return;
    const node = this.nodes.get(message.to);
    if (node === undefined || !this.#isWelcome(node, message.from)) return;
    this.#at(message.to, () => node.deliver(message));
  }

  /** The transport refuses removed names, as the real one does. */
  #isWelcome({ state }: SimNode, from: NodeId): boolean {
    return !membershipAt(state.memberships, state.commitIndex).removed.includes(from);
  }

  // Clients: one operation at a time, on two keys, asking again under the same id while it is unknown.

  #clientLater(): void {
    this.after(this.luck.between(5, 60), () => {
      const key = this.luck.pick(KEYS) ?? "x";
      if (this.luck.chance(0.4)) this.#clientRead(key);
      else this.#clientWrite(key);
    });
  }

  #clientRead(key: string): void {
    const node = this.#anyNode();
    const calledMs = this.nowMs;
    this.#at(node.id, () =>
      node.read((served) => {
        if (!served) return;
        const { value, version } = node.machine.read(key);
        this.#record(key, { kind: "read", calledMs, answeredMs: this.nowMs, value, version });
      }),
    );
    this.#clientLater();
  }

  #clientWrite(key: string): void {
    this.#writes += 1;
    const id = `w${this.#writes}`;
    const guess = this.leader()?.machine.read(key).version ?? 0;
    const cas = this.luck.chance(0.3) ? guess : null;
    const command: Command = { id, key, value: id, cas };
    const calledMs = this.nowMs;
    const history = this.#historyOf(key);
    const facts = { kind: "write" as const, calledMs, value: id, cas };
    history.push({ ...facts, answeredMs: Infinity, answer: null });
    let done = false;
    let sent = false;
    const attempt = (left: number) => {
      const node = this.leader() ?? this.#anyNode();
      const again = () => {
        if (left > 0) this.after(this.luck.between(10, 80), () => attempt(left - 1));
        else if (!sent) this.#forget(history, id);
      };
      if (this.#down.has(node.id)) return again();
      this.#at(node.id, () =>
        node.propose(JSON.stringify(command), (answer) => {
          if (done) return;
          if (answer === "unknown") sent = true;
          if (answer === null || answer === "unknown") return again();
          done = true;
          this.acknowledged += 1;
          this.#forget(history, id);
          history.push({ ...facts, answeredMs: this.nowMs, answer });
        }),
      );
    };
    attempt(5);
    this.#clientLater();
  }

  #anyNode(): SimNode {
    const node = this.luck.pick([...this.nodes.values()]);
    assert(node !== undefined, "a cluster has members");
    return node;
  }

  #historyOf(key: string): Operation[] {
    const history = this.histories.get(key) ?? [];
    this.histories.set(key, history);
    return history;
  }

  /** No leader ever took it: it did not happen. */
  #forget(history: Operation[], value: string): void {
    const position = history.findIndex((one) => one.kind === "write" && one.value === value);
    history.splice(position, 1);
  }

  #record(key: string, operation: Operation): void {
    this.#historyOf(key).push(operation);
  }

  // A binary heap, ordered by time and then by the order of scheduling.

  #push(event: Event): void {
    const heap = this.#events;
    heap.push(event);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!earlier(heap, at, parent)) return;
      swap(heap, at, parent);
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#events;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    let at = 0;
    for (;;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < heap.length && earlier(heap, left, least)) least = left;
      if (right < heap.length && earlier(heap, right, least)) least = right;
      if (least === at) return;
      swap(heap, at, least);
      at = least;
    }
  }
}

/** Whether every member in force has applied the same. */
export function converged(world: World): boolean {
  const leader = world.leader();
  if (leader === undefined) return false;
  const { members } = inForce(leader.state.memberships);
  return members.every(({ nodeId: id }) => {
    const node = world.nodes.get(id);
    if (node === undefined || memberOf(inForce(node.state.memberships), id) === undefined)
      return false;
    return leader.machine.index - node.machine.index <= 3;
  });
}

function earlier(heap: readonly Event[], a: number, b: number): boolean {
  const [one, two] = [heap[a], heap[b]];
  if (one === undefined || two === undefined) return false;
  return one.atMs < two.atMs || (one.atMs === two.atMs && one.order < two.order);
}

function swap(heap: Event[], a: number, b: number): void {
  const [one, two] = [heap[a], heap[b]];
  if (one === undefined || two === undefined) return;
  heap[a] = two;
  heap[b] = one;
}
