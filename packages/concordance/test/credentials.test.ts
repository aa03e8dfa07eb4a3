import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { single } from "./contract/engines.ts";
import { Fixture, pathOf, refusal } from "./contract/fixture.ts";
import { eventually, inTemporaryDirectory, type Node, startNode } from "./process.ts";
import { RpcSocket } from "./rpc.ts";

const NAMESPACE = "tenant:acme/credentials";
const SECRET = "s3cret-gho_16C7e42F292c6912E7";
const newKey = () => randomBytes(32).toString("base64");

describe("credentials (C6)", () => {
  const node = new Fixture(single());

  test("are read, listed, compared, retried and watched as any value", async () => {
    const path = pathOf(NAMESPACE, "github");
    const reader = await RpcSocket.open(node.url, "dev-agent");
    await reader.call("watch/subscribe", { namespace: "tenant:acme" });
    const value = { token: SECRET };
    const put = { method: "PUT", body: JSON.stringify({ value, cas: 0 }) };
    const headers = { authorization: "Bearer dev", "idempotency-key": "once" };
    const [first, retry] = await Promise.all(
      [1, 2].map(async () => (await fetch(node.url + path, { ...put, headers })).json()),
    );
    expect(first).toMatchObject({ ok: true, value, version: 1 });
    expect(retry).toEqual(first);
    const other = { ...put, body: JSON.stringify({ value: 1, cas: 0 }), headers };
    expect((await fetch(node.url + path, other)).status).toBe(409);
    expect((await node.call("PUT", path, { value: 1, cas: 0 })).status).toBe(409);
    for (const key of ["dev", "dev-agent"]) {
      expect((await node.call("GET", path, undefined, { key })).body).toMatchObject({ value });
    }
    const list = await node.call("GET", `/api/v1/kv/${encodeURIComponent(NAMESPACE)}`);
    expect(list.body).toMatchObject({ items: [{ key: "github", value }] });
    const changes = await node.call("GET", `/api/v1/changes?namespace=${NAMESPACE}`);
    expect(changes.body).toMatchObject({ items: [{ op: "set", value }] });
    await eventually("the change", () => reader.changes.length === 1);
    expect(reader.changes).toMatchObject([{ key: "github", value }]);
    reader.close();
  });

  test("a batch takes them along", async () => {
    const operations = [
      { op: "set", namespace: `${NAMESPACE}/deep`, key: "a", value: SECRET },
      { op: "set", namespace: "tenant:acme/settings", key: "b", value: 1 },
    ];
    const { body } = await node.call("POST", "/api/v1/batch", { operations });
    expect(body).toMatchObject({ results: [{ key: "a", value: SECRET }, { value: 1 }] });
  });

  test("no byte of them is on disk, in a backup, in the log, in metrics or in the audit history", async () => {
    await inTemporaryDirectory(async (folder) => {
      const namespace = "tenant:grep/credentials";
      const started = await startNode(folder, "--bootstrap");
      const rpc = await RpcSocket.open(started.url, "dev");
      await rpc.call("kv/set", { namespace, key: "a", value: { deep: [SECRET] } });
      await rpc.call("kv/set", { namespace, key: "a", value: { deep: [SECRET, SECRET] } });
      await rpc.call("kv/set", { namespace, key: "a", value: SECRET, cas: 7 });
      await rpc.call("kv/set", { namespace, key: "a", value: SECRET, unknown: SECRET });
      await rpc.call("kv/set", {
        namespace: "tenant:grep/s",
        key: "b",
        value: "f0und-in-the-clear",
      });
      rpc.close();
      const headers = { authorization: "Bearer dev" };
      const told = async (path: string) =>
        Buffer.from(await (await fetch(started.url + path, { headers })).arrayBuffer());
      const backup = await told("/api/v1/cluster/snapshot");
      const beside = await Promise.all(
        ["/metrics", "/api/v1/kv/tenant%3Agrep%2Faudit", "/api/v1/cluster/status"].map(told),
      );
      expect(await started.end("SIGTERM")).toBe(0);
      const names = readdirSync(folder);
      expect(names).toEqual(expect.arrayContaining(["raft.db", "state.db"]));
      const disk = Buffer.concat(names.map((name) => readFileSync(join(folder, name))));
      for (const bytes of [disk, backup, ...beside, Buffer.from(started.log())]) {
        expect(bytes.includes("s3cret")).toBe(false);
      }
      // The search itself is sound: what is not a credential is found.
      for (const bytes of [disk, backup]) expect(bytes.includes("f0und-in-the-clear")).toBe(true);
    });
  });

  test("a member that copies the state, and its files, hold ciphertext too", async () => {
    await inTemporaryDirectory(async (folder) => {
      const key = `--encryption-key=${newKey()}`;
      const first = await startNode(join(folder, "a"), "--bootstrap", "--compact-entries=100", key);
      await first.client.set(NAMESPACE, "k", SECRET);
      for (let n = 0; n < 300; n += 1) await first.client.set("tenant:acme/s", "n", n);
      const seed = `--join=${new URL(first.url).host}`;
      const second = await startNode(join(folder, "b"), seed, key);
      let seen: unknown = null;
      for (let turn = 0; turn < 1_000 && seen === null; turn += 1) {
        seen = await second.client.get(NAMESPACE, "k").catch(() => null);
        await Bun.sleep(10);
      }
      expect(seen).toMatchObject({ value: SECRET });
      await second.end("SIGTERM");
      await first.end("SIGTERM");
      const glob = new Bun.Glob("*/*");
      for (const name of glob.scanSync(folder)) {
        expect(readFileSync(join(folder, name)).includes("s3cret")).toBe(false);
      }
    });
  }, 30_000);
});

