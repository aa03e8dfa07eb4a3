/** The native socket and the HTTP surface of the real process: admission, bad frames, replay, slow readers. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentClient } from "./support/agent-client.ts";
import { ConcordServer } from "./support/concord-server.ts";
import { done, EnsembleServer, text } from "./support/ensemble-server.ts";
import {
  ALICE,
  MALLORY,
  PODIUM_KEY,
  PodiumProcess,
  stepBody,
  until,
} from "./support/podium-process.ts";

let dataDir: string;
let concord: ConcordServer;
let ensemble: EnsembleServer;
let podium: PodiumProcess;
let turns = 0;
const STALL_MS = 300;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "podium-"));
  concord = new ConcordServer();
  ensemble = new EnsembleServer();
  podium = await PodiumProcess.start(
    dataDir,
    { concord, ensemble },
    `--socket-stall-ms=${STALL_MS}`,
  );
});

afterAll(async () => {
  await podium.end("SIGKILL");
  concord.stop();
  ensemble.stop();
  rmSync(dataDir, { recursive: true });
});

/** Opens a turn on an instance and answers its command. */
const openTurn = async (client: AgentClient) => {
  turns += 1;
  const turnId = `turn${turns}`;
  await client.ask(turnId, "hi");
  return {
    turnId,
    commandId: (await client.event("created", turnId)).content.command_id as string,
  };
};

test("an upgrade of HTTP/1.0 without a Host is judged like any other", async () => {
  const answer = (head: string) =>
    new Promise<string>((resolve, reject) => {
      const port = Number(new URL(podium.url).port);
      const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(`${head}\r\n\r\n`));
      socket.on("data", (data) => {
        resolve(String(data));
        socket.end();
      });
      socket.on("error", reject);
    });
  const upgrade = "Connection: Upgrade\r\nUpgrade: websocket";
  expect(await answer(`GET /agent/i1 HTTP/1.0\r\n${upgrade}`)).toStartWith("HTTP/1.1 401 ");
});

test("bad frames are answered with an error frame and the connection lives", async () => {
  await podium.createInstance("concierge", "bad-frames");
  const client = await AgentClient.connect(podium, "bad-frames");
  const expected = [
    ["{", "invalid_json"],
    ["[]", "invalid_frame"],
    ['{"type":"dance"}', "invalid_frame"],
    ['{"type":"process_message","content":{}}', "invalid_frame"],
    [
      JSON.stringify({
        type: "process_message",
        content: { text: "x".repeat(32_001), turn_id: "a", session_id: "s", actor: "x" },
      }),
      "invalid_frame",
    ],
    [
      JSON.stringify({
        type: "process_message",
        content: { text: "x", turn_id: "a", session_id: "s", actor: "forged" },
      }),
      "invalid_actor",
    ],
    [
      JSON.stringify({ type: "stop_turn", turn_id: "a", actor: "x".repeat(1_048_600) }),
      "frame_too_large",
    ],
  ] as const;
  for (const [frame] of expected) client.sendRaw(frame);
  await until(() => client.errors.length === expected.length);
  expect(client.errors.map((frame) => frame.error.code)).toEqual(expected.map(([, code]) => code));
  expect(client.errors.at(-2)?.turn_id).toBe("a");
  expect((await openTurn(client)).commandId).toMatch(/^cmd_/);
});

