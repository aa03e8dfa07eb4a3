import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { ConcordanceClient } from "../shared/client.ts";
import { CLOSE } from "../shared/protocol.ts";
import type { ChangeEvent } from "../shared/types.ts";
import { eventually, inTemporaryDirectory, runNode, startNode } from "./process.ts";
import { RpcSocket } from "./rpc.ts";
import { Trio } from "./trio.ts";

const NAMESPACE = "tenant:acme/settings";
const SECONDS = 1_000;

async function withTrio(
  flags: readonly string[],
  use: (trio: Trio, folder: string) => Promise<void>,
) {
  await inTemporaryDirectory(async (folder) => {
    const trio = await Trio.start(folder, ...flags);
    try {
      await use(trio, folder);
    } finally {
      await trio.end();
    }
  });
}

const followersOf = (trio: Trio, leader: string) =>
  [...trio.nodes.keys()].filter((id) => id !== leader);

describe("one member", () => {
  test("its status names itself as the leader, and its metrics say so", async () => {
    await inTemporaryDirectory(async (folder) => {
      const node = await startNode(folder, "--bootstrap", "--node-id=n1");
      const { host } = new URL(node.url);
      const headers = { authorization: "Bearer dev-agent" };
      const status = await fetch(`${node.url}/api/v1/cluster/status`, { headers });
      expect(await status.json()).toMatchObject({
        nodeId: "n1",
        role: "leader",
        leaderId: "n1",
        leaderAddress: host,
        members: [{ nodeId: "n1", address: host }],
      });
      const metrics = await (await fetch(`${node.url}/metrics`, { headers })).text();
      expect(metrics).toMatch(/^concordance_raft_is_leader 1$/m);
      expect(await node.end("SIGTERM")).toBe(0);
    });
  });
});

