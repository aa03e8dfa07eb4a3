/**
 * Owns the failover rows: a writer at each member, one write after another with a short timeout; the leader is
 * signalled, and the longest gap between two accepted writes is what a client would have noticed.
 */
import type { Board } from "./board.ts";
import { type Cluster, type Member, type Subject, send, until } from "./subject.ts";

export type Blow = "SIGKILL" | "SIGSTOP" | "SIGTERM";

const REQUEST_TIMEOUT_MS = 100;
const BACK_OFF_MS = 2;
const QUIET_MS = 1_500;
/** Answers that were under way when the leader was struck may still arrive within this. */
const ECHO_MS = 100;
/** After writes are accepted again, so that a second gap is seen too. */
const AFTERWARDS_MS = 500;

export async function benchFailover(
  subject: Subject,
  blow: Blow,
  rounds: number,
  board: Board,
): Promise<void> {
  const cluster = await subject.start();
  const writers = new Writers(subject, cluster);
  try {
    const gaps: number[] = [];
    for (let round = 0; round < rounds; round += 1) gaps.push(await strike(cluster, writers, blow));
    await writers.stop();
    board.record("failover-lost", subject.name, await writers.lost());
    for (const gap of gaps) board.record(`failover-${blow}`, subject.name, gap);
    if (blow === "SIGKILL") {
      board.record("failover-SIGKILL-max", subject.name, Math.max(...gaps));
    }
    process.stderr.write(`${subject.name}: ${blow}: ${gaps.map(Math.round).join(" ")} ms\n`);
  } finally {
    await writers.stop();
    for (const member of cluster.members) member.signal("SIGCONT");
    await cluster.stop();
  }
}

/** One leader less for a while; answers the longest gap. */
async function strike(cluster: Cluster, writers: Writers, blow: Blow): Promise<number> {
  await Bun.sleep(QUIET_MS);
  const leader = await cluster.leader();
  writers.beginWindow();
  const struckMs = performance.now();
  leader.signal(blow);
  await until(
    "writes are accepted again",
    async () => writers.acceptedSince(struckMs + ECHO_MS),
    2,
  );
  await Bun.sleep(AFTERWARDS_MS);
  const gap = writers.longestGapMs();
  if (blow === "SIGSTOP") leader.signal("SIGCONT");
  else {
    await leader.ended;
    cluster.restart(leader.name);
  }
  await until("all members are ready", async () => {
    const ready = await Promise.all(cluster.members.map((member) => cluster.ready(member)));
    return ready.every(Boolean);
  });
  return gap;
}

/** One writer a member, each with its own key and a number that only grows. */
class Writers {
  readonly #subject: Subject;
  readonly #cluster: Cluster;
  readonly #acknowledged = new Map<string, number>();
  readonly #loops: readonly Promise<void>[];
  #accepted: number[] = [];
  #running = true;

  constructor(subject: Subject, cluster: Cluster) {
    this.#subject = subject;
    this.#cluster = cluster;
    this.#loops = cluster.members.map(({ name }) => this.#write(name));
  }

  beginWindow(): void {
    this.#accepted = this.#accepted.slice(-1);
  }

  acceptedSince(ms: number): boolean {
    return (this.#accepted.at(-1) ?? 0) > ms;
  }

  longestGapMs(): number {
    const gaps = this.#accepted.map((ms, index) => ms - (this.#accepted[index - 1] ?? ms));
    return Math.max(...gaps);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#loops);
  }

  /** Of the writers' last acknowledged numbers, how many the cluster no longer holds. */
  async lost(): Promise<number> {
    const leader = await this.#cluster.leader();
    let lost = 0;
    for (const [name, acknowledged] of this.#acknowledged) {
      const stored = await numberAt(this.#subject, leader, `writer-${name}`);
      if (stored < acknowledged) lost += 1;
    }
    return lost;
  }

  async #write(name: string): Promise<void> {
    for (let number = 1; this.#running; number += 1) {
      const member = this.#cluster.members.find((one) => one.name === name);
      const accepted = member !== undefined && (await this.#accepts(member, name, number));
      if (!accepted) await Bun.sleep(BACK_OFF_MS);
    }
  }

  async #accepts(member: Member, name: string, number: number): Promise<boolean> {
    const request = this.#subject.put(`writer-${name}`, String(number));
    const response = await send(member, request, REQUEST_TIMEOUT_MS).catch(() => null);
    await response?.arrayBuffer().catch(() => undefined);
    if (response?.status !== 200) return false;
    this.#accepted.push(performance.now());
    this.#acknowledged.set(name, number);
    return true;
  }
}

/** The number stored under a key, or 0. */
export async function numberAt(subject: Subject, member: Member, key: string): Promise<number> {
  const response = await send(member, subject.get(key, "linearizable"));
  const body = (await response.json()) as {
    readonly value?: string;
    readonly kvs?: readonly { readonly value: string }[];
  };
  const [found] = body.kvs ?? [];
  const text = found === undefined ? (body.value ?? "0") : Buffer.from(found.value, "base64");
  return Number(text.toString());
}
