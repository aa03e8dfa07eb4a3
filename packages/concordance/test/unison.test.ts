/**
 * Unison against a real server that dies, freezes, forgets and comes back. What the surface says is in
 * `contract/`; here is what happens when the ground moves.
 */
import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConcordanceClient } from "../shared/client.ts";
import type { ChangeEvent } from "../shared/types.ts";
import { eventually, inTemporaryDirectory, type Node, runNode, startUnison } from "./process.ts";
import { Recorder } from "./recorder.ts";
import { needsRedis, RedisServer, ServiceAddress } from "./redis.ts";

const NAMESPACE = "tenant:acme/settings";
const newKey = () => randomBytes(32).toString("base64");
const MINUTE = 60_000;
const TTL_MS = 700;

async function withUnison(
  use: (nodes: readonly [Node, Node], server: RedisServer, folder: string) => Promise<void>,
): Promise<void> {
  await inTemporaryDirectory(async (folder) => {
    const server = await RedisServer.start(folder);
    const nodes = [await startUnison(server.url), await startUnison(server.url)] as const;
    try {
      await use(nodes, server, folder);
    } finally {
      await Promise.all(nodes.map((node) => node.end("SIGKILL")));
      await server.kill();
    }
  });
}

/** Two processes before an address that leads to a primary with one replica. */
async function withReplica(
  use: (nodes: readonly [Node, Node], failover: Failover) => Promise<void>,
): Promise<void> {
  await inTemporaryDirectory(async (folder) => {
    const folders = ["one", "two"].map((name) => join(folder, name));
    for (const one of folders) mkdirSync(one);
    const [primary, replica] = await Promise.all([
      RedisServer.start(folders[0] ?? ""),
      RedisServer.start(folders[1] ?? ""),
    ]);
    await replica.command("REPLICAOF", "127.0.0.1", String(primary.port));
    const address = await ServiceAddress.of(primary);
    const nodes = [await startUnison(address.url), await startUnison(address.url)] as const;
    try {
      await use(nodes, { primary, replica, address });
    } finally {
      await Promise.all(nodes.map((node) => node.end("SIGKILL")));
      address.close();
      await Promise.all([primary.kill(), replica.kill()]);
    }
  });
}

interface Failover {
  readonly primary: RedisServer;
  readonly replica: RedisServer;
  readonly address: ServiceAddress;
}

/** The primary dies, and its replica takes its place and its address. */
async function failOver({ primary, replica, address }: Failover): Promise<void> {
  await primary.kill();
  await replica.command("REPLICAOF", "NO", "ONE");
  address.move(replica);
}

/** Until the replica has everything that the primary has. */
async function untilEqual({ primary, replica }: Failover): Promise<void> {
  const revisionOf = (server: RedisServer) => server.command("HGET", "{unison}:meta", "revision");
  for (let attempt = 0; attempt < 500; attempt += 1) {
    if ((await revisionOf(replica)) === (await revisionOf(primary))) return;
    await Bun.sleep(20);
  }
  throw new Error("never happened: the replica has caught up");
}

const readiness = async (node: Node) => (await fetch(`${node.url}/ready`)).status;

async function untilReady(node: Node, status: number): Promise<void> {
  for (let attempt = 0; attempt < 1_000; attempt += 1) {
    if ((await readiness(node)) === status) return;
    await Bun.sleep(20);
  }
  throw new Error(`never happened: ready answers ${status}`);
}

async function refusedWrite(node: Node): Promise<unknown> {
  return node.client.set(NAMESPACE, "refused", 1).then(
    () => null,
    (error) => error.code,
  );
}

const tell = (told: ChangeEvent[], resets: string[], node: Node) => ({
  fromRevision: 0,
  onChange: (change: ChangeEvent) => void told.push(change),
  onReset: async (reason: string) => {
    // Told afterwards: what is written from then on is not in the list.
    const { revision } = await node.client.list(NAMESPACE);
    resets.push(reason);
    return revision;
  },
});