describe("three members", () => {
  test(
    "followers redirect writes, read locally, read linearizably at the leader, and wait for a revision",
    async () => {
      await withTrio([], async (trio) => {
        const leader = await trio.leader();
        const [follower = ""] = followersOf(trio, leader);
        const { url, client } = trio.node(follower);
        const headers = { authorization: "Bearer dev" };
        const path = `/api/v1/kv/${encodeURIComponent(NAMESPACE)}/k`;
        const put = { method: "PUT", headers, body: '{"value":1}', redirect: "manual" } as const;
        const redirected = await fetch(url + path, put);
        expect(redirected.status).toBe(307);
        expect(redirected.headers.get("location")).toBe(trio.node(leader).url + path);
        const { revision } = await client.set(NAMESPACE, "k", 2);
        expect(await client.get(NAMESPACE, "k", { minRevision: revision })).toMatchObject({
          value: 2,
        });
        const fresh = await fetch(`${url + path}?consistency=linearizable`, {
          headers,
          redirect: "manual",
        });
        expect(fresh.status).toBe(307);
        expect(await client.get(NAMESPACE, "k", { consistency: "linearizable" })).toMatchObject({
          value: 2,
        });
        const ahead = await fetch(`${url + path}?minRevision=${revision + 1_000}`, { headers });
        expect(ahead.status).toBe(503);
        expect(await ahead.json()).toMatchObject({ error: { code: "behind" } });
        const rpc = await RpcSocket.open(url, "dev");
        const refused = await rpc.call("kv/set", { namespace: NAMESPACE, key: "k", value: 3 });
        expect(refused.error).toMatchObject({
          code: -32001,
          data: { leader: new URL(trio.node(leader).url).host },
        });
        rpc.close();
        const { role, members } = await trio.statusOf(leader);
        expect(role).toBe("leader");
        for (const { matchIndex } of members) expect(matchIndex).toBeGreaterThan(0);
      });
    },
    60 * SECONDS,
  );

  test(
    "C1, C4: leaders are killed in turn; every write happens once, in order, and a watch misses nothing",
    async () => {
      await withTrio(["--compact-entries=100"], async (trio) => {
        const client = trio.client();
        const told: ChangeEvent[] = [];
        const watch = client.watch(NAMESPACE, {
          fromRevision: 0,
          onChange: (change) => told.push(change),
          onReset: () => Promise.reject(new Error("history must not be lost")),
        });
        let written = 0;
        const writer = (async () => {
          for (let value = 0; value < 600; value += 1) {
            const { version } = await client.set(NAMESPACE, "counter", value);
            expect(version).toBe(value + 1);
            written = value + 1;
          }
        })();
        for (let round = 1; round <= 3; round += 1) {
          await eventually("progress", () => written >= round * 120);
          const leader = await trio.leader();
          await trio.kill(leader);
          await eventually("progress without it", () => written >= round * 120 + 40);
          await trio.add(leader);
        }
        await writer;
        await eventually("the watch catches up", () => told.length >= 600);
        expect(told.map(({ version }) => version)).toEqual(told.map((_, i) => i + 1));
        watch.close();
        // From the last change told, since a local read may itself be answered by a member that lags.
        const revision = told.at(-1)?.revision ?? 0;
        expect(revision).toBeGreaterThan(0);
        for (const id of trio.nodes.keys()) {
          const node = trio.node(id);
          expect(
            await node.client.get(NAMESPACE, "counter", { minRevision: revision }),
          ).toMatchObject({ value: 599, version: 600 });
        }
      });
    },
    90 * SECONDS,
  );

  test(
    "C4: a watch leaves a member that is frozen, however open its socket, and misses nothing",
    async () => {
      await withTrio([], async (trio) => {
        const leader = await trio.leader();
        const [frozen = "", other = ""] = followersOf(trio, leader);
        const url = [frozen, other, leader].map((id) => trio.node(id).url);
        const watcher = new ConcordanceClient({ url, apiKey: "dev-agent", heartbeatMs: 200 });
        const told: ChangeEvent[] = [];
        const watch = watcher.watch("tenant:acme", {
          fromRevision: 0,
          onChange: (change) => told.push(change),
          onReset: () => Promise.reject(new Error("history must not be lost")),
        });
        const client = trio.client();
        const write = async (count: number) => {
          for (let i = 0; i < count; i += 1) await client.set(NAMESPACE, `k${i}`, i);
        };
        await write(20);
        await eventually("the first changes", () => told.length === 20);
        process.kill(trio.node(frozen).pid, "SIGSTOP");
        await write(20);
        await eventually("the changes told elsewhere", () => told.length === 40);
        process.kill(trio.node(frozen).pid, "SIGCONT");
        await write(20);
        await eventually("the last changes", () => told.length === 60);
        expect(told.map(({ seq }) => seq)).toEqual(told.map((_, i) => i + 1));
        watch.close();
      });
    },
    60 * SECONDS,
  );

  test(
    "pitfalls 5, 22, 25: a member far behind is caught up by state and log; a wiped one is refused by name",
    async () => {
      await withTrio(["--compact-entries=100"], async (trio, folder) => {
        const leader = await trio.leader();
        const [slow = "", other = ""] = followersOf(trio, leader);
        await trio.kill(slow);
        const client = trio.client();
        for (let value = 0; value < 400; value += 1) {
          await client.set(NAMESPACE, `k${value % 50}`, value);
        }
        const { revision } = await client.list(NAMESPACE, { consistency: "linearizable" });
        const back = await trio.add(slow);
        const { items } = await back.client.list(NAMESPACE, { minRevision: revision });
        expect(items.map(({ value }) => Number(value)).toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: 50 }, (_, i) => 350 + i),
        );
        const headers = { authorization: "Bearer dev" };
        const metrics = await (await fetch(`${back.url}/metrics`, { headers })).text();
        expect(metrics).toMatch(/concordance_raft_installs_total [1-9]/);

        await trio.kill(slow);
        rmSync(join(folder, slow), { recursive: true });
        const seed = trio.hosts.get(other) ?? "";
        const wiped = [`--data-dir=${join(folder, slow)}`, "--listen=127.0.0.1:0"];
        const refused = await runNode([...wiped, `--node-id=${slow}`, `--join=${seed}`]);
        expect(refused.exitCode).toBe(1);
        expect(refused.stderr).toContain("cluster/remove");
        expect((await trio.post(leader, "remove", { nodeId: slow })).status).toBe(200);
        await trio.add("n4", `--join=${seed}`);
        const status = await trio.untilStatus("n4 votes", ({ members }) =>
          members.some(({ nodeId, role }) => nodeId === "n4" && role === "voter"),
        );
        expect(status.removed).toEqual([slow]);
        const again = await runNode([...wiped, `--node-id=${slow}`, `--join=${seed}`]);
        expect(again.stderr).toContain("new --node-id");
      });
    },
    90 * SECONDS,
  );

  test(
    "leadership moves on request; a leader that is removed steps down; a lone member refuses writes",
    async () => {
      await withTrio([], async (trio) => {
        const first = await trio.leader();
        const [second = "", third = ""] = followersOf(trio, first);
        expect((await trio.post(first, "transfer", { nodeId: second })).status).toBe(200);
        await trio.untilStatus("the other leads", ({ role, nodeId }) => {
          return role === "leader" && nodeId === second;
        });
        expect((await trio.post(second, "remove", { nodeId: "nobody" })).status).toBe(409);
        const removed = await trio.post(second, "remove", { nodeId: second });
        expect(removed.status).toBe(200);
        const status = await trio.untilStatus("a leader of two", ({ role, nodeId, members }) => {
          return role === "leader" && nodeId !== second && members.length === 2;
        });
        expect((await trio.statusOf(second)).role).not.toBe("leader");
        const survivor = status.nodeId === first ? third : first;
        const { url } = trio.node(survivor);
        const watcher = await RpcSocket.open(url, "dev");
        await watcher.call("watch/subscribe", { namespace: NAMESPACE });
        await trio.kill(status.nodeId);
        await trio.untilStatus("no leader is known", ({ nodeId, leaderId }) => {
          return nodeId === survivor && leaderId === null;
        });
        const headers = { authorization: "Bearer dev" };
        const put = { method: "PUT", headers, body: '{"value":1}' };
        const refused = await fetch(`${url}/api/v1/kv/tenant%3Aa/k`, put);
        expect(refused.status).toBe(503);
        expect(refused.headers.get("retry-after")).toBe("1");
        expect((await fetch(`${url}/api/v1/ready`)).status).toBe(503);
        await eventually("pitfall 12: watchers are sent elsewhere", () => watcher.closed !== null);
        expect(watcher.closed).toMatchObject({ code: CLOSE.tryAgain });
      });
    },
    60 * SECONDS,
  );

  test("pitfall 34: a write repeated under its id is answered again, also by another leader", async () => {
    await withTrio([], async (trio) => {
      const client = trio.client();
      const first = await client.set(NAMESPACE, "k", { a: 1 }, { requestId: "r1", cas: 0 });
      await trio.kill(await trio.leader());
      expect(await client.set(NAMESPACE, "k", { a: 1 }, { requestId: "r1", cas: 0 })).toEqual(
        first,
      );
      await expect(client.set(NAMESPACE, "k", 2, { requestId: "r1" })).rejects.toMatchObject({
        code: "request_reused",
      });
      await expect(
        client.set(NAMESPACE, "k", 3, { cas: 9, requestId: "r2" }),
      ).rejects.toMatchObject({ code: "cas_conflict", details: { actual: 1 } });
      expect(await client.set(NAMESPACE, "k", 4)).toMatchObject({ version: 2 });
    });
  }, 60_000);
});
