import { describe, expect, test } from "bun:test";
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { inTemporaryDirectory, runNode, spawnNode, startNode } from "./process.ts";
import { RpcSocket } from "./rpc.ts";

const quiet = "--listen=127.0.0.1:0";

describe("the program", () => {
  test("--help names every flag with its environment variable and default, and no secret", async () => {
    const { exitCode, stdout } = await runNode(["--help"], { CONCORDANCE_API_KEY: "s3cret" });
    expect(exitCode).toBe(0);
    for (const flag of [
      "node-id",
      "listen",
      "data-dir",
      "bootstrap",
      "join",
      "api-key",
      "agent-key",
    ]) {
      expect(stdout).toContain(`--${flag}=`);
    }
    expect(stdout).toContain("CONCORDANCE_AGENT_API_KEY");
    expect(stdout).not.toContain("s3cret");
  });

  const refusals: readonly (readonly [string, readonly string[], string])[] = [
    ["an unknown flag", ["--bootsrap"], 'unknown argument "--bootsrap"'],
    ["a flag without its value", ["--listen"], "--listen needs a value"],
    ["an address without a port", ["--listen=localhost"], "--listen needs host:port"],
    ["a switch that is neither", ["--bootstrap=maybe"], "--bootstrap needs true or false"],
    ["founding and joining at once", ["--join=127.0.0.1:1", "--bootstrap"], "give one of them"],
    ["a member to join without a port", ["--join=somewhere"], "--join needs host:port"],
    ["one key for both", ["--api-key=a", "--agent-key=a"], "must differ"],
    ["development keys off loopback", ["--listen=0.0.0.0:0"], "reaches other machines"],
    ["a node id of spaces", ["--node-id=a b"], "--node-id needs"],
  ];
  for (const [what, flags, message] of refusals) {
    test(`refuses ${what}, and says what to do`, async () => {
      const { exitCode, stderr } = await runNode(flags);
      expect(exitCode).toBe(2);
      expect(stderr).toContain(message);
    });
  }

  test("never repeats a secret it refuses", async () => {
    const { stderr } = await runNode([
      "--api-key=top s3cret",
      "--agent-key=x",
      "--agent_key=top s3cret",
    ]);
    expect(stderr).toContain("white space");
    expect(stderr).not.toContain("s3cret");
  });

  test("a new directory needs --bootstrap; an existing one needs nothing and accepts it (pitfall 5)", async () => {
    await inTemporaryDirectory(async (folder) => {
      const dataDir = join(folder, "deep/data");
      const refused = await runNode([`--data-dir=${dataDir}`, quiet]);
      expect(refused.exitCode).toBe(1);
      expect(refused.stderr).toContain("add --bootstrap");
      expect(existsSync(dataDir)).toBe(false);
      const first = await startNode(dataDir, "--bootstrap");
      await first.client.set("tenant:a", "k", 1);
      expect(await first.end("SIGTERM")).toBe(0);
      for (const flags of [[], ["--bootstrap"]]) {
        const again = await startNode(dataDir, ...flags);
        expect(await again.client.get("tenant:a", "k")).toMatchObject({ value: 1, version: 1 });
        expect(await again.end("SIGTERM")).toBe(0);
      }
    });
  });

  test("pitfall 5: a directory that lost its log, or is another node's, is refused and left alone", async () => {
    await inTemporaryDirectory(async (folder) => {
      const node = await startNode(folder, "--bootstrap", "--node-id=n1");
      await node.client.set("tenant:a", "k", 1);
      await node.end("SIGTERM");
      const other = await runNode([`--data-dir=${folder}`, "--node-id=n2", quiet]);
      expect(other.stderr).toContain('belongs to node "n1"');
      renameSync(join(folder, "raft.db"), join(folder, "kept"));
      const lost = await runNode([`--data-dir=${folder}`, "--bootstrap", quiet]);
      expect(lost).toMatchObject({ exitCode: 1 });
      expect(lost.stderr).toContain("the log was lost");
      expect(existsSync(join(folder, "raft.db"))).toBe(false);
      renameSync(join(folder, "kept"), join(folder, "raft.db"));
      for (const name of ["state.db", "state.db-wal", "state.db-shm"])
        rmSync(join(folder, name), { force: true });
      const rebuilt = await startNode(folder);
      expect(await rebuilt.client.get("tenant:a", "k")).toMatchObject({
        value: 1,
        version: 1,
        revision: 1,
      });
      await rebuilt.end("SIGTERM");
    });
  });

  test("a data directory serves one process at a time", async () => {
    await inTemporaryDirectory(async (folder) => {
      const node = await startNode(folder, "--bootstrap");
      const second = await runNode([`--data-dir=${folder}`, quiet]);
      expect(second.exitCode).toBe(1);
      expect(second.stderr).toContain("another process is using it");
      expect(await node.client.set("tenant:a", "k", 1)).toMatchObject({ ok: true });
      await node.end("SIGTERM");
    });
  });

  test("a busy port is one line that names the port and the flag", async () => {
    await inTemporaryDirectory(async (folder) => {
      const node = await startNode(join(folder, "one"), "--bootstrap");
      const { host, port } = new URL(node.url);
      const { exitCode, stderr } = await runNode([
        `--data-dir=${folder}/two`,
        "--bootstrap",
        `--listen=${host}`,
      ]);
      expect(exitCode).toBe(1);
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect(stderr).toContain(`port ${port}`);
      expect(stderr).toContain("--listen=");
      await node.end("SIGTERM");
    });
  });

  test("SIGTERM answers what is in flight, says goodbye to watchers, and exits 0", async () => {
    await inTemporaryDirectory(async (folder) => {
      const node = await startNode(folder, "--bootstrap");
      const rpc = await RpcSocket.open(node.url, "dev");
      await rpc.call("watch/subscribe", { namespace: "tenant:a" });
      const writes = Array.from({ length: 50 }, (_, i) => node.client.set("tenant:a", `k${i}`, i));
      const settled = Promise.allSettled(writes);
      await writes[0];
      expect(await node.end("SIGTERM")).toBe(0);
      const acknowledged = (await settled).filter(({ status }) => status === "fulfilled");
      expect(rpc.closed).toMatchObject({ code: 1001 });
      const again = await startNode(folder);
      const { items } = await again.client.list("tenant:a");
      expect(items.length).toBeGreaterThanOrEqual(acknowledged.length);
      await again.end("SIGTERM");
    });
  });

  test("under a supervisor the end of standard input ends the process", async () => {
    await inTemporaryDirectory(async (folder) => {
      const flags = [`--data-dir=${folder}`, quiet, "--bootstrap"];
      const child = spawnNode(flags, { CONCERT_SUPERVISED: "1" });
      for await (const chunk of child.stderr) {
        if (Buffer.from(chunk).toString().includes('"listening"')) break;
      }
      child.stdin.end();
      expect(await child.exited).toBe(0);
    });
  });
});
