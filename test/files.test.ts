/**
 * The files of a session's agent over every process: a person asks, the agent writes, everybody in the session sees it,
 * and each version stays, though Podium is killed. No command is made of it but the turn's own.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { DiminuendoClient } from "@concert/sdk";
import { concordOf, itemsOf } from "./support/concord.ts";
import { expectEveryEventOnce } from "./support/journey.ts";
import { Scene } from "./support/scene.ts";
import { eventually, TEST_TIMEOUT_MS } from "./support/stack.ts";

const CONCERT = join(import.meta.dir, "../packages/cli/src/main.ts");

const scene = new Scene();

const ends = () => scene.witness.events.filter(({ type }) => type === "turn_complete").length;

async function say(sessionId: string, text: string): Promise<void> {
  const before = ends();
  expect((await scene.witness.runTurn(sessionId, text)).type).toBe("turn_accepted");
  await eventually(`"${text}" to be answered`, () => (ends() > before ? true : undefined));
}

async function concert(...args: readonly string[]): Promise<{ code: number; out: string }> {
  const child = Bun.spawn(
    [process.execPath, CONCERT, ...args, "--url", scene.stack.urls.diminuendo],
    {
      stdout: "pipe",
      stderr: "inherit",
    },
  );
  const out = await new Response(child.stdout).text();
  return { code: await child.exited, out };
}

test(
  "an agent writes what it is asked to, people see it change and read every version, and it outlives Podium",
  async () => {
    const sessionId = await scene.witness.openSession();
    const list = { type: "list_files", sessionId };
    expect((await scene.witness.ask(list))["entries"]).toEqual([]);
    await say(sessionId, "Write trip/notes.md: Buy flowers");
    await scene.stack.kill("podium");
    await scene.stack.waitHealthy("podium");
    await say(sessionId, "Write trip/notes.md: Buy tulips");

    const changes = scene.witness.events.filter(({ type }) => type === "file.changed");
    expect(changes.map(({ path, change, iteration }) => [path, change, iteration])).toEqual([
      ["trip/notes.md", "created", 1],
      ["trip/notes.md", "modified", 2],
    ]);
    const path = "trip/notes.md";
    expect((await scene.witness.ask({ ...list, depth: 5 }))["entries"]).toEqual([
      { path: "trip", kind: "directory" },
      { path, kind: "file", size: 10 },
    ]);
    expect(await scene.witness.ask({ type: "read_file", sessionId, path })).toMatchObject({
      file: { path, content: "Buy tulips", encoding: "utf8", iteration: 2 },
    });
    const first = { type: "file_at_iteration", sessionId, path, iteration: 1 };
    expect(await scene.witness.ask(first)).toMatchObject({ file: { content: "Buy flowers" } });
    const history = await scene.witness.ask({ type: "file_history", sessionId, path });
    expect(history["iterations"]).toMatchObject([
      { iteration: 1, size: 11 },
      { iteration: 2, size: 10 },
    ]);
    expect(await concert("files", "read", sessionId, path)).toEqual({
      code: 0,
      out: "Buy tulips\n",
    });
    const copy = join(scene.stack.dataDir, "copy.md");
    await concert("files", "read", sessionId, path, "--iteration", "1", "--output", copy);
    expect(await Bun.file(copy).text()).toBe("Buy flowers");
    expect((await concert("files", "read", sessionId, "none")).code).toBe(1);
    expect((await concert("files", "list", sessionId)).out).toContain("trip/notes.md");
    expect((await concert("files", "history", sessionId, path)).out.split("\n")).toHaveLength(4);
    const sdk = new DiminuendoClient({
      url: `${scene.stack.urls.diminuendo.replace("http", "ws")}/ws`,
    });
    await sdk.connect();
    expect(await sdk.listFiles(sessionId, { path: "trip" })).toHaveLength(1);
    expect(await sdk.readFile(sessionId, path)).toMatchObject({ content: "Buy tulips" });
    expect(await sdk.fileHistory(sessionId, path)).toHaveLength(2);
    expect(await sdk.fileAtIteration(sessionId, path, 1)).toMatchObject({ iteration: 1 });
    sdk.disconnect();
    await expectEveryEventOnce(scene.witness, sessionId);

    const { userId, tenantId, roles } = scene.witness.identity;
    const person = { user: userId, tenant: tenantId, roles, permissions: [] };
    const commands = itemsOf(await concordOf(scene.stack, person)("/commands"));
    expect(commands.map((command) => (command as { task_name: string }).task_name)).toEqual([
      "agent.turn",
      "agent.turn",
    ]);
  },
  TEST_TIMEOUT_MS,
);
