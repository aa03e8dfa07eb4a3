/** Owns the rows about trouble: every member killed at once, one follower gone, keys that expire. */
import { quantile } from "../support/table.ts";
import type { Board } from "./board.ts";
import { numberAt } from "./failover.ts";
import {
  type Cluster,
  KEYS,
  keyName,
  type Member,
  randomValue,
  type Subject,
  send,
  until,
} from "./subject.ts";
import { wrk } from "./wrk.ts";

const WRITERS = 16;
const BURST_MS = 400;
const POLL_MS = 5;
const EXPIRING_KEYS = 20;
/** Each system's smallest useful one: etcd grants no less than two seconds with its default timings. */
const TTL_MS = { etcd: 2_000, Concordance: 500 } as const;

/** Kill -9 to all three in the middle of a burst: what was acknowledged must be there afterwards. */
export async function benchKillAll(subject: Subject, rounds: number, board: Board): Promise<void> {
  const cluster = await subject.start();
  try {
    const acknowledged = new Map<string, number>();
    for (let round = 1; round <= rounds; round += 1) {
      await burst(subject, cluster, round * 1_000_000, acknowledged);
      for (const { name } of cluster.members) cluster.restart(name);
      const leader = await cluster.leader();
      await until("the leader is ready", () => cluster.ready(leader));
      let lost = 0;
      for (const [key, number] of acknowledged) {
        if ((await numberAt(subject, await cluster.leader(), key)) < number) lost += 1;
      }
      board.record("kill-all-lost", subject.name, lost);
    }
  } finally {
    await cluster.stop();
  }
}

async function burst(
  subject: Subject,
  cluster: Cluster,
  from: number,
  acknowledged: Map<string, number>,
): Promise<void> {
  const leader = await cluster.leader();
  let running = true;
  const write = async (_: unknown, writer: number) => {
    const key = `burst-${writer}`;
    for (let number = from; running; number += 1) {
      const answer = await send(leader, subject.put(key, String(number)), 1_000).catch(() => null);
      await answer?.arrayBuffer().catch(() => undefined);
      if (answer?.status === 200) acknowledged.set(key, number);
      else await Bun.sleep(1);
    }
  };
  const writers = Array.from({ length: WRITERS }, write);
  await Bun.sleep(BURST_MS);
  for (const member of cluster.members) member.signal("SIGKILL");
  await Promise.all(cluster.members.map(({ ended }) => ended));
  running = false;
  await Promise.all(writers);
}

/** One client's puts with all three members, and again with one follower killed. */
export async function benchFollowerDown(
  subject: Subject,
  seconds: number,
  board: Board,
): Promise<void> {
  const cluster = await subject.start();
  try {
    const leader = await cluster.leader();
    const requests = Array.from({ length: 500 }, (_, index) =>
      subject.put(keyName(index % KEYS), randomValue()),
    );
    await wrk(leader, requests, 1, 2);
    const healthy = await wrk(leader, requests, 1, seconds);
    const follower = cluster.members.find(({ name }) => name !== leader.name);
    follower?.signal("SIGKILL");
    await follower?.ended;
    const degraded = await wrk(leader, requests, 1, seconds);
    board.record("follower-down-p50", subject.name, degraded.p50Ms);
    board.record("follower-down-ratio", subject.name, degraded.p50Ms / healthy.p50Ms);
  } finally {
    await cluster.stop();
  }
}

/** How long after its time a key is still read at the leader. */
export async function benchExpiry(subject: Subject, board: Board): Promise<void> {
  const cluster = await subject.start();
  try {
    const leader = await cluster.leader();
    const late = await Promise.all(
      Array.from({ length: EXPIRING_KEYS }, async (_, index) => {
        await Bun.sleep(index * 97);
        return lateMs(subject, leader, `expiring-${index}`);
      }),
    );
    board.record("ttl-late", subject.name, quantile(late, 0.5));
    board.record("ttl-early", subject.name, late.filter((ms) => ms < 0).length);
  } finally {
    await cluster.stop();
  }
}

async function lateMs(subject: Subject, leader: Member, key: string): Promise<number> {
  const ttlMs = TTL_MS[subject.name];
  // From before the write: nothing can be gone earlier than this plus its time to live.
  const startedMs = performance.now();
  await putExpiring(subject, leader, key, ttlMs);
  const writtenMs = performance.now();
  await until(`${key} is gone`, async () => !(await exists(subject, leader, key)), POLL_MS);
  const goneMs = performance.now();
  return goneMs - startedMs < ttlMs ? -1 : Math.max(0, goneMs - writtenMs - ttlMs);
}

async function putExpiring(subject: Subject, leader: Member, key: string, ttlMs: number) {
  const put = subject.put(key, "x");
  const fields = JSON.parse(put.body ?? "{}") as Record<string, unknown>;
  const extra = subject.name === "etcd" ? { lease: await lease(leader, ttlMs) } : { ttlMs };
  const response = await send(leader, { ...put, body: JSON.stringify({ ...fields, ...extra }) });
  if (!response.ok) throw new Error(`${subject.name} took no time to live: ${response.status}`);
}

async function lease(leader: Member, ttlMs: number): Promise<string> {
  const response = await send(leader, {
    method: "POST",
    path: "/v3/lease/grant",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ TTL: ttlMs / 1_000 }),
  });
  const { ID, TTL } = (await response.json()) as { readonly ID: string; readonly TTL: string };
  if (Number(TTL) * 1_000 !== ttlMs) throw new Error(`etcd granted ${TTL} s`);
  return ID;
}

async function exists(subject: Subject, leader: Member, key: string): Promise<boolean> {
  const response = await send(leader, subject.get(key, "local"));
  if (response.status === 404) return false;
  const { kvs, value } = (await response.json()) as { kvs?: unknown; value?: unknown };
  return kvs !== undefined || value !== undefined;
}
