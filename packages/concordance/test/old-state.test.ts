import { describe, expect, test } from "bun:test";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { inTemporaryDirectory, type Node, runNode, startNode } from "./process.ts";

const NAMESPACE = "tenant:acme/settings";

async function writes(node: Node, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await node.client.set(NAMESPACE, `k${n % 7}`, n);
}

/** Puts the state of an earlier stop in place of the present one. */
function putBack(folder: string, copy: string): void {
  for (const suffix of ["-wal", "-shm"]) rmSync(join(folder, `state.db${suffix}`), { force: true });
  copyFileSync(copy, join(folder, "state.db"));
}

describe("a state that is older than its log", () => {
  test("pitfall 6: is brought up by the log, once and in order, as far as the log reaches back", async () => {
    await inTemporaryDirectory(async (outer) => {
      const [folder, copy] = [join(outer, "data"), join(outer, "old.db")];
      const first = await startNode(folder, "--bootstrap");
      await writes(first, 10);
      await first.end("SIGTERM");
      copyFileSync(join(folder, "state.db"), copy);
      const second = await startNode(folder);
      await writes(second, 30);
      const before = await second.client.list(NAMESPACE);
      await second.end("SIGTERM");
      putBack(folder, copy);
      const third = await startNode(folder);
      expect(await third.client.list(NAMESPACE)).toEqual(before);
      expect((await third.client.changes(0)).items.map(({ seq }) => seq)).toEqual(
        Array.from({ length: 40 }, (_, n) => n + 1),
      );
      await third.end("SIGTERM");
    });
  }, 30_000);

  test("pitfall 6: is refused, with what to do, where the log was compacted past it", async () => {
    await inTemporaryDirectory(async (outer) => {
      const [folder, copy] = [join(outer, "data"), join(outer, "old.db")];
      const first = await startNode(folder, "--bootstrap");
      await writes(first, 10);
      await first.end("SIGTERM");
      copyFileSync(join(folder, "state.db"), copy);
      const second = await startNode(folder, "--compact-entries=100");
      await writes(second, 300);
      const headers = { authorization: "Bearer dev" };
      for (let turn = 0; turn < 500; turn += 1) {
        const metrics = await (await fetch(`${second.url}/metrics`, { headers })).text();
        if (!metrics.includes("raft_compactions_total 0")) break;
        await Bun.sleep(10);
      }
      await second.end("SIGTERM");
      putBack(folder, copy);
      const refused = await runNode([`--data-dir=${folder}`, "--listen=127.0.0.1:0"]);
      expect(refused.exitCode).toBe(1);
      expect(refused.stderr).toContain("the state was replaced or lost");
      expect(refused.stderr).toContain("Restore both files from one backup");
    });
  }, 30_000);
});
