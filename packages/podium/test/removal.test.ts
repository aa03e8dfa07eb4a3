/** An instance is removed for good, through the real process: what goes, what stays, who may, and SIGKILL in between. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { AgentClient } from "./support/agent-client.ts";
import { done, text, toolCall } from "./support/ensemble-server.ts";
import { ALICE, MALLORY, stepBody, until } from "./support/podium-process.ts";
import { PodiumWorld } from "./support/podium-world.ts";

const SECRET_WORDS = "the-tulips-are-under-the-stairs";

let world: PodiumWorld;
beforeEach(async () => {
  world = await PodiumWorld.start();
});
afterEach(() => world.end());

/** A conversation in which the agent wrote `content` into a file; `turn` has its number at Concord. */
async function conversation(instanceId: string, turn: number, content: string) {
  const { podium, ensemble, concord } = world;
  await podium.createInstance("concierge", instanceId);
  const client = await AgentClient.connect(podium, instanceId);
  await client.ask(`t${turn}`, `Keep this: ${content}`);
  await client.event("created", `t${turn}`);
  ensemble.script(toolCall("write_file", { path: "note", content }), done(1, 1));
  ensemble.script(text(`I keep ${content}.`), done(1, 1));
  await podium.step(stepBody(`cmd_${turn}`, instanceId, `t${turn}`));
  concord.moveTurn(`cmd_${turn}`, "succeeded");
  await client.event("complete", `t${turn}`);
  client.close();
}

const remove = async (instanceId: string, actor?: typeof ALICE) => {
  const path = `/api/v1/instances/${instanceId}/remove`;
  const response = await world.podium.request("POST", path, undefined, actor);
  // biome-ignore lint/suspicious/noExplicitAny: tests read bodies of many shapes.
  return { status: response.status, body: (await response.json()) as any };
};
const read = (path: string) =>
  world.podium.request("GET", `/api/v1/instances/${path}`, undefined, ALICE);
const onDisk = () =>
  readdirSync(world.dataDir).filter((name) =>
    readFileSync(join(world.dataDir, name)).includes(SECRET_WORDS),
  );

test("the log and the workspace are gone from the disk, what others keep stays, and again answers the same", async () => {
  await conversation("i1", 1, SECRET_WORDS);
  await conversation("i2", 2, "in both");
  await conversation("i3", 3, "in both");
  expect(onDisk()).not.toEqual([]);
  const first = await remove("i1", ALICE);
  expect(first).toMatchObject({
    status: 200,
    body: { instance_id: "i1", status: "removed", removed_by: "alice", turns: 1, files: 1 },
  });
  expect(first.body.events).toBeGreaterThan(4);
  expect(onDisk()).toEqual([]);
  expect((await read("i1/events")).status).toBe(404);
  expect((await read("i1/files/note")).status).toBe(404);
  expect((await remove("i2", ALICE)).status).toBe(200);
  expect(await (await read("i3/files/note")).json()).toMatchObject({ content: "in both" });
  await world.killAndRestart();
  expect(await remove("i1", ALICE)).toEqual(first);
  const again = await world.podium.createInstance("echo", "i1");
  expect(again.status).toBe(409);
  expect(await again.json()).toMatchObject({ error: { code: "instance_removed" } });
});

test("only its tenant removes it, and an id that never was stays removed", async () => {
  await conversation("i1", 1, "mine");
  expect(await remove("i1", MALLORY)).toMatchObject({
    status: 404,
    body: { error: { code: "unknown_instance" } },
  });
  expect(await remove("i1")).toMatchObject({
    status: 401,
    body: { error: { code: "invalid_actor" } },
  });
  expect((await read("i1/files/note")).status).toBe(200);
  expect(await remove("later", ALICE)).toMatchObject({ status: 200, body: { events: 0 } });
  expect((await world.podium.createInstance("echo", "later")).status).toBe(409);
  expect((await remove("later", MALLORY)).status).toBe(404);
});

test("while a turn is open it is stopped, and the instance goes once the turn has ended, over a SIGKILL", async () => {
  const { podium, concord } = world;
  await podium.createInstance("echo", "i1");
  const client = await AgentClient.connect(podium, "i1");
  await client.ask("t1", "Go on for ever");
  await client.event("created", "t1");
  // Concord takes the cancellation, and its end comes later.
  concord.dropFeeds();
  concord.failNext.push({ status: 503, code: "busy" });
  expect(await remove("i1", ALICE)).toEqual({
    status: 202,
    body: { instance_id: "i1", status: "stopping" },
  });
  await world.killAndRestart();
  const gone = await until(async () => {
    const answer = await remove("i1", ALICE);
    return answer.status === 200 ? answer : null;
  });
  expect(gone.body).toMatchObject({ turns: 1, files: 0 });
  expect(concord.cancellations).toMatchObject([{ commandId: "cmd_1", actor: { user: "alice" } }]);
});
