import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, inTemporaryDirectory, type Node, startNode } from "../test/process.ts";
import { ConcordanceClient } from "./client.ts";
import type { ChangeEvent } from "./types.ts";
import { covers, resolveScope } from "./types.ts";
import type { WatchStatus } from "./watch-client.ts";

let folder: string;
let node: Node;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "concordance-"));
  node = await startNode(folder, "--bootstrap");
});
afterAll(async () => {
  await node.end("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});

describe("the client", () => {
  test("reads, writes, conditions and batches", async () => {
    const { client } = node;
    const namespace = "tenant:c1/settings";
    expect(await client.get(namespace, "a/b")).toBeNull();
    expect(await client.set(namespace, "a/b", [1], { actor: "ada", cas: 0 })).toMatchObject({
      version: 1,
    });
    expect(await client.get(namespace, "a/b")).toMatchObject({ value: [1], updatedBy: "ada" });
    await expect(client.set(namespace, "a/b", 2, { cas: 9 })).rejects.toMatchObject({
      code: "cas_conflict",
      details: { actual: 1 },
    });
    const done = await client.batch([{ op: "set", namespace, key: "c", value: null }], {
      actor: "ada",
    });
    expect(done.results).toMatchObject([{ op: "set", key: "c", value: null }]);
    expect(await client.delete(namespace, "c", { cas: 1 })).toMatchObject({ ok: true, version: 2 });
    expect(await client.delete(namespace, "c")).toBeNull();
  });

  test("lists over as many pages as it takes", async () => {
    const { client } = node;
    const value = "x".repeat(1_000_000);
    for (let i = 0; i < 10; i += 1) await client.set("tenant:pages", `k${i}`, value);
    const { items } = await client.list("tenant:pages", { prefix: "k" });
    expect(items.map((one) => one.key)).toEqual(Array.from({ length: 10 }, (_, i) => `k${i}`));
  });

  test("a read-only key is told so; an unreachable node is told apart from an unknown outcome", async () => {
    const agent = new ConcordanceClient({ url: node.url, apiKey: "dev-agent" });
    await expect(agent.set("tenant:a", "k", 1)).rejects.toMatchObject({ code: "read_only" });
    const nobody = new ConcordanceClient({ url: "http://127.0.0.1:1", apiKey: "dev" });
    await expect(nobody.set("tenant:a", "k", 1)).rejects.toMatchObject({ code: "unreachable" });
    const silent = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (socket) => void socket.end() },
    });
    const lost = new ConcordanceClient({ url: `http://127.0.0.1:${silent.port}`, apiKey: "dev" });
    await expect(lost.set("tenant:a", "k", 1)).rejects.toMatchObject({ code: "outcome_unknown" });
    await expect(lost.get("tenant:a", "k")).rejects.toMatchObject({ code: "unreachable" });
    silent.stop();
  });

  test("follows 307 to the leader with method, body and key, and gives up on a circle", async () => {
    const redirector = (target: () => string) =>
      Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch: (request) => {
          const { pathname, search } = new URL(request.url);
          return new Response(null, {
            status: 307,
            headers: { location: target() + pathname + search },
          });
        },
      });
    const follower = redirector(() => node.url);
    const client = new ConcordanceClient({ url: follower.url.origin, apiKey: "dev" });
    expect(await client.set("tenant:r", "k", { via: "follower" })).toMatchObject({ version: 1 });
    expect(await client.get("tenant:r", "k")).toMatchObject({ value: { via: "follower" } });
    const circle = redirector(() => circle.url.origin);
    const lost = new ConcordanceClient({ url: circle.url.origin, apiKey: "dev" });
    await expect(lost.get("tenant:r", "k")).rejects.toMatchObject({ code: "no_leader" });
    await Promise.all([follower.stop(true), circle.stop(true)]);
  });

  test("C4, pitfall 37: list, then watch from its revision: nothing is missed, nothing comes twice", async () => {
    const { client } = node;
    const namespace = "tenant:w1";
    await client.set(`${namespace}/settings`, "before", 1);
    const { revision } = await client.list(`${namespace}/settings`);
    await client.set(`${namespace}/settings`, "between", 2);
    const told: ChangeEvent[] = [];
    const watch = client.watch(namespace, {
      fromRevision: revision,
      onChange: (change) => told.push(change),
      onReset: () => Promise.reject(new Error("no reset here")),
    });
    await client.set(`${namespace}/settings`, "after", 3, { actor: "ada" });
    await client.set("tenant:w1x", "other", 4);
    await client.delete(`${namespace}/settings`, "before");
    await eventually("three changes", () => told.length === 3);
    expect(told).toMatchObject([
      { key: "between", op: "set", value: 2 },
      { key: "after", op: "set", value: 3, actor: "ada", updatedBy: "ada", version: 1 },
      { key: "before", op: "delete", value: null, version: 2 },
    ]);
    watch.close();
  });

  test("C4: a node with another history asks for a new list, and the watch goes on from there", async () => {
    await inTemporaryDirectory(async (parent) => {
      const first = await startNode(join(parent, "one"), "--bootstrap");
      const { host } = new URL(first.url);
      const resets: string[] = [];
      const told: ChangeEvent[] = [];
      const statuses: WatchStatus["kind"][] = [];
      const client = first.client;
      await client.set("tenant:a", "k", "old");
      const watch = client.watch("tenant:a", {
        fromRevision: 0,
        onChange: (change) => told.push(change),
        onReset: async (reason) => {
          resets.push(reason);
          return (await client.list("tenant:a")).revision;
        },
        onStatus: ({ kind }) => statuses.push(kind),
      });
      await eventually("the first change", () => told.length === 1);
      await first.end("SIGKILL");
      const second = await startNode(join(parent, "two"), "--bootstrap", `--listen=${host}`);
      for (let i = 0; i < 3; i += 1) await client.set("tenant:a", "k", `new${i}`);
      await eventually("a reset", () => resets.length > 0 && statuses.at(-1) === "live");
      await client.set("tenant:a", "k", "last");
      await eventually("the change after it", () => told.at(-1)?.value === "last");
      expect(resets).toEqual(["other_cluster"]);
      watch.close();
      expect(statuses.at(-1)).toBe("ended");
      await second.end("SIGTERM");
    });
  });

  test("a watch that can never work ends and says why", async () => {
    const ended: WatchStatus[] = [];
    node.client.watch("//", {
      onChange: () => undefined,
      onReset: () => Promise.resolve(0),
      onStatus: (status) => ended.push(status),
    });
    await eventually("the end", () => ended.at(-1)?.kind === "ended");
    expect(ended.at(-1)).toMatchObject({ reason: expect.stringContaining("namespace") });
  });
});

