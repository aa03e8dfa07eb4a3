/** Files an agent writes, through the real process: the model's calls, the log, the routes, and SIGKILL in between. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { AgentClient } from "./support/agent-client.ts";
import type { ConcordServer } from "./support/concord-server.ts";
import { done, type EnsembleServer, never, text, toolCall } from "./support/ensemble-server.ts";
import { ALICE, MALLORY, type PodiumProcess, stepBody, until } from "./support/podium-process.ts";
import { PodiumWorld } from "./support/podium-world.ts";

let world: PodiumWorld;
let concord: ConcordServer;
let ensemble: EnsembleServer;
let podium: PodiumProcess;
let client: AgentClient;

beforeEach(async () => {
  world = await PodiumWorld.start();
  ({ concord, ensemble, podium } = world);
  await podium.createInstance("concierge", "i1");
  client = await AgentClient.connect(podium, "i1");
  await client.ask("t1", "Write it down");
  await client.event("created", "t1");
});

afterEach(() => world.end());

const write = (path: string, content: string) => toolCall("write_file", { path, content });
const step = async (n = 0, more: Record<string, unknown> = {}) =>
  (await podium.step(stepBody("cmd_1", "i1", "t1", n, more))).json();
const get = async (rest: string, actor = ALICE) => {
  const response = await podium.request(
    "GET",
    `/api/v1/instances/i1/files${rest}`,
    undefined,
    actor,
  );
  // biome-ignore lint/suspicious/noExplicitAny: tests read bodies of many shapes.
  return { status: response.status, body: (await response.json()) as any };
};
const toolMessages = (request: number) =>
  ensemble.requests[request]?.messages
    .filter(({ role }) => role === "tool")
    .map(({ content }) => JSON.parse(content));

test("an agent writes, reads and deletes its files in one thought; people see each change and read every version", async () => {
  ensemble.script(text("I write it."), write("notes/plan.md", "One"), done(10, 5));
  ensemble.script(
    write("notes/plan.md", "Two"),
    write("scrap", "x"),
    toolCall("delete_file", { path: "scrap" }),
    done(20, 5),
  );
  ensemble.script(
    toolCall("list_files", {}),
    toolCall("read_file", { path: "notes/plan.md", iteration: 1 }),
    done(30, 5),
  );
  ensemble.script(text("Written."), done(40, 5));
  expect(await step()).toEqual({
    move: { kind: "final", message_id: expect.any(String), text: "I write it.\n\nWritten." },
    usage: { input_tokens: 100, output_tokens: 20 },
  });
  expect(toolMessages(3)?.slice(-2)).toEqual([
    {
      status: "succeeded",
      result: { files: [{ path: "notes/plan.md", kind: "file", size: 3 }] },
    },
    { status: "succeeded", result: { path: "notes/plan.md", iteration: 1, content: "One" } },
  ]);
  await client.event("stream_end");
  const changes = client.events.filter(({ event_type }) => event_type === "file_change");
  expect(changes.map(({ content }) => content)).toEqual([
    { path: "notes/plan.md", change: "created", iteration: 1 },
    { path: "notes/plan.md", change: "modified", iteration: 2 },
    { path: "scrap", change: "created", iteration: 3 },
    { path: "scrap", change: "deleted", iteration: 4 },
  ]);
  expect(client.types().slice(0, 8)).toEqual([
    "created",
    "stream_start",
    "stream_update",
    "tool.call_start",
    "tool.call",
    "file_change",
    "tool.result",
    "tool.call_start",
  ]);
  const result = client.events.find(({ event_type }) => event_type === "tool.result");
  expect(result?.content).toMatchObject({ tool_name: "write_file", command_id: "cmd_1" });
  expect(concord.submissions).toHaveLength(1);

  expect((await get("?depth=1")).body).toEqual({ items: [{ path: "notes", kind: "directory" }] });
  expect((await get("?path=notes")).body).toEqual({
    items: [{ path: "notes/plan.md", kind: "file", size: 3 }],
  });
  const now = { path: "notes/plan.md", content: "Two", encoding: "utf8", iteration: 2 };
  expect((await get("/notes/plan.md")).body).toEqual(now);
  expect((await get("/notes%2Fplan.md")).body).toEqual(now);
  expect((await get("/notes%2Fplan.md/at/1")).body).toMatchObject({ content: "One", iteration: 1 });
  expect((await get("/notes/plan.md/at/4")).body).toEqual(now);
  expect((await get("/notes/plan.md/history")).body).toEqual({
    items: [1, 2].map((iteration) => ({
      iteration,
      timestamp: expect.any(Number),
      size: 3,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    })),
  });
  expect((await get("/scrap/history")).body).toMatchObject({
    items: [{ iteration: 3 }, { iteration: 4, deleted: true, size: 0 }],
  });
});

test("a file named like a question is read by its encoded path", async () => {
  ensemble.script(write("a/history", "H"), write("a/at/7", "7"), done(1, 1));
  ensemble.script(text("."), done(1, 1));
  await step();
  expect((await get("/a%2Fhistory")).body).toMatchObject({ content: "H" });
  expect((await get("/a%2Fat%2F7")).body).toMatchObject({ content: "7" });
  expect((await get("/a%2Fat%2F7/at/2")).body).toMatchObject({ content: "7" });
  expect(await get("/a/history")).toMatchObject({
    status: 404,
    body: { error: { code: "unknown_file" } },
  });
});

test("no path leads out, no stranger leads in, and every refusal has its code", async () => {
  ensemble.script(write("mine", "M"), done(1, 1));
  ensemble.script(text("."), done(1, 1));
  await step();
  for (const path of ["..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "a%5Cb", "%00", "a%2F%2Fb"]) {
    expect(await get(`/${path}`)).toMatchObject({
      status: 400,
      body: { error: { code: "invalid_path" } },
    });
  }
  expect(await get("/%ff")).toMatchObject({
    status: 400,
    body: { error: { code: "invalid_path" } },
  });
  expect(await get("?depth=0")).toMatchObject({ status: 400 });
  for (const rest of ["", "/mine", "/mine/history", "/mine/at/1"]) {
    expect(await get(rest, MALLORY)).toMatchObject({
      status: 404,
      body: { error: { code: "unknown_instance" } },
    });
  }
  for (const rest of ["/none", "/none/history", "/mine/at/0", "/mine/at/9", "?path=none"]) {
    expect(await get(rest)).toMatchObject({
      status: 404,
      body: { error: { code: "unknown_file" } },
    });
  }
  const api = await (await podium.request("GET", "/openapi.json")).json();
  const told = Object.keys((api as { paths: object }).paths).filter((path) =>
    path.includes("files"),
  );
  expect(told).toHaveLength(4);
  const bare = await fetch(`${podium.url}/api/v1/instances/i1/files`);
  expect(bare.status).toBe(401);
  await podium.request("DELETE", "/api/v1/instances/i1", undefined, ALICE);
  expect((await get("/mine")).body).toMatchObject({ content: "M" });
});

test("what a call cannot do is told to the model, and the other calls of the answer are done", async () => {
  ensemble.script(
    write("../../etc/cron.d/x", "* * * * *"),
    write("ok", "fine"),
    toolCall("write_file", { path: "no content" }),
    write("ok/below", "x"),
    toolCall("read_file", { path: "none" }),
    done(1, 1),
  );
  ensemble.script(text("One worked."), done(1, 1));
  await step();
  expect(toolMessages(1)?.map(({ status, error }) => error?.class ?? status)).toEqual([
    "invalid_path",
    "succeeded",
    "invalid_arguments",
    "path_taken",
    "unknown_file",
  ]);
  await client.event("stream_end");
  expect(client.types().filter((type) => type === "tool.error")).toHaveLength(4);
  expect(client.types().filter((type) => type === "file_change")).toHaveLength(1);
});

test("files and proposals in one answer: the files are written, the proposals are the move, and the next thought knows both", async () => {
  ensemble.script(
    text("Both."),
    write("wish.md", "Aurora"),
    toolCall("hotel_search", { city: "Berlin" }),
    done(1, 1),
  );
  const first = (await step()) as { move: { calls: { call_id: string; tool_name: string }[] } };
  expect(first.move.calls.map(({ tool_name }) => tool_name)).toEqual(["hotel_search"]);
  const [call] = first.move.calls;
  const observed = { kind: "observation", ...call, command_id: "cmd_child", status: "succeeded" };
  const transcript = [
    { kind: "move", move: first.move },
    { ...observed, result: { offers: [] } },
  ];
  ensemble.script(text("Done."), done(1, 1));
  await step(1, { transcript });
  const told = ensemble.requests[1]?.messages.slice(2) as unknown as Record<string, unknown>[];
  expect(told.map(({ role, name, content }) => [role, name ?? content])).toEqual([
    ["assistant", ""],
    ["tool", "write_file"],
    ["assistant", "Both."],
    ["tool", "hotel_search"],
  ]);
});

test("killed after its files are written: the thought goes on from there, nothing is written or paid for twice (P15)", async () => {
  ensemble.script(text("I write."), write("once.md", "1"), done(10, 5));
  ensemble.script(text("Half"), never());
  const lost = step().catch(() => "lost");
  await client.event("file_change");
  await until(() => ensemble.requests.length === 2);
  await podium.end("SIGKILL");
  expect(await lost).toBe("lost");
  podium = await world.killAndRestart();
  ensemble.script(text("Written."), done(20, 5));
  expect(await step()).toMatchObject({
    move: { kind: "final", text: "I write.\n\nWritten." },
    usage: { input_tokens: 30, output_tokens: 10 },
  });
  expect(ensemble.requests).toHaveLength(3);
  expect(toolMessages(2)).toEqual([
    { status: "succeeded", result: { path: "once.md", change: "created", iteration: 1 } },
  ]);
  expect((await get("/once.md/history")).body.items).toHaveLength(1);
  const log = await podium.log("i1");
  expect(log.filter(({ event_type }) => event_type === "file_change")).toHaveLength(1);
  const again = log.findLastIndex(({ event_type }) => event_type === "stream_start");
  const pieces = log.slice(again).filter(({ event_type }) => event_type === "stream_update");
  expect(pieces.map(({ content }) => content.text).join("")).toBe("I write.\n\nWritten.");
});

test("a stopped turn writes no more files", async () => {
  const gate = Promise.withResolvers<void>();
  ensemble.script(text("Wait."), { wait: gate.promise }, write("late.md", "L"), done(1, 1));
  const answer = podium.step(stepBody("cmd_1", "i1", "t1"));
  await client.event("stream_update");
  await client.stop("t1");
  expect((await answer).status).toBe(409);
  gate.resolve();
  expect((await get("")).body).toEqual({ items: [] });
});

test("a model that never stops working on its files is offered none any more, and must speak", async () => {
  for (let round = 0; round < 16; round += 1) {
    ensemble.script(write("again.md", String(round)), done(1, 1));
  }
  ensemble.script(text("Enough."), done(1, 1));
  expect(await step()).toMatchObject({ move: { kind: "final", text: "Enough." } });
  const offered = ensemble.requests.map((request) =>
    (request["tools"] as { name: string }[]).some(({ name }) => name === "write_file"),
  );
  expect(offered).toEqual([...Array.from({ length: 16 }, () => true), false]);
});

test("a turn of an automation with tools of its own: others are neither offered nor proposed", async () => {
  const cause = {
    automation_id: "auto_1",
    run_id: "run_1",
    due_at: "2026-01-01T00:00:00.000Z",
    tools: ["hotel_search", "read_file"],
  };
  await client.askFor(cause, "t2", "Look");
  await client.event("created", "t2");
  ensemble.script(
    write("a.md", "A"),
    toolCall("hotel_confirm", {}),
    toolCall("hotel_search", { city: "Berlin" }),
    done(1, 1),
  );
  const answer = await podium.step(stepBody("cmd_2", "i1", "t2"));
  expect(await answer.json()).toMatchObject({
    move: { kind: "tool_calls", calls: [{ tool_name: "hotel_search" }] },
  });
  const offered = ensemble.requests[0]?.["tools"] as { name: string }[];
  expect(offered.map(({ name }) => name)).toEqual(["hotel_search", "read_file"]);
  expect((await get("")).body).toEqual({ items: [] });
  await client.event("stream_end", "t2");
  const refused = client.events.filter(({ event_type }) => event_type === "tool.error");
  expect(refused.map(({ content }) => [content.tool_name, content.error.class])).toEqual([
    ["write_file", "tool_not_allowed"],
    ["hotel_confirm", "tool_not_allowed"],
  ]);
  expect(concord.submissions[1]?.body).toMatchObject({
    context: { metadata: { automation: cause } },
  });
});
