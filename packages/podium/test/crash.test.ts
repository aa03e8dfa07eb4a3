/** SIGKILL at the worst moments: the real process dies and starts again on the same directory. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { AgentClient } from "./support/agent-client.ts";
import type { ConcordServer } from "./support/concord-server.ts";
import { done, type EnsembleServer, never, text } from "./support/ensemble-server.ts";
import { ALICE, PodiumProcess, stepBody, until } from "./support/podium-process.ts";
import { PodiumWorld } from "./support/podium-world.ts";

let world: PodiumWorld;
let concord: ConcordServer;
let ensemble: EnsembleServer;
let podium: PodiumProcess;

const killAndRestart = async () => {
  podium = await world.killAndRestart();
};

beforeEach(async () => {
  world = await PodiumWorld.start();
  ({ concord, ensemble, podium } = world);
  await podium.createInstance("concierge", "i1");
});

afterEach(() => world.end());

test("killed in mid-stream: the repeated step restarts the message, and a reader with `after` gets every event once (P1 P5 P13)", async () => {
  const before = await AgentClient.connect(podium, "i1");
  await before.ask("t1", "hi");
  await before.event("created");
  ensemble.script(text("Half of a sen"), never());
  const lost = podium.step(stepBody("cmd_1", "i1", "t1")).catch(() => "lost");
  await before.event("stream_update");
  await killAndRestart();
  expect(await lost).toBe("lost");

  const last = before.events.at(-1)?.event_id ?? 0;
  const after = await AgentClient.connect(podium, "i1", last);
  ensemble.script(text("A whole sentence."), done(3, 4));
  const answer = await (await podium.step(stepBody("cmd_1", "i1", "t1"))).json();
  await after.event("stream_end");

  const told = [...before.events, ...after.events];
  expect(told.map((event) => event.event_id)).toEqual(told.map((_, index) => index + 1));
  expect(told.map(({ event_type, content }) => [event_type, content.attempt])).toEqual([
    ["created", undefined],
    ["stream_start", 1],
    ["stream_update", 1],
    ["message_restarted", 2],
    ["stream_start", 2],
    ["stream_update", 2],
    ["stream_end", undefined],
  ]);
  const messageIds = new Set(told.slice(1).map((event) => event.content.message_id));
  expect([...messageIds]).toEqual([(answer as { move: { message_id: string } }).move.message_id]);
});

test("killed after a move was recorded: the repeated step gets the same move, the model is not asked (P3 P12)", async () => {
  const client = await AgentClient.connect(podium, "i1");
  await client.ask("t1", "hi");
  await client.event("created");
  ensemble.script(text("Said once."), done(3, 4));
  const first = await (await podium.step(stepBody("cmd_1", "i1", "t1"))).json();
  const logged = await podium.log("i1");
  await killAndRestart();
  const again = await (await podium.step(stepBody("cmd_1", "i1", "t1"))).json();
  expect(again).toEqual(first);
  expect(ensemble.requests).toHaveLength(1);
  expect(await podium.log("i1")).toEqual(logged);
});

test("killed before Concord answered the submission: the turn is submitted again as the same person, and is one command (P9 P10)", async () => {
  const client = await AgentClient.connect(podium, "i1");
  const reached = Promise.withResolvers<void>();
  concord.beforeAnswer = () => {
    reached.resolve();
    return new Promise(() => {});
  };
  await client.ask("t1", "hi");
  await reached.promise;
  const kid = { command: "cmd_kid", root: "cmd_1", parent: "cmd_1", task: "x.y" };
  concord.emit({ type: "state_transitioned", ...kid, payload: { to: "running" } });
  await killAndRestart();

  const again = await AgentClient.connect(podium, "i1");
  await again.event("command.status");
  concord.moveTurn("cmd_1", "succeeded", { result: { text: "done" } });
  await again.event("complete");
  expect(again.types()).toEqual(["created", "command.status", "usage", "complete"]);
  expect(concord.submissions.map(({ commandId, actor }) => [commandId, actor])).toEqual([
    ["cmd_1", ALICE],
  ]);
});

test("killed while following: the feed resumes from its cursor without loss or repeat (P8)", async () => {
  const client = await AgentClient.connect(podium, "i1");
  await client.ask("t1", "hi");
  await client.event("created");
  const move = (n: number) => {
    const kid = { command: `cmd_kid${n}`, root: "cmd_1", parent: "cmd_1", task: "x.y" };
    concord.emit({ type: "state_transitioned", ...kid, payload: { to: "running" } });
  };
  for (let n = 1; n <= 40; n += 1) {
    move(n);
    if (n % 10 !== 0) continue;
    await until(async () => (await podium.log("i1")).length > n - 7);
    await killAndRestart(); // Dies with some of the ten applied, or all.
  }
  concord.moveTurn("cmd_1", "succeeded");
  const log = await until(async () => {
    const events = await podium.log("i1");
    return events.at(-1)?.event_type === "complete" ? events : undefined;
  });
  const kids = log.filter((event) => event.event_type === "command.status");
  expect(kids.map((event) => event.content.command_id)).toEqual(
    Array.from({ length: 40 }, (_, index) => `cmd_kid${index + 1}`),
  );
  expect(log.map((event) => event.event_id)).toEqual(log.map((_, index) => index + 1));
  expect(concord.subscribedAfter[0]).toBe("0");
  expect(concord.subscribedAfter.at(-1)).not.toBe("0");
});

test("killed between a stop and its cancellation: the cancellation is sent after the restart", async () => {
  const client = await AgentClient.connect(podium, "i1");
  await client.ask("t1", "hi");
  await client.event("created");
  concord.failNext.push(...Array.from({ length: 50 }, () => ({ status: 503, code: "busy" })));
  await client.stop("t1");
  await until(() => concord.failNext.length < 50);
  await podium.end("SIGKILL");
  concord.failNext.length = 0;
  await killAndRestart();
  const again = await AgentClient.connect(podium, "i1");
  expect((await again.event("complete")).content.status).toBe("cancelled");
  expect(concord.cancellations).toHaveLength(1);
});

test("killed in mid-stream and never asked again: the end of the turn closes the open message with the text of its last attempt (P6)", async () => {
  const client = await AgentClient.connect(podium, "i1");
  await client.ask("t1", "hi");
  await client.event("created");
  for (const said of ["An older half", "Half"]) {
    ensemble.script(text(said), never());
    const lost = podium.step(stepBody("cmd_1", "i1", "t1")).catch(() => "lost");
    await until(async () => {
      const last = (await podium.log("i1")).at(-1);
      return last?.event_type === "stream_update" && last.content.text === said;
    });
    await killAndRestart();
    await lost;
  }
  concord.moveTurn("cmd_1", "failed", { error: { class: "agent_failed", message: "gave up" } });
  const again = await AgentClient.connect(podium, "i1");
  await again.event("error");
  expect(again.types()).toEqual([
    "created",
    "stream_start",
    "stream_update",
    "message_restarted",
    "stream_start",
    "stream_update",
    "stream_end",
    "usage",
    "error",
  ]);
  expect(again.events.at(-3)?.content.text).toBe("Half");
});

test("SIGTERM in mid-thought ends within its grace, exit 0, and a second process may not share the directory", async () => {
  const client = await AgentClient.connect(podium, "i1");
  const second = PodiumProcess.start(world.dataDir, world);
  expect(second).rejects.toThrow(/another Podium holds/);
  await second.catch(() => undefined);
  const gate = Promise.withResolvers<void>();
  await client.ask("t1", "hi");
  await client.event("created");
  ensemble.script(text("Half"), { wait: gate.promise }, text(" and whole."), done(1, 1));
  const step = podium.step(stepBody("cmd_1", "i1", "t1"));
  await client.event("stream_update");
  const ended = podium.end("SIGTERM");
  gate.resolve();
  expect(await (await step).json()).toMatchObject({ move: { text: "Half and whole." } });
  expect(await ended).toBe(0);
  expect(client.closeCode).toBe(4100);
  await killAndRestart();
});