test("a socket needs the key, a known instance of the tenant, and a sensible `after`", async () => {
  await podium.createInstance("concierge", "admission");
  const upgrade = async (path: string, key: string) => {
    const headers = {
      authorization: `Bearer ${key}`,
      connection: "upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    };
    const response = await fetch(podium.url + path, { headers });
    return [response.status, ((await response.json()) as { error: { code: string } }).error.code];
  };
  expect(await upgrade("/agent/admission", "wrong")).toEqual([401, "unauthorized"]);
  expect(await upgrade("/agent/nobody", PODIUM_KEY)).toEqual([404, "unknown_instance"]);
  expect(await upgrade("/agent/%zz", PODIUM_KEY)).toEqual([404, "unknown_instance"]);
  expect(await upgrade("/agent/admission?after=-1", PODIUM_KEY)).toEqual([400, "invalid_request"]);
});

test("connecting at any point of the log gives exactly the events after it, replay and live joined (P13)", async () => {
  await podium.createInstance("concierge", "replay");
  const first = await AgentClient.connect(podium, "replay");
  const { turnId, commandId } = await openTurn(first);
  const pieces = Array.from({ length: 60 }, (_, n) => text(`${n} `.padEnd(300, ".")));
  ensemble.script(...pieces, done(1, 1));
  const step = podium.step(stepBody(commandId, "replay", turnId));
  const readers = [];
  for (const after of [0, 1, 5, 17, 30]) {
    await until(() => first.events.length > after);
    readers.push({ after, client: await AgentClient.connect(podium, "replay", after) });
  }
  await step;
  for (const { after, client } of readers) {
    await client.event("stream_end");
    expect(client.events).toEqual(first.events.slice(after));
  }
  expect(first.events).toEqual(await podium.log("replay"));
});

test("a reader that takes nothing is closed, costs no memory, and misses nothing when it resumes (design D5)", async () => {
  await podium.createInstance("concierge", "slow");
  const client = await AgentClient.connect(podium, "slow");
  const { turnId, commandId } = await openTurn(client);
  const slow = await deafSocket("/agent/slow?after=0");
  // Forty messages near the largest allowed: far more than the kernel buffers for one connection.
  for (let n = 0; n < 40; n += 1) {
    ensemble.script(...Array.from({ length: 19 }, () => text("x".repeat(10_000))), done(1, 1));
    expect((await podium.step(stepBody(commandId, "slow", turnId, n))).status).toBe(200);
  }
  await Bun.sleep(STALL_MS * 2); // The limit has passed before the reader reads again.
  const lastBytes = await slow.readToTheEnd();
  expect(lastBytes.subarray(0, 4)).toEqual(Buffer.from([0x88, lastBytes.length - 2, 0x0f, 0xa8]));
  const resumed = await AgentClient.connect(podium, "slow", 0);
  await until(() => resumed.events.length === client.events.length);
  expect(resumed.events.map((event) => event.event_id)).toEqual(
    client.events.map((event) => event.event_id),
  );
}, 30_000);

test("instances: created once, known by id, gone after DELETE, back with their log after POST", async () => {
  expect((await podium.createInstance("concierge", "life")).status).toBe(201);
  const again = await podium.createInstance("concierge", "life");
  expect([again.status, await again.json()]).toEqual([
    200,
    {
      instance_id: "life",
      deployment_id: "concierge:builtin",
      agent_type: "concierge",
      status: "running",
    },
  ] as never);
  const client = await AgentClient.connect(podium, "life");
  const { commandId } = await openTurn(client);
  expect((await podium.request("DELETE", "/api/v1/instances/life", undefined, ALICE)).status).toBe(
    200,
  );
  expect((await client.event("complete")).content).toMatchObject({
    status: "cancelled",
    command_id: commandId,
  });
  expect((await podium.request("DELETE", "/api/v1/instances/life")).status).toBe(404);
  expect((await podium.request("GET", "/api/v1/instances/life")).status).toBe(404);
  expect((await podium.createInstance("concierge", "life")).status).toBe(200);
  expect((await podium.log("life")).at(-1)?.event_type).toBe("complete");
});

test("bad requests are refused with what would be accepted", async () => {
  const code = async (response: Response) => [
    response.status,
    ((await response.json()) as { error: { code: string; message: string } }).error.code,
  ];
  const create = (body: unknown, actor = ALICE) =>
    podium.request("POST", "/api/v1/instances", body, actor);
  expect(await code(await create({ agent_type: "juggler" }))).toEqual([400, "unknown_agent_type"]);
  expect(await code(await create({}))).toEqual([400, "unknown_agent_type"]);
  expect(await code(await create({ agent_type: "echo", secrets: { a: "b" } }))).toEqual([
    400,
    "invalid_request",
  ]);
  expect(await code(await create({ agent_type: "echo", instance_id: "no spaces" }))).toEqual([
    400,
    "invalid_request",
  ]);
  expect(
    await code(await podium.request("POST", "/api/v1/instances", { agent_type: "echo" })),
  ).toEqual([401, "invalid_actor"]);
  expect(await code(await podium.step({ step_key: "x" }))).toEqual([400, "invalid_request"]);
  expect(await code(await podium.step(stepBody("cmd_x", "nobody", "t")))).toEqual([
    404,
    "unknown_instance",
  ]);
  expect(
    await code(await fetch(`${podium.url}/internal/v1/agent-steps`, { method: "POST" })),
  ).toEqual([401, "unauthorized"]);
  expect(await code(await fetch(`${podium.url}/api/v1/agent-types`))).toEqual([
    401,
    "unauthorized",
  ]);
  await podium.createInstance("concierge", "steps");
  expect(await code(await podium.step(stepBody("cmd_x", "steps", "no-turn")))).toEqual([
    404,
    "unknown_turn",
  ]);
  expect((await create({ deployment_id: "echo:1.0.0@12345678" }, MALLORY)).status).toBe(201);
});

test("GET /metrics counts what is open", async () => {
  await podium.createInstance("concierge", "counted");
  const value = async (name: string) => {
    const body = await (await fetch(`${podium.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(body)?.[1]);
  };
  const [turnsBefore, socketsBefore] = [
    await value("podium_turns_open"),
    await value("podium_sockets_open"),
  ];
  const client = await AgentClient.connect(podium, "counted");
  await openTurn(client);
  expect(await value("podium_turns_open")).toBe(turnsBefore + 1);
  expect(await value("podium_sockets_open")).toBe(socketsBefore + 1);
  expect(await value("podium_feed_connected")).toBe(1);
  client.close();
  await until(async () => (await value("podium_sockets_open")) === socketsBefore);
});

test("GET /ready says what is missing, /openapi.json names the routes, agent types are listed", async () => {
  const document = (await (await fetch(`${podium.url}/openapi.json`)).json()) as { paths: object };
  expect(Object.keys(document.paths)).toContain("/internal/v1/agent-steps");
  const types = await (await podium.request("GET", "/api/v1/agent-types")).json();
  expect(
    (types as { items: { agent_type: string }[] }).items.map((type) => type.agent_type),
  ).toEqual(["concierge", "echo"]);
  await until(async () => (await fetch(`${podium.url}/ready`)).ok);
  const alone = await PodiumProcess.start(`${dataDir}/alone`, {
    concord: { url: "http://127.0.0.1:1" },
    ensemble,
  });
  const answer = await fetch(`${alone.url}/ready`);
  expect([answer.status, ((await answer.json()) as { missing: string[] }).missing]).toEqual([
    503,
    ["the feed of Concord at http://127.0.0.1:1"],
  ]);
  await alone.end("SIGTERM");
});

/** A WebSocket client below the socket API: it shakes hands and then reads nothing until it is told to. */
async function deafSocket(path: string): Promise<{ readToTheEnd: () => Promise<Buffer> }> {
  const { hostname, port } = new URL(podium.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer ${PODIUM_KEY}\r\n\r\n`,
  );
  await new Promise<void>((resolve) => socket.once("data", () => resolve()));
  socket.pause();
  const readToTheEnd = async () => {
    let tail = Buffer.alloc(0);
    socket.on("data", (data) => {
      tail = Buffer.concat([tail, data]).subarray(-100);
    });
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.resume();
    await closed;
    // A close frame says why in words: its length byte and 0x88 begin it.
    return tail.subarray(tail.lastIndexOf(0x88));
  };
  return { readToTheEnd };
}
