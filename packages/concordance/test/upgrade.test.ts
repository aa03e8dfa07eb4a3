import { expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { inTemporaryDirectory, startNode } from "./process.ts";

const FORMAT_1 = join(import.meta.dir, "fixtures/format-1");
const FORMAT_2 = join(import.meta.dir, "fixtures/format-2");

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

test("a data directory of format 2 keeps its changes and who made them, and goes on counting", async () => {
  await inTemporaryDirectory(async (folder) => {
    cpSync(FORMAT_2, folder, { recursive: true });
    for (const before of [6, 7]) {
      const node = await startNode(folder, "--bootstrap");
      const { items } = await node.client.changes(0);
      expect(items.slice(0, 6).map(({ op, key, value }) => [op, key, value ?? null])).toEqual([
        ["set", "k1", "first"],
        ["set", "k2", { n: 2 }],
        ["set", "k", [1]],
        ["set", "k3", 3],
        ["delete", "k3", null],
        ["set", "k1", "again"],
      ]);
      const audit = await node.client.list("tenant:acme/audit");
      expect(audit.items.slice(0, 5).map(({ key }) => Number(key))).toEqual([1, 2, 4, 5, 6]);
      expect(audit.items).toHaveLength(before - 1);
      expect(await node.client.set("tenant:acme/settings", "k1", before)).toMatchObject({
        version: before - 3,
        revision: before + 1,
      });
      expect(await node.end("SIGTERM")).toBe(0);
    }
  });
});
