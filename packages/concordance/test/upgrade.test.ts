import { expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { inTemporaryDirectory, startNode } from "./process.ts";

const FORMAT_1 = join(import.meta.dir, "fixtures/format-1");

test("a data directory of format 1 opens, keeps its history, and goes on", async () => {
  await inTemporaryDirectory(async (folder) => {
    cpSync(FORMAT_1, folder, { recursive: true });
    for (const revision of [6, 8]) {
      const node = await startNode(folder, "--bootstrap");
      const { items } = await node.client.list("tenant:acme/settings");
      expect(items.map(({ key, value, version }) => ({ key, value, version }))).toMatchObject([
        { key: "k1", value: "again", version: 2 },
        { key: "k2", value: { n: 2 }, version: 1 },
      ]);
      expect((await node.client.changes(0)).items.at(4)).toMatchObject({ op: "delete", key: "k3" });
      expect(await node.client.set("tenant:acme/settings", "k3", 1)).toMatchObject({
        version: revision - 3,
        revision,
      });
      await node.client.delete("tenant:acme/settings", "k3");
      expect(await node.end("SIGTERM")).toBe(0);
    }
  });
});