describe("encryption keys", () => {
  const starting = async (
    folder: string,
    lines: readonly string[],
    use: (node: Node) => unknown,
  ) => {
    const ring = join(folder, "ring");
    writeFileSync(ring, lines.join("\n"));
    const node = await startNode(folder, "--bootstrap", `--encryption-key-file=${ring}`);
    await use(node);
    expect(await node.end("SIGTERM")).toBe(0);
  };
  const post = async (node: Node, path: string, body: unknown = {}) => {
    const headers = { authorization: "Bearer dev" };
    const init = { method: "POST", headers, body: JSON.stringify(body) };
    const response = await fetch(`${node.url}/api/v1${path}`, init);
    return { status: response.status, body: (await response.json()) as unknown };
  };

  test("rotate without a pause: then the old key is of no more use", async () => {
    await inTemporaryDirectory(async (folder) => {
      const [old, fresh] = [newKey(), newKey()];
      await starting(folder, [old], async ({ client }) => {
        for (let n = 0; n < 150; n += 1)
          await client.set(NAMESPACE, `k${n % 100}`, `${SECRET}${n}`);
        await client.set("tenant:acme/settings", "plain", "enc1:not-sealed");
      });
      await starting(folder, [fresh, old], async (node) => {
        const { items } = await node.client.list(NAMESPACE);
        expect(items).toHaveLength(100);
        const rotated = await post(node, "/encryption/rotate", { actor: "ada" });
        expect(rotated).toMatchObject({
          status: 200,
          body: { ok: true, resealed: { entries: 100, changes: 150 } },
        });
        expect(await post(node, "/encryption/rotate")).toMatchObject({
          body: { resealed: { entries: 0, changes: 0 } },
        });
        expect((await node.client.list("system/audit")).items.at(-1)).toMatchObject({
          value: { op: "set", namespace: "system/encryption", key: "active" },
        });
      });
      await starting(folder, [fresh], async ({ client }) => {
        expect(await client.get(NAMESPACE, "k7")).toMatchObject({
          value: `${SECRET}107`,
          version: 2,
        });
        const { items } = await client.changes(0, { namespace: NAMESPACE });
        expect(items.map(({ value }) => value)).toEqual(
          Array.from({ length: 150 }, (_, n) => `${SECRET}${n}`),
        );
      });
      await starting(folder, [old], async ({ client }) => {
        await expect(client.get(NAMESPACE, "k7")).rejects.toThrow("does not have");
        // One value that cannot be opened does not stop the history.
        const { items } = await client.changes(0, { namespace: NAMESPACE, limit: 1 });
        expect(items).toMatchObject([{ value: null, unavailable: true }]);
      });
    });
  });

  test("without a key a credential is refused with what to do, and everything else works", async () => {
    await inTemporaryDirectory(async (folder) => {
      const keys = ["--api-key=strong-one", "--agent-key=strong-two"];
      const node = await startNode(folder, "--bootstrap", ...keys);
      const put = async (namespace: string) => {
        const headers = { authorization: "Bearer strong-one" };
        const init = { method: "PUT", headers, body: JSON.stringify({ value: SECRET }) };
        const response = await fetch(node.url + pathOf(namespace, "k"), init);
        return { status: response.status, body: (await response.json()) as unknown };
      };
      const refused = await put(NAMESPACE);
      expect(refused).toMatchObject(refusal(501, "credentials_unavailable"));
      expect(JSON.stringify(refused)).toContain("CONCORDANCE_ENCRYPTION_KEY");
      expect(JSON.stringify(refused)).not.toContain(SECRET);
      expect((await put("tenant:acme/credentials-help")).status).toBe(200);
      expect(await node.end("SIGTERM")).toBe(0);
      expect(readdirSync(folder)).not.toContain("encryption.key");
    });
  });

  test("one that cannot be used stops the start, and is not repeated", async () => {
    await inTemporaryDirectory(async (folder) => {
      const start = startNode(folder, "--bootstrap", "--encryption-key=c2hvcnQ=");
      await expect(start).rejects.toThrow("base64 of 32 bytes");
      await expect(start).rejects.not.toThrow("c2hvcnQ");
    });
  });
});
