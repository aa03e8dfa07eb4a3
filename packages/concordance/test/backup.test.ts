import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BackupUnusable, readBackup, restoreBackup } from "../service/backup.ts";
import type { ClusterStatus } from "../shared/protocol.ts";
import { inTemporaryDirectory, type Node, startNode } from "./process.ts";

const NAMESPACE = "tenant:acme/settings";
const member = (nodeId: string) => ({
  nodeId,
  clusterId: crypto.randomUUID(),
  incarnation: crypto.randomUUID(),
});

function ask(node: Node, path: string, key = "dev", init = {}): Promise<Response> {
  return fetch(`${node.url}/api/v1${path}`, {
    headers: { authorization: `Bearer ${key}` },
    ...init,
  });
}

async function backupOf(node: Node, path: string): Promise<void> {
  const response = await ask(node, "/cluster/snapshot");
  expect(response.status).toBe(200);
  await Bun.write(path, response);
}

describe("a backup", () => {
  test("becomes a new cluster with the same data, which others join", async () => {
    await inTemporaryDirectory(async (folder) => {
      const [first, second, third] = ["a", "b", "c"].map((name) => join(folder, name));
      const file = join(folder, "backup");
      const key = `--encryption-key=${randomBytes(32).toString("base64")}`;
      const old = await startNode(first ?? "", "--bootstrap", key);
      for (let n = 0; n < 50; n += 1) await old.client.set(NAMESPACE, `k${n % 40}`, n);
      await old.client.set("tenant:acme/credentials", "k", "s3cret");
      await old.client.delete(NAMESPACE, "k0", { requestId: "once" });
      await backupOf(old, file);
      await old.client.set(NAMESPACE, "later", 1);
      const { clusterId } = (await (await ask(old, "/cluster/status")).json()) as ClusterStatus;
      await old.end("SIGKILL");
      expect(readFileSync(file).includes("s3cret")).toBe(false);

      const facts = await readBackup(file, null);
      expect(facts).toMatchObject({ clusterId, revision: 52 });
      const made = await restoreBackup(file, second ?? "", member("r1"));
      expect(made.clusterId).not.toBe(clusterId);
      const node = await startNode(second ?? "", key);
      const { items, revision } = await node.client.list(NAMESPACE);
      expect(items).toHaveLength(39);
      expect(revision).toBe(52);
      expect(await node.client.get(NAMESPACE, "later")).toBeNull();
      expect(await node.client.get("tenant:acme/credentials", "k")).toMatchObject({
        value: "s3cret",
      });
      // What was remembered of requests came along.
      expect(await node.client.delete(NAMESPACE, "k0", { requestId: "once" })).toMatchObject({
        revision: 52,
      });
      expect(await node.client.changes(50)).toMatchObject({ clusterId: made.clusterId });

      const joined = await startNode(third ?? "", `--join=${new URL(node.url).host}`, key);
      await node.client.set(NAMESPACE, "new", 1);
      let seen: unknown = null;
      for (let turn = 0; turn < 1_000 && seen === null; turn += 1) {
        seen = await joined.client.get(NAMESPACE, "new").catch(() => null);
        await Bun.sleep(10);
      }
      expect(seen).toMatchObject({ revision: 53 });
      expect((await joined.client.list(NAMESPACE)).items).toHaveLength(40);
      await joined.end("SIGKILL");
      await node.end("SIGKILL");
    });
  }, 60_000);

  test("that was altered anywhere, cut short, or is none at all is refused, and leaves nothing behind", async () => {
    await inTemporaryDirectory(async (folder) => {
      const node = await startNode(join(folder, "a"), "--bootstrap");
      await node.client.set(NAMESPACE, "k", "v".repeat(10_000));
      const file = join(folder, "backup");
      await backupOf(node, file);
      await node.end("SIGTERM");
      const good = readFileSync(file);
      const altered = (at: number) => {
        const copy = Buffer.from(good);
        copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
        return copy;
      };
      const revisionAt = good.indexOf('"revision":') + '"revision":'.length;
      const state = good.indexOf("\n") + 1;
      const last = good.lastIndexOf("\n", good.length - 2) + 1;
      const bad = [
        altered(good.length - 1),
        altered(good.length - 10),
        altered(last),
        good.subarray(0, last),
        Buffer.concat([good.subarray(0, state), good.subarray(last)]),
        altered(good.indexOf("\n") + 5_000),
        altered(revisionAt),
        good.subarray(0, good.length - 100),
        Buffer.concat([good, Buffer.from("x")]),
        good.subarray(0, 20),
        randomBytes(10_000),
        Buffer.alloc(0),
      ];
      for (const [number, bytes] of bad.entries()) {
        writeFileSync(file, bytes);
        const into = join(folder, `r${number}`);
        const attempt = restoreBackup(file, into, member("r1"));
        await expect(attempt).rejects.toBeInstanceOf(BackupUnusable);
        await expect(startNode(into)).rejects.toThrow("holds no member yet");
      }
      writeFileSync(file, good);
      const occupied = join(folder, "a");
      const before = statSync(join(occupied, "raft.db")).size;
      await expect(restoreBackup(file, occupied, member("r1"))).rejects.toThrow("not empty");
      expect(statSync(join(occupied, "raft.db")).size).toBe(before);
      await expect(
        restoreBackup(join(folder, "none"), join(folder, "n"), member("r1")),
      ).rejects.toThrow("there is no file");
    });
  }, 60_000);

  test("of the format before, its checksum among the facts, is restored too", async () => {
    await inTemporaryDirectory(async (folder) => {
      const node = await startNode(join(folder, "a"), "--bootstrap");
      await node.client.set(NAMESPACE, "k", "v");
      const file = join(folder, "backup");
      await backupOf(node, file);
      await node.end("SIGTERM");
      const { format: _, ...facts } = await readBackup(file, null);
      const made = readFileSync(file);
      const begins = made.indexOf("\n") + 1;
      const state = made.subarray(begins, begins + facts.bytes);
      const first = `${JSON.stringify({ format: "concordance-backup-1", ...facts })}\n`;
      writeFileSync(file, Buffer.concat([Buffer.from(first), state]));
      await restoreBackup(file, join(folder, "b"), member("r1"));
      const restored = await startNode(join(folder, "b"));
      expect(await restored.client.get(NAMESPACE, "k")).toMatchObject({ value: "v" });
      await restored.end("SIGTERM");
      writeFileSync(file, Buffer.concat([Buffer.from(first), state, Buffer.from("x")]));
      await expect(readBackup(file, null)).rejects.toBeInstanceOf(BackupUnusable);
    });
  }, 60_000);

  test("is for operators only, and its copy does not stay", async () => {
    await inTemporaryDirectory(async (folder) => {
      const node = await startNode(folder, "--bootstrap");
      expect((await ask(node, "/cluster/snapshot", "dev-agent")).status).toBe(403);
      expect((await ask(node, "/cluster/snapshot", "dev", { method: "POST" })).status).toBe(405);
      await (await ask(node, "/cluster/snapshot")).arrayBuffer();
      const left = () => [...new Bun.Glob("transfer-*").scanSync(folder)];
      for (let turn = 0; turn < 1_000 && left().length > 0; turn += 1) await Bun.sleep(5);
      expect(left()).toEqual([]);
      await node.end("SIGTERM");
    });
  });
});
