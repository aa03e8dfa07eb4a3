import { describe, expect, test } from "bun:test";
import type { ConcordanceClient } from "../shared/client.ts";
import type { ChangeEvent } from "../shared/types.ts";
import { eventually, inTemporaryDirectory, type Node, startNode } from "./process.ts";
import { RpcSocket } from "./rpc.ts";

const NAMESPACE = "tenant:acme/settings";
const ROUNDS = 4;
const WRITERS = 8;

interface Acknowledged {
  readonly key: string;
  readonly value: number;
  readonly version: number;
  readonly revision: number;
}

/** Writes until the node dies; what is returned was acknowledged. */
async function writeUntilDeath(
  client: ConcordanceClient,
  writer: number,
  acknowledged: Acknowledged[],
) {
  for (let value = 0; ; value += 1) {
    const key = `w${writer}-${value % 5}`;
    try {
      const { version, revision } = await client.set(NAMESPACE, key, value);
      acknowledged.push({ key, value, version, revision });
    } catch {
      return; // The node was killed: this write is unknown, and nothing is claimed about it.
    }
  }
}

/** A burst of writes, with the process killed in the middle of it. */
async function burstAndKill(node: Node, killAfter: number): Promise<readonly Acknowledged[]> {
  const acknowledged: Acknowledged[] = [];
  const writers = Array.from({ length: WRITERS }, (_, writer) =>
    writeUntilDeath(node.client, writer, acknowledged),
  );
  await eventually("enough writes", () => acknowledged.length >= killAfter);
  await node.end("SIGKILL");
  await Promise.all(writers);
  return acknowledged;
}

describe("kill -9 in the middle of a write burst", () => {
  test("C1, C3, C4, pitfall 6: what was acknowledged is there; versions, revisions and watchers go on", async () => {
    await inTemporaryDirectory(async (folder) => {
      const all: Acknowledged[] = [];
      const told: ChangeEvent[] = [];
      let fromRevision = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const node = await startNode(folder, ...(round === 0 ? ["--bootstrap"] : []));
        const before = await node.client.changes(0);
        expect(before.revision).toBeGreaterThanOrEqual(
          Math.max(0, ...all.map((one) => one.revision)),
        );
        const watch = node.client.watch(NAMESPACE, {
          fromRevision,
          onChange: (change) => told.push(change),
          onReset: () => Promise.reject(new Error("history must not be lost")),
        });
        const acknowledged = await burstAndKill(node, 150 * (round + 1));
        watch.close();
        // Resume as a consumer that keeps only the last change it saw would.
        fromRevision = told.at(-1)?.revision ?? 0;
        for (const one of acknowledged) expect(one.revision).toBeGreaterThan(before.revision);
        all.push(...acknowledged);
      }
      await verify(folder, all, told);
    });
  }, 60_000);

  test("C4: one watch of the client survives the restart of the node by itself", async () => {
    await inTemporaryDirectory(async (folder) => {
      const first = await startNode(folder, "--bootstrap");
      const { port } = new URL(first.url);
      const told: number[] = [];
      const watch = first.client.watch(NAMESPACE, {
        fromRevision: 0,
        onChange: ({ seq }) => told.push(seq),
        onReset: () => Promise.reject(new Error("history must not be lost")),
      });
      await burstAndKill(first, 300);
      const second = await startNode(folder, `--listen=127.0.0.1:${port}`);
      await second.client.set(NAMESPACE, "after", 1);
      const { revision, items } = await second.client.changes(0);
      await eventually("the watch catches up", () => watch.revision === revision);
      expect(told).toEqual(told.map((_, i) => i + 1));
      expect(told.length).toBeGreaterThanOrEqual(items.length);
      watch.close();
      expect(await second.end("SIGTERM")).toBe(0);
    });
  }, 60_000);
});

async function verify(folder: string, all: readonly Acknowledged[], told: readonly ChangeEvent[]) {
  const node = await startNode(folder);
  const rpc = await RpcSocket.open(node.url, "dev-agent");
  await rpc.call("watch/subscribe", { namespace: "tenant:acme", fromRevision: 0 });
  const { revision } = await node.client.changes(0);
  await eventually("the whole history", () => rpc.changes.at(-1)?.revision === revision);
  const history = rpc.changes as unknown as readonly ChangeEvent[];
  const bySeq = new Map(history.map((change) => [change.seq, change]));
  expect(history.map((change) => change.seq)).toEqual(history.map((_, i) => i + 1));
  expect(told.map((change) => change.seq)).toEqual(told.map((_, i) => i + 1));
  for (const change of told) expect(change).toEqual(bySeq.get(change.seq) as ChangeEvent);
  const byRevision = new Map(history.map((change) => [change.revision, change]));
  for (const { key, value, version, revision: at } of all) {
    expect(byRevision.get(at)).toMatchObject({ key, value, version });
  }
  const versions = new Map<string, number>();
  for (const { key, version } of history) {
    expect(version).toBe((versions.get(key) ?? 0) + 1);
    versions.set(key, version);
  }
  for (const { key, value, version } of (await node.client.list(NAMESPACE)).items) {
    const last = history.findLast((change) => change.key === key);
    expect({ value, version }).toEqual({ value: last?.value ?? null, version: last?.version ?? 0 });
  }
  rpc.close();
  expect(await node.end("SIGTERM")).toBe(0);
}
