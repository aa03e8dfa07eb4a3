/** Owns the load rows: puts, reads and lists at several client counts, on a fresh store, at the leader. */
import type { Board, Column } from "./board.ts";
import { metricOf } from "./concordance.ts";
import { etcdKey } from "./etcd.ts";
import { h2load, PUT, putMessage, RANGE, rangeMessage } from "./grpc.ts";
import { type NativeLoad, nativeLoad } from "./native.ts";
import { cpuMsOf } from "./processes.ts";
import {
  type Cluster,
  type Consistency,
  KEYS,
  keyName,
  type Member,
  randomValue,
  type Subject,
  send,
} from "./subject.ts";
import { type Load, wrk } from "./wrk.ts";

const PREPARED = 500;
const WARM_UP_SECONDS = 1;
const LIST_PREFIX_DIGITS = 2;

export interface Plan {
  readonly seconds: number;
  readonly puts: readonly number[];
  readonly gets: boolean;
  readonly lists: boolean;
}

export async function benchThroughput(subject: Subject, plan: Plan, board: Board): Promise<void> {
  const cluster = await subject.start();
  try {
    const cells = new Cells(subject, cluster, await cluster.leader(), plan.seconds, board);
    for (const clients of plan.puts) await cells.put(clients);
    if (plan.gets || plan.lists) await fill(subject, await cluster.leader());
    if (plan.gets) {
      for (const clients of [1, 64]) await cells.get("linearizable", clients);
      await cells.get("local", 64);
    }
    if (plan.lists) await cells.list(64);
    if (subject.name === "Concordance") await cells.stall();
  } finally {
    await cluster.stop();
  }
}

class Cells {
  readonly #subject: Subject;
  readonly #cluster: Cluster;
  readonly #leader: Member;
  readonly #seconds: number;
  readonly #board: Board;

  constructor(subject: Subject, cluster: Cluster, leader: Member, seconds: number, board: Board) {
    this.#subject = subject;
    this.#cluster = cluster;
    this.#leader = leader;
    this.#seconds = seconds;
    this.#board = board;
  }

  async put(clients: number): Promise<void> {
    const requests = prepared(() => this.#subject.put(randomKey(), randomValue()));
    const before = await this.#cluster.revision();
    const load = await this.#http(requests, clients, "put");
    // Each answered put is a revision: a redirect or an answer without a write would show here.
    const grown = (await this.#cluster.revision()) - before;
    if (grown < load.requests) throw new Error(`${grown} revisions for ${load.requests} puts`);
    this.#put(this.#subject.name, clients, load);
    if (this.#subject.name !== "etcd") return;
    this.#put("etcd gRPC", clients, await this.#native("put", clients));
    const message = putMessage(etcdKey(randomKey()), randomValue());
    this.#put("etcd h2load", clients, await this.#cheap(PUT, message, clients));
  }

  async get(consistency: Consistency, clients: number): Promise<void> {
    const requests = prepared(() => this.#subject.get(randomKey(), consistency));
    const load = await this.#http(requests, clients, consistency);
    this.#get(this.#subject.name, consistency, clients, load);
    if (this.#subject.name !== "etcd") return;
    this.#get("etcd gRPC", consistency, clients, await this.#native(consistency, clients));
    const message = rangeMessage(etcdKey(randomKey()), consistency === "local");
    this.#get("etcd h2load", consistency, clients, await this.#cheap(RANGE, message, clients));
  }

  async list(clients: number): Promise<void> {
    const requests = prepared(() => this.#subject.list(randomKey().slice(0, -LIST_PREFIX_DIGITS)));
    const load = await this.#http(requests, clients, "list");
    this.#board.record("list-64-rate", this.#subject.name, load.perSecond);
  }

  async stall(): Promise<void> {
    const loop = await metricOf(this.#leader, "event_loop_longest_stall_seconds");
    this.#board.record("stall-load", "Concordance", loop * 1_000);
    const work = await metricOf(this.#leader, "raft_longest_stall_seconds");
    this.#board.record("stall-work", "Concordance", work * 1_000);
  }

  #put(column: Column, clients: number, load: Load): void {
    if (clients !== 1) this.#board.record(`put-${clients}-rate`, column, load.perSecond);
    if (clients === 1) this.#board.record("put-1-p50", column, load.p50Ms);
    if (clients === 1) this.#board.record("put-1-p99", column, load.p99Ms);
    if (clients === 64) this.#board.record("put-64-p99", column, load.p99Ms);
  }

  #get(column: Column, consistency: Consistency, clients: number, load: Load): void {
    if (clients === 1) this.#board.record(`${consistency}-1-p50`, column, load.p50Ms);
    else this.#board.record(`${consistency}-${clients}-rate`, column, load.perSecond);
  }

  async #http(requests: Parameters<typeof wrk>[1], clients: number, row: string): Promise<Load> {
    await wrk(this.#leader, requests, clients, WARM_UP_SECONDS);
    const beforeMs = cpuMsOf(this.#cluster.members);
    const load = await wrk(this.#leader, requests, clients, this.#seconds);
    const cpuMicros = ((cpuMsOf(this.#cluster.members) - beforeMs) * 1_000) / load.requests;
    if (clients === 64 && (row === "put" || row === "local")) {
      this.#board.record(`${row}-64-cpu`, this.#subject.name, cpuMicros);
    }
    progress(this.#subject.name, `${row} ${clients}`, load, cpuMicros);
    return load;
  }

  async #native(operation: NativeLoad["operation"], clients: number): Promise<Load> {
    const load = await nativeLoad(this.#leader, {
      operation,
      clients,
      warmUpSeconds: WARM_UP_SECONDS,
      seconds: this.#seconds,
      keys: prepared(() => etcdKey(randomKey())),
      values: prepared(randomValue),
    });
    progress("etcd gRPC", `${operation} ${clients}`, load, Number.NaN);
    return load;
  }

  async #cheap(path: string, message: Uint8Array, clients: number): Promise<Load> {
    await h2load(this.#leader, path, message, clients, WARM_UP_SECONDS);
    const load = await h2load(this.#leader, path, message, clients, this.#seconds);
    progress("etcd h2load", `${path} ${clients}`, load, Number.NaN);
    return load;
  }
}

/** Every key once, so that each read finds one. */
async function fill(subject: Subject, leader: Member): Promise<void> {
  await fillKeys(subject, leader, KEYS);
}

export async function fillKeys(subject: Subject, leader: Member, count: number): Promise<void> {
  let next = 0;
  const writer = async () => {
    while (next < count) {
      const key = keyName(next);
      next += 1;
      const response = await send(leader, subject.put(key, randomValue()), 30_000);
      if (!response.ok) throw new Error(`${subject.name} refused ${key}: ${response.status}`);
      await response.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: 64 }, writer));
}

function prepared<T>(make: () => T): readonly T[] {
  return Array.from({ length: PREPARED }, make);
}

function randomKey(): string {
  return keyName(Math.floor(Math.random() * KEYS));
}

function progress(name: string, row: string, load: Load, cpuMicros: number): void {
  const { perSecond, p50Ms, p99Ms } = load;
  const rate = `${perSecond.toFixed(0)}/s, p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(1)} ms`;
  process.stderr.write(`${name}: ${row}: ${rate}, ${cpuMicros.toFixed(0)} µs CPU\n`);
}