describe.skipIf(!needsRedis("Unison and its server"))("Unison and its server", () => {
  test(
    "C4, pitfalls 34, 36: the server is killed under load and comes back; writes happen once, watches go on",
    async () => {
      await withUnison(async ([writer, watcher], server) => {
        const told: ChangeEvent[] = [];
        const resets: string[] = [];
        const watch = watcher.client.watch("tenant:acme", tell(told, resets, watcher));
        const client = writer.clientFor({ retryForMs: 30_000 });
        const write = async (key: string) => {
          for (let value = 0; value < 120; value += 1) await client.set(NAMESPACE, key, value);
        };
        const writers = Promise.all(["a", "b", "c", "d"].map(write));
        for (const reached of [60, 200, 340]) {
          await eventually("more changes", () => told.length >= reached);
          await server.kill();
          await untilReady(writer, 503);
          await server.restart();
        }
        await writers;
        await eventually("the last change", () => told.length >= 480);
        expect(told.map(({ seq }) => seq)).toEqual(told.map((_, i) => i + 1));
        for (const key of ["a", "b", "c", "d"]) {
          const values = told.filter((change) => change.key === key).map(({ value }) => value);
          expect(values).toEqual(Array.from({ length: 120 }, (_, value) => value));
        }
        expect(resets).toEqual([]);
        watch.close();
      });
    },
    2 * MINUTE,
  );

  test(
    "C1: what clients of two processes saw is linearizable, through kill -9 of the server and of either process",
    async () => {
      await withUnison(async ([one, other], server) => {
        const nodes = [one, other];
        const url = nodes.map((node) => node.url);
        const recorder = new Recorder();
        for (let client = 0; client < 4; client += 1) {
          const patience = { timeoutMs: 1_000, retryForMs: 30_000 };
          recorder.add(new ConcordanceClient({ url, apiKey: "dev", ...patience }));
        }
        const progress = async () => {
          const reached = recorder.writesDone + 40;
          await eventually("progress", () => recorder.writesDone >= reached);
        };
        try {
          for (let round = 0; round < 4; round += 1) {
            await progress();
            if (round % 2 === 0) {
              await server.kill();
              await server.restart();
            } else {
              const [dying, { host }] = [nodes[round >> 1] ?? one, new URL(url[round >> 1] ?? "")];
              await dying.end("SIGKILL");
              await progress();
              await startUnison(server.url, `--listen=${host}`).then((node) => {
                nodes[round >> 1] = node;
              });
            }
          }
          await progress();
        } finally {
          await recorder.end();
          await Promise.all(nodes.map((node) => node.end("SIGKILL")));
        }
        expect(recorder.violation()).toBeNull();
      });
    },
    2 * MINUTE,
  );

  test("pitfall 34: a retry that reaches another process is answered with the first outcome", async () => {
    await withUnison(async ([one, other]) => {
      const first = await one.client.set(NAMESPACE, "k", { a: 1 }, { requestId: "r", cas: 0 });
      expect(await other.client.set(NAMESPACE, "k", { a: 1 }, { requestId: "r", cas: 0 })).toEqual(
        first,
      );
      await expect(other.client.set(NAMESPACE, "k", 2, { requestId: "r" })).rejects.toMatchObject({
        code: "request_reused",
      });
      expect(await one.client.get(NAMESPACE, "k")).toMatchObject({ version: 1 });
    });
  });

  test(
    "a server that freezes is noticed; nothing is served meanwhile, and all goes on when it wakes",
    async () => {
      await withUnison(async ([node], server) => {
        await node.client.set(NAMESPACE, "k", 1);
        expect(await metric(node, "store_connected")).toBe(1);
        server.signal("SIGSTOP");
        await untilReady(node, 503);
        expect(await metric(node, "store_connected")).toBe(0);
        expect(await refusedWrite(node)).toBe("store_unreachable");
        server.signal("SIGCONT");
        await untilReady(node, 200);
        expect(await node.client.get(NAMESPACE, "k")).toMatchObject({ value: 1, version: 1 });
        expect(await metric(node, "store_connections_total")).toBe(2);
      });
    },
    MINUTE,
  );

  test(
    "C4: a server that comes back without what was told keeps another history, and watchers are sent to list again",
    async () => {
      await withUnison(async ([node, other], server, folder) => {
        const told: ChangeEvent[] = [];
        const resets: string[] = [];
        await node.client.set(NAMESPACE, "kept", 1);
        const watch = node.client.watch("tenant:acme", tell(told, resets, node));
        await eventually("the first change", () => told.length === 1);
        const before = await node.client.changes(0);
        await server.kill();
        rmSync(join(folder, "appendonlydir"), { recursive: true });
        await server.restart();
        await untilReady(node, 200);
        await untilReady(other, 200);
        const after = await other.client.changes(0);
        expect(after.clusterId).not.toBe(before.clusterId);
        await eventually("the watch lists again", () => resets.length === 1);
        await other.client.set(NAMESPACE, "new", 2);
        await eventually("the new change", () => told.at(-1)?.key === "new");
        expect(resets).toEqual(["other_cluster"]);
        watch.close();
      });
    },
    MINUTE,
  );

  test(
    "C4: data that vanishes, or is replaced by an older copy, under a running process is noticed too",
    async () => {
      await withUnison(async ([node, other], server) => {
        await node.client.set(NAMESPACE, "k", 1);
        const copies = ["{unison}:meta", "{unison}:changes", "{unison}:kv", "{unison}:names"];
        for (const key of copies) await server.command("COPY", key, `${key}:old`);
        await node.client.set(NAMESPACE, "k", 2);
        const { clusterId } = await other.client.changes(0);
        for (const key of copies) await server.command("RENAME", `${key}:old`, key);
        await server.command("CLIENT", "KILL", "TYPE", "normal");
        await untilOther(other, clusterId);
        const replaced = await other.client.changes(0);
        expect(replaced).toMatchObject({ revision: 1 });
        await server.command("FLUSHALL");
        await untilOther(other, replaced.clusterId);
        expect(await other.client.get(NAMESPACE, "k")).toBeNull();
        const patient = node.clientFor({ retryForMs: 20_000 });
        expect(await patient.set(NAMESPACE, "k", 3)).toMatchObject({ revision: 1, version: 1 });
      });
    },
    MINUTE,
  );

  test(
    "C1, C4: a replica that has everything takes over: the history goes on, and so do watches and retries",
    async () => {
      await withReplica(async ([node, other], failover) => {
        const told: ChangeEvent[] = [];
        const resets: string[] = [];
        const watch = node.client.watch("tenant:acme", tell(told, resets, node));
        for (let value = 0; value < 50; value += 1) await other.client.set(NAMESPACE, "k", value);
        const once = { requestId: "r", cas: 0 };
        const first = await node.client.set(NAMESPACE, "once", 1, once);
        await untilEqual(failover);
        const { clusterId } = await node.client.changes(0);
        await failOver(failover);
        const patient = other.clientFor({ retryForMs: 20_000 });
        expect(await patient.set(NAMESPACE, "once", 1, once)).toEqual(first);
        await patient.set(NAMESPACE, "k", "after");
        await eventually("the change after it", () => told.at(-1)?.value === "after");
        expect(told.map(({ seq }) => seq)).toEqual(told.map((_, i) => i + 1));
        expect(resets).toEqual([]);
        expect((await other.client.changes(0)).clusterId).toBe(clusterId);
        watch.close();
      });
    },
    2 * MINUTE,
  );

  test(
    "C4: a replica that lacks what was acknowledged takes over: that is another history, and everybody is told",
    async () => {
      await withReplica(async ([node, other], failover) => {
        const told: ChangeEvent[] = [];
        const resets: string[] = [];
        const watch = node.client.watch("tenant:acme", tell(told, resets, node));
        await node.client.set(NAMESPACE, "kept", 1);
        await untilEqual(failover);
        // Stopped, it would still find in its socket what the primary sent before it died.
        await failover.replica.command("REPLICAOF", "NO", "ONE");
        await node.client.set(NAMESPACE, "lost", 2);
        await eventually("both are told", () => told.length === 2);
        const { clusterId } = await node.client.changes(0);
        await failOver(failover);
        await untilOther(other, clusterId);
        await eventually("the watch lists again", () => resets.length === 1);
        expect(resets).toEqual(["other_cluster"]);
        await untilReady(node, 200);
        expect(await node.client.list(NAMESPACE)).toMatchObject({ items: [{ key: "kept" }] });
        await other.client.set(NAMESPACE, "new", 3);
        await eventually("the new change", () => told.at(-1)?.key === "new");
        watch.close();
      });
    },
    2 * MINUTE,
  );

  test("C4, pitfall 36: history is bounded; a cursor behind the floor is 410 with the floor, versions go on", async () => {
    await withUnison(async ([node, other], server) => {
      await server.command("HSET", "{unison}:meta", "historyMax", "20");
      await node.client.set(NAMESPACE, "gone", 1);
      await node.client.delete(NAMESPACE, "gone");
      for (let value = 0; value < 40; value += 1) await node.client.set(NAMESPACE, "k", value);
      await expect(other.client.changes(5)).rejects.toMatchObject({
        code: "compacted",
        details: { revision: 42, compactedThrough: 22 },
      });
      const { items } = await other.client.changes(22);
      expect(items.map(({ revision }) => revision)).toEqual(
        Array.from({ length: 20 }, (_, i) => 23 + i),
      );
      expect((await other.client.set(NAMESPACE, "gone", 2)).version).toBeGreaterThan(2);
    });
  });

  test("C4: a quiet namespace is found behind any number of changes elsewhere, also by one who waits", async () => {
    await withUnison(async ([node, other]) => {
      for (let batch = 0; batch < 40; batch += 1) {
        const operations = Array.from({ length: 128 }, (_, i) => {
          return { op: "set" as const, namespace: "tenant:noisy", key: `k${i}`, value: batch };
        });
        await node.client.batch(operations);
      }
      await node.client.set("tenant:quiet", "k", 1);
      const headers = { authorization: "Bearer dev" };
      const path = "/api/v1/changes?namespace=tenant:quiet&since=0&waitMs=20000";
      const waited = await fetch(other.url + path, { headers });
      expect(await waited.json()).toMatchObject({ items: [{ key: "k", value: 1 }], nextSince: 41 });
      const told: ChangeEvent[] = [];
      const watch = other.client.watch("tenant:quiet", tell(told, [], other));
      await eventually("the change", () => told.length === 1);
      watch.close();
    });
  }, 15_000);

  test("pitfall 32: a thousand keys whose time is over go without waiting for one another", async () => {
    await withUnison(async ([node, other]) => {
      for (let batch = 0; batch < 10; batch += 1) {
        const operations = Array.from({ length: 100 }, (_, i) => {
          return {
            op: "set" as const,
            namespace: NAMESPACE,
            key: `${batch}-${i}`,
            value: 1,
            ttlMs: TTL_MS,
          };
        });
        await node.client.batch(operations);
      }
      const told: ChangeEvent[] = [];
      const watch = other.client.watch("tenant:acme", tell(told, [], other));
      await eventually("their deletions", () => told.length === 2_000);
      expect((await other.client.list(NAMESPACE)).items).toEqual([]);
      const setAt = new Map(told.map(({ op, key, updatedAt }) => [`${op} ${key}`, updatedAt]));
      const deletions = told.filter(({ op }) => op === "delete");
      expect(new Set(deletions.map(({ key }) => key)).size).toBe(1_000);
      for (const { key, actor, updatedAt } of deletions) {
        expect(actor).toBe("system:expiry");
        expect(updatedAt).toBeGreaterThanOrEqual((setAt.get(`set ${key}`) ?? Infinity) + TTL_MS);
      }
      watch.close();
    });
  }, 30_000);

  test("there is no cluster to ask about, and the answer says so", async () => {
    await withUnison(async ([node]) => {
      const headers = { authorization: "Bearer dev" };
      for (const [method, path] of [
        ["GET", "cluster/status"],
        ["POST", "cluster/join"],
        ["POST", "cluster/transfer"],
      ] as const) {
        const answer = await fetch(`${node.url}/api/v1/${path}`, { method, headers });
        expect(answer.status).toBe(501);
        expect(await answer.json()).toMatchObject({ error: { code: "no_cluster" } });
      }
      expect((await fetch(`${node.url}/raft`, { headers })).status).toBe(501);
      expect((await fetch(`${node.url}/raft/snapshot/x`, { headers })).status).toBe(501);
    });
  });

  test("a server that evicts data is refused with the setting to change", async () => {
    await inTemporaryDirectory(async (folder) => {
      const evicting = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
      const server = await RedisServer.start(folder, ...evicting);
      const { exitCode, stderr } = await runNode([
        `--engine=${server.url}`,
        "--listen=127.0.0.1:0",
      ]);
      await server.kill();
      expect(exitCode).toBe(1);
      expect(stderr).toContain("set maxmemory-policy to noeviction");
    });
  });

  test(
    "C6: keys rotate without a pause, in entries and in the history; then the old key is of no more use",
    async () => {
      await inTemporaryDirectory(async (folder) => {
        const server = await RedisServer.start(folder);
        const [old, fresh] = [newKey(), newKey()];
        const credentials = "tenant:acme/credentials";
        const using = async (keys: readonly string[], use: (node: Node) => Promise<void>) => {
          const ring = join(folder, "ring");
          writeFileSync(ring, keys.join("\n"));
          const node = await startUnison(server.url, `--encryption-key-file=${ring}`);
          await use(node);
          expect(await node.end("SIGTERM")).toBe(0);
        };
        const rotate = async ({ url }: Node) => {
          const headers = { authorization: "Bearer dev" };
          const init = { method: "POST", headers, body: "{}" };
          return (await fetch(`${url}/api/v1/encryption/rotate`, init)).json();
        };
        await using([old], async ({ client }) => {
          for (let n = 0; n < 150; n += 1) await client.set(credentials, `k${n % 100}`, `s${n}`);
          await client.set(NAMESPACE, "plain", "enc1:not-sealed");
        });
        await using([fresh, old], async (node) => {
          // A deletion and a newer value in between are left as they are.
          await node.client.delete(credentials, "k0");
          await node.client.set(credentials, "k1", "newer");
          const resealed = { entries: 98, changes: 150 };
          expect(await rotate(node)).toMatchObject({ ok: true, resealed });
          expect(await rotate(node)).toMatchObject({ resealed: { entries: 0, changes: 0 } });
        });
        await using([fresh], async ({ client }) => {
          expect(await client.get(credentials, "k7")).toMatchObject({ value: "s107", version: 2 });
          expect(await client.get(credentials, "k1")).toMatchObject({ value: "newer" });
          const { items } = await client.changes(0, { namespace: credentials });
          const values = Array.from({ length: 150 }, (_, n) => `s${n}`);
          expect(items.map(({ value }) => value)).toEqual([...values, null, "newer"]);
          // What is forgotten takes its new text along.
          await server.command("HSET", "{unison}:meta", "historyMax", "10");
          await client.set(NAMESPACE, "plain", "again");
          expect(await server.command("HLEN", "{unison}:resealed")).toBeLessThan(10);
        });
        await server.kill();
      });
    },
    MINUTE,
  );

  test(
    "a process may start before its server: it listens, is not ready, and serves once the server is there",
    async () => {
      await inTemporaryDirectory(async (folder) => {
        const server = await RedisServer.start(folder);
        await server.kill();
        const node = await startUnison(server.url);
        expect(await readiness(node)).toBe(503);
        expect(await refusedWrite(node)).toBe("store_unreachable");
        await server.restart();
        await untilReady(node, 200);
        expect(await node.client.set(NAMESPACE, "k", 1)).toMatchObject({ version: 1 });
        expect(await node.end("SIGTERM")).toBe(0);
        await server.kill();
      });
    },
    MINUTE,
  );
});

async function metric(node: Node, name: string): Promise<number> {
  const headers = { authorization: "Bearer dev-agent" };
  const text = await (await fetch(`${node.url}/metrics`, { headers })).text();
  return Number(new RegExp(`^concordance_${name} (\\d+)$`, "m").exec(text)?.[1]);
}

async function untilOther(node: Node, clusterId: string): Promise<void> {
  for (let attempt = 0; attempt < 1_000; attempt += 1) {
    const found = await node.client.changes(0).catch(() => null);
    if (found !== null && found.clusterId !== clusterId) return;
    await Bun.sleep(20);
  }
  throw new Error("never happened: another history");
}