describe("a watch and its key", () => {
  test("a key that is not known there ends the watch and says so", async () => {
    const statuses: WatchStatus[] = [];
    const stranger = new ConcordanceClient({ url: node.url, apiKey: "wrong" });
    stranger.watch("tenant:a", {
      onChange: () => undefined,
      onReset: () => Promise.resolve(0),
      onStatus: (status) => statuses.push(status),
    });
    await eventually("the end", () => statuses.at(-1)?.kind === "ended");
    expect(statuses.at(-1)).toMatchObject({ reason: expect.stringContaining("unauthorized") });
  });
});

describe("scopes", () => {
  const identity = { tenantId: "acme", userId: "u1" };

  test("name the namespaces of the platform", () => {
    expect(resolveScope({ scope: "user" }, identity)).toBe("tenant:acme/user:u1/preferences");
    expect(resolveScope({ scope: "tenant" }, identity)).toBe("tenant:acme/settings");
    expect(resolveScope({ scope: "session", sessionId: "s" }, identity)).toBe(
      "tenant:acme/sessions/s",
    );
    expect(resolveScope({ scope: "project", projectId: "p" }, identity)).toBe(
      "tenant:acme/projects/p",
    );
    expect(resolveScope({ scope: "device", deviceId: "d" }, identity)).toBe(
      "tenant:acme/user:u1/devices/d",
    );
  });

  test("an id cannot reach out of its place: tenants never mix", () => {
    for (const id of ["", "..", "x/../../tenant:b", "a/b", "a\n"]) {
      expect(() => resolveScope({ scope: "session", sessionId: id }, identity)).toThrow(RangeError);
      expect(() => resolveScope({ scope: "tenant" }, { ...identity, tenantId: id })).toThrow(
        RangeError,
      );
    }
    expect(covers("tenant:a", "tenant:a/x")).toBe(true);
    expect(covers("tenant:a", "tenant:ab")).toBe(false);
  });
});
