/** `concordance ctl` as a person and a script meet it: a process with arguments, pipes and an exit code. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority, withoutOpenssl } from "./certificates.ts";
import {
  inTemporaryDirectory,
  type Node,
  type Run,
  spawnNode,
  startNode,
  startUnison,
} from "./process.ts";
import { needsRedis, RedisServer } from "./redis.ts";
import { Trio } from "./trio.ts";

const NAMESPACE = "tenant:acme/settings";
const MINUTE = 60_000;

let folder: string;
let node: Node;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "concordance-"));
  node = await startNode(join(folder, "data"), "--bootstrap", "--node-id=n1");
});
afterAll(async () => {
  await node?.end("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});

interface Asked {
  readonly url?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

async function ctl(words: readonly string[], asked: Asked = {}): Promise<Run> {
  const env = { CONCORDANCE_URL: asked.url ?? node.url, ...asked.env };
  const child = spawnNode(["ctl", ...words], env);
  child.stdin.write(asked.input ?? "");
  child.stdin.end();
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { exitCode: await child.exited, stdout, stderr };
}

describe("ctl", () => {
  test("an entry goes through its life, for a person and for a script", async () => {
    expect(await ctl(["put", NAMESPACE, "theme", '{"dark":true}', "--actor=ada"])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("version 1"),
    });
    const entry = await ctl(["get", NAMESPACE, "theme", "--json"]);
    expect(JSON.parse(entry.stdout)).toMatchObject({ value: { dark: true }, updatedBy: "ada" });
    expect((await ctl(["get", NAMESPACE, "theme"])).stdout).toContain('"dark": true');
    const listed = await ctl(["list", NAMESPACE]);
    expect(listed.stdout).toMatch(/^KEY +VERSION/);
    expect(listed.stdout).toContain("theme");
    const page = JSON.parse((await ctl(["list", NAMESPACE, "--prefix=th", "--json"])).stdout);
    expect(page).toMatchObject({ items: [{ key: "theme" }], revision: expect.any(Number) });
    expect((await ctl(["delete", NAMESPACE, "theme", "--cas=1"])).exitCode).toBe(0);
    expect(await ctl(["get", NAMESPACE, "theme"])).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringContaining("no key theme"),
    });
  });

  test("values come from standard input and files, as JSON or as text, so that they need not be arguments", async () => {
    const path = join(folder, "value.json");
    await Bun.write(path, "[1,2]");
    await ctl(["put", NAMESPACE, "piped"], { input: '{"a":"é"}' });
    await ctl(["put", NAMESPACE, "text", "--string"], { input: "line one\nline two\n" });
    await ctl(["put", NAMESPACE, "filed", `--file=${path}`]);
    expect(await node.client.get(NAMESPACE, "piped")).toMatchObject({ value: { a: "é" } });
    expect(await node.client.get(NAMESPACE, "text")).toMatchObject({ value: "line one\nline two" });
    expect(await node.client.get(NAMESPACE, "filed")).toMatchObject({ value: [1, 2] });
    expect((await ctl(["get", NAMESPACE, "text", "--raw"])).stdout).toBe("line one\nline two\n");
  });

  test("a credential is not taken as an argument, and nothing that is refused is repeated", async () => {
    const given = await ctl(["put", "tenant:acme/credentials", "token", '"s3cret"']);
    expect(given).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("standard input") });
    const broken = await ctl(["put", NAMESPACE, "k"], { input: "s3cret" });
    expect(broken).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("not JSON") });
    expect(given.stderr + broken.stderr).not.toContain("s3cret");
  });

  test("a batch is all or nothing, and a lost race is refused with what was found", async () => {
    const set = (key: string, cas?: number) => ({
      op: "set",
      namespace: NAMESPACE,
      key,
      value: 1,
      cas,
    });
    const done = await ctl(["batch", "--json"], { input: JSON.stringify([set("a"), set("b", 0)]) });
    expect(JSON.parse(done.stdout)).toMatchObject({
      ok: true,
      results: [{ key: "a" }, { key: "b" }],
    });
    const lost = await ctl(["batch", "--json"], { input: JSON.stringify([set("c"), set("a", 9)]) });
    expect(lost.exitCode).toBe(1);
    expect(JSON.parse(lost.stderr)).toMatchObject({
      error: { code: "cas_conflict", details: { expected: 9, actual: 1, operation: 1 } },
    });
    expect(await node.client.get(NAMESPACE, "c")).toBeNull();
  });

  test("pitfall 34: a write repeated under its request id happens once", async () => {
    const words = ["put", NAMESPACE, "once", "1", "--request-id=ctl-1", "--json"];
    const [first, again] = [await ctl(words), await ctl(words)];
    expect(JSON.parse(again.stdout)).toEqual(JSON.parse(first.stdout));
    const other = await ctl(["put", NAMESPACE, "once", "2", "--request-id=ctl-1", "--json"]);
    expect(JSON.parse(other.stderr)).toMatchObject({ error: { code: "request_reused" } });
  });

  test("watch prints changes as they come, one a line, and ends when it has enough or is interrupted", async () => {
    const { revision } = await node.client.set("tenant:w/settings", "a", 1);
    await node.client.set("tenant:w/settings", "b", 2);
    const told = await ctl([
      "watch",
      "tenant:w",
      `--from-revision=${revision - 1}`,
      "--count=2",
      "--json",
    ]);
    const lines = told.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { key: "a", value: 1 },
      { key: "b", value: 2 },
    ]);
    const env = { CONCORDANCE_URL: node.url };
    const child = spawnNode(["ctl", "watch", "tenant:w", `--from-revision=${revision}`], env);
    for await (const chunk of child.stdout) {
      if (Buffer.from(chunk).toString().includes("tenant:w/settings b = 2")) break;
    }
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
  });

  test("help names every option of a command, every command of a group, and the exit codes", async () => {
    const all = await ctl(["--help"]);
    for (const name of ["get", "put", "delete", "list", "watch", "batch", "cluster status"]) {
      expect(all.stdout).toContain(`  ${name} `);
    }
    const put = await ctl(["put", "--help"]);
    for (const name of ["file", "string", "ttl-ms", "cas", "request-id", "url", "json"]) {
      expect(put.stdout).toContain(`--${name}`);
    }
    expect(put.stdout).toContain("Exit codes: 0 done");
    expect((await ctl(["cluster", "--help"])).stdout).toContain("cluster transfer");
    expect([all, put].map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  });

  const misused: readonly (readonly [string, readonly string[], Asked, string])[] = [
    ["no command", [], {}, "say what to do"],
    ["an unknown command", ["gte"], {}, 'no command "gte"'],
    ["half a command", ["cluster"], {}, "cluster remove"],
    ["too few arguments", ["get", "a"], {}, "concordance ctl get <namespace> <key>"],
    ["an unknown option", ["get", "a", "b", "--fresh"], {}, "--consistency"],
    ["a number that is none", ["get", "a", "b", "--min-revision=x"], {}, "whole number"],
    ["an address that is none", ["get", "a", "b"], { url: "localhost:4100" }, "http://host:port"],
    ["no key for another machine", ["get", "a", "b"], { url: "http://192.0.2.1:1" }, "no key"],
    [
      "a key file that is not there",
      ["get", "a", "b", "--api-key-file=/nope"],
      {},
      "cannot be read",
    ],
  ];
  for (const [what, words, asked, message] of misused) {
    test(`${what} is wrong usage, and says what to do`, async () => {
      const { exitCode, stderr } = await ctl(words, asked);
      expect(exitCode).toBe(2);
      expect(stderr).toContain(message);
    });
  }

  test("nobody there is 3; a lost answer is 4 and names the id to ask again under; a wrong key is 1", async () => {
    expect((await ctl(["get", "a", "b"], { url: "http://127.0.0.1:1" })).exitCode).toBe(3);
    const silent = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (socket) => void socket.end() },
    });
    const lost = await ctl(["put", "a", "b", "1"], { url: `http://127.0.0.1:${silent.port}` });
    silent.stop(true);
    expect(lost.exitCode).toBe(4);
    expect(lost.stderr).toMatch(/--request-id=[0-9a-f-]{36}/);
    const stranger = await ctl(["get", "a", "b"], { env: { CONCORDANCE_API_KEY: "wrong" } });
    expect(stranger.exitCode).toBe(1);
    const key = join(folder, "key");
    await Bun.write(key, "dev-agent\n");
    const agent = await ctl(["put", "a", "b", "1", `--api-key-file=${key}`]);
    expect(agent).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("only read") });
  });

  test(
    "through any member it reaches the leader, shows the members, hands leadership over and removes one",
    async () => {
      await inTemporaryDirectory(async (parent) => {
        const trio = await Trio.start(parent);
        try {
          const leader = await trio.leader();
          const [follower = "", third = ""] = [...trio.nodes.keys()].filter((id) => id !== leader);
          const { url } = trio.node(follower);
          expect((await ctl(["put", NAMESPACE, "k", "1"], { url })).exitCode).toBe(0);
          const shown = await ctl(["cluster", "status"], { url });
          expect(shown.stdout).toContain(`answered by  ${follower} (follower)`);
          expect(shown.stdout).toMatch(new RegExp(`${third} +voter`));
          expect((await ctl(["cluster", "transfer", follower], { url })).exitCode).toBe(0);
          await trio.untilStatus("the other leads", ({ role, nodeId }) => {
            return role === "leader" && nodeId === follower;
          });
          const removed = await ctl(["cluster", "remove", third, "--json"], { url });
          expect(JSON.parse(removed.stdout)).toMatchObject({ removed: [third] });
          expect((await ctl(["cluster", "remove", "nobody"], { url })).exitCode).toBe(1);
        } finally {
          await trio.end();
        }
      });
    },
    MINUTE,
  );

  test(
    "snapshot writes a checked backup; restore founds a new cluster from it, with the same entries and credentials",
    async () => {
      const path = join(folder, "state.backup");
      await node.client.set("tenant:b/settings", "kept", [1]);
      await ctl(["put", "tenant:b/credentials", "token"], { input: '"s3cret"' });
      const taken = await ctl(["snapshot", path, "--json"]);
      expect(JSON.parse(taken.stdout)).toMatchObject({
        ok: true,
        path,
        revision: expect.any(Number),
      });
      expect(await Bun.file(path).text()).not.toContain("s3cret");
      expect((await ctl(["snapshot", path])).stderr).toContain("exists");
      const dataDir = join(folder, "restored");
      const restored = await ctl(["restore", path, `--data-dir=${dataDir}`, "--node-id=r1"]);
      expect(restored).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("revision") });
      // Credentials stay sealed in a backup: the key travels apart from it.
      await Bun.write(
        join(dataDir, "encryption.key"),
        Bun.file(join(folder, "data/encryption.key")),
      );
      const again = await startNode(dataDir);
      expect(await again.client.get("tenant:b/settings", "kept")).toMatchObject({ value: [1] });
      expect(await again.client.get("tenant:b/credentials", "token")).toMatchObject({
        value: "s3cret",
      });
      expect(await again.end("SIGTERM")).toBe(0);
      const twice = await ctl(["restore", path, `--data-dir=${dataDir}`]);
      expect(twice).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("not empty") });
      await Bun.write(path, (await Bun.file(path).text()).slice(0, -100));
      const cut = await ctl(["restore", path, `--data-dir=${join(folder, "other")}`]);
      expect(cut.exitCode).toBe(1);
      expect((await ctl(["restore", path])).stderr).toContain("--data-dir");
    },
    MINUTE,
  );

  test("keys are made, listed without their tokens, used within their namespace, and revoked", async () => {
    const made = await ctl(["keys", "create", "tenant:k", "--access=read_write", "--label=ci"]);
    expect(made.exitCode).toBe(0);
    const token = made.stdout.trim();
    const env = { CONCORDANCE_API_KEY: token };
    expect((await ctl(["put", "tenant:k/settings", "a", "1"], { env })).exitCode).toBe(0);
    expect((await ctl(["put", "tenant:other", "a", "1"], { env })).exitCode).toBe(1);
    const listed = await ctl(["keys", "list", "--json"]);
    const { items } = JSON.parse(listed.stdout);
    expect(items).toMatchObject([{ namespace: "tenant:k", access: "read_write", label: "ci" }]);
    expect(listed.stdout).not.toContain(token);
    expect((await ctl(["keys", "revoke", items[0].id])).exitCode).toBe(0);
    expect((await ctl(["put", "tenant:k/settings", "a", "2"], { env })).exitCode).toBe(1);
    expect((await ctl(["keys", "revoke", items[0].id])).exitCode).toBe(1);
  });

  test.skipIf(!needsRedis("ctl over Unison"))(
    "over Unison it says what is not there, and does the rest",
    async () => {
      await inTemporaryDirectory(async (parent) => {
        const server = await RedisServer.start(parent);
        const unison = await startUnison(server.url, `--data-dir=${parent}`);
        const { url } = unison;
        expect((await ctl(["put", NAMESPACE, "k", "1"], { url })).exitCode).toBe(0);
        expect((await ctl(["get", NAMESPACE, "k", "--raw"], { url })).stdout).toBe("1\n");
        for (const words of [
          ["cluster", "status"],
          ["snapshot", join(parent, "x")],
        ]) {
          const refused = await ctl(words, { url });
          expect(refused).toMatchObject({
            exitCode: 1,
            stderr: expect.stringContaining("no cluster"),
          });
        }
        await server.kill();
        for (let attempt = 0; (await fetch(`${url}/ready`)).ok && attempt < 1_000; attempt += 1) {
          await Bun.sleep(10);
        }
        expect((await ctl(["get", NAMESPACE, "k"], { url })).exitCode).toBe(3);
        expect(await unison.end("SIGTERM")).toBe(0);
      });
    },
    60_000,
  );

  test("the encryption key is shown by its id and rotated", async () => {
    await ctl(["put", "tenant:r/credentials", "token"], { input: '"x"' });
    const shown = await ctl(["keys", "encryption", "--json"]);
    const { keyId, otherwiseSealed } = JSON.parse(shown.stdout);
    expect(otherwiseSealed).toEqual({ entries: 0, changes: 0 });
    const rotated = await ctl(["keys", "rotate", "--json"]);
    expect(JSON.parse(rotated.stdout)).toMatchObject({ ok: true, keyId });
  });

  test.skipIf(withoutOpenssl("ctl over TLS"))(
    "over TLS it trusts the authority it is told",
    async () => {
      await inTemporaryDirectory(async (parent) => {
        const authority = new Authority(parent, "ca");
        const secure = await startNode(
          join(parent, "a"),
          "--bootstrap",
          ...authority.flagsFor("a"),
        );
        const url = secure.url.replace("http:", "https:");
        const trusting = { url, env: { CONCORDANCE_CA_FILE: authority.caFile } };
        expect((await ctl(["put", NAMESPACE, "k", "1"], trusting)).exitCode).toBe(0);
        const told = await ctl(
          ["watch", "tenant:acme", "--from-revision=0", "--count=1"],
          trusting,
        );
        expect(told).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("k = 1") });
        const backup = join(parent, "state.backup");
        const words = ["snapshot", backup, `--ca-file=${authority.caFile}`];
        expect((await ctl(words, { url })).exitCode).toBe(0);
        const strangers = await ctl(["put", NAMESPACE, "k", "2"], { url });
        expect(strangers).toMatchObject({ exitCode: 3, stderr: expect.stringContaining("cert") });
        expect(await secure.end("SIGTERM")).toBe(0);
      });
    },
    60_000,
  );
});
