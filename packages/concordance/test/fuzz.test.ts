/**
 * Bad input on every port and route, from seeds: whatever comes, the answer is a refusal and never a failure of
 * ours, the process lives, and what was acknowledged is there. CONCORDANCE_FUZZ_SEED repeats one seed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { greetingHeaders, PEER_CLOSE, PEER_PROTOCOL } from "../service/peer-wire.ts";
import { nodeId } from "../service/raft/types.ts";
import { type ClusterStatus, REFUSALS } from "../shared/protocol.ts";
import { BadInput } from "./bad-input.ts";
import { pathOf } from "./contract/fixture.ts";
import { eventually, type Node, startNode } from "./process.ts";
import { RpcSocket } from "./rpc.ts";

const wanted = process.env["CONCORDANCE_FUZZ_SEED"];
const SEEDS = wanted === undefined ? [1, 2, 3] : [Number(wanted)];
const KEPT = { namespace: "tenant:kept/settings", key: "k", value: "acknowledged" } as const;
const headers = { authorization: "Bearer dev" };
const METHODS = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD"] as const;
const PATHS = [
  "/api/v1/kv/tenant%3Aa%2Fs",
  "/api/v1/kv/tenant%3Aa%2Fs/k",
  "/api/v1/kv/tenant%3Aa%2Fcredentials/k",
  "/api/v1/kv/tenant%3Aa%2Faudit",
  "/api/v1/batch",
  "/api/v1/changes",
  "/api/v1/keys",
  "/api/v1/keys/0011223344556677",
  "/api/v1/encryption",
  "/api/v1/cluster/status",
  "/api/v1/cluster/join",
  "/api/v1/cluster/promote",
  "/raft",
  "/raft/snapshot/transfer-out-1.db",
  "/stream",
  "/metrics",
  "/health",
] as const;
const QUERIES = [
  "since",
  "limit",
  "cursor",
  "prefix",
  "namespace",
  "waitMs",
  "cas",
  "actor",
  "minRevision",
  "consistency",
] as const;
const SET = {
  namespace: "tenant:f/s",
  key: "k",
  value: 1,
  actor: "a",
  cas: 1,
  ttlMs: 5,
  requestId: "r",
};
const RPCS = [
  ["kv/get", { namespace: "tenant:f/s", key: "k", minRevision: 1, consistency: "local" }],
  ["kv/list", { namespace: "tenant:f/s", prefix: "a", limit: 5, cursor: "b" }],
  ["kv/mget", { keys: [{ namespace: "tenant:f/s", key: "k" }] }],
  ["kv/set", SET],
  ["kv/delete", { namespace: "tenant:f/s", key: "k", actor: "a", cas: 1 }],
  [
    "kv/batch",
    { operations: [{ op: "set", namespace: "tenant:f/s", key: "k", value: 1 }], actor: "a" },
  ],
  ["watch/subscribe", { namespace: "tenant:f", prefix: "a", fromRevision: 0, initial: false }],
  ["watch/unsubscribe", { namespace: "tenant:f" }],
] as const;

let folder = "";
let node: Node;
const start = (...flags: readonly string[]) => startNode(folder, "--node-id=n1", ...flags);
const portOf = () => Number(new URL(node.url).port);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "concordance-"));
  node = await start("--bootstrap");
  await node.client.set(KEPT.namespace, KEPT.key, KEPT.value);
});
afterAll(async () => {
  await node.end("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** It lives, leads, and has what it acknowledged; and nothing went wrong inside. */
async function unharmed(): Promise<void> {
  const kept = await node.client.get(KEPT.namespace, KEPT.key).catch((error: unknown) => {
    throw new Error(`${String(error)}; it said: ${node.log()}`);
  });
  expect(kept).toMatchObject({ value: KEPT.value });
  await node.client.set("tenant:kept/alive", "k", 1);
  // What a peer sent wrongly is worth a line; anything else would be a failure of ours.
  const failures = node
    .log()
    .split("\n")
    .filter((line) => line.includes('"level":"error"'));
  expect(failures.filter((line) => !line.includes("a peer sent a frame"))).toEqual([]);
}

function raw(): Socket {
  const socket = connect({ port: portOf(), host: "127.0.0.1" });
  socket.on("error", () => undefined);
  return socket;
}

/** Sends bytes and waits until they are taken, or the other side hangs up. */
function throwAt(bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve) => {
    const socket = raw();
    socket.on("close", () => resolve());
    socket.write(bytes, () => {
      socket.destroy();
      resolve();
    });
  });
}

describe.each(SEEDS)("bad input, seed %d", (seed) => {
  test("bytes and broken HTTP on the port", async () => {
    const bad = new BadInput(seed);
    for (let turn = 0; turn < 150; turn += 1) {
      const head = `${bad.pick(METHODS)} ${bad.pick(PATHS)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer dev\r\nContent-Length: ${bad.pick([0, 5, -1, 1e9])}\r\n\r\n`;
      await throwAt(
        bad.pick<Uint8Array | string>([bad.bytes(2_000), bad.bent(head), head + bad.text()]),
      );
    }
    await unharmed();
  }, 60_000);

  test("every route, with any method, query, key and body", async () => {
    const bad = new BadInput(seed);
    const codes = new Set(Object.keys(REFUSALS));
    for (let turn = 0; turn < 250; turn += 1) {
      const method = bad.pick(METHODS);
      const query = new URLSearchParams([[bad.pick(QUERIES), bad.text()]]);
      const path = bad.luck.chance(0.7)
        ? bad.pick(PATHS)
        : `/api/v1/kv/${encodeURIComponent(Buffer.from(bad.text()).toString())}`;
      const body = bad.pick([
        JSON.stringify(bad.json()),
        JSON.stringify(bad.spoilt(SET)),
        bad.bytes(200),
      ]);
      const payload = method === "GET" || method === "HEAD" ? {} : { body };
      const url = `${node.url}${path}${bad.luck.chance(0.6) ? `?${query}` : ""}`;
      const key = bad.luck.chance(0.8) ? headers : { authorization: "Bearer ck_0011_x" };
      const signal = AbortSignal.timeout(10_000);
      const response = await fetch(url, {
        method,
        headers: key,
        redirect: "manual",
        signal,
        ...payload,
      });
      expect(response.status).not.toBe(500);
      const text = await response.text();
      if (response.ok || method === "HEAD") continue;
      const { error } = JSON.parse(text) as { error: { code: string; message: string } };
      expect(codes.has(error.code)).toBe(true);
      expect(error.message.length).toBeLessThan(1_000);
    }
    await unharmed();
  }, 60_000);

  test("frames on /stream", async () => {
    const bad = new BadInput(seed);
    for (let socket = 0; socket < 5; socket += 1) {
      const rpc = await RpcSocket.open(node.url, "dev");
      for (let turn = 0; turn < 80 && rpc.closed === null; turn += 1) {
        const [method, params] = bad.pick(RPCS);
        const request = { jsonrpc: "2.0", id: turn, method, params: bad.spoilt(params) };
        const frame = JSON.stringify(bad.luck.chance(0.7) ? request : bad.spoilt(request));
        rpc.send(bad.luck.chance(0.8) ? frame : bad.bent(frame));
      }
      if (bad.luck.chance(0.5)) rpc.send(bad.bytes(100));
      if (rpc.closed === null) await rpc.call("kv/get", KEPT).catch(() => undefined);
      for (const { error } of rpc.frames) expect(error?.code).not.toBe(-32603);
      rpc.close();
    }
    await unharmed();
  }, 60_000);

  test("frames on /raft, of a stranger that has the key and the cluster's id", async () => {
    const bad = new BadInput(seed);
    const response = await fetch(`${node.url}/api/v1/cluster/status`, { headers });
    const { clusterId, term, commitIndex } = (await response.json()) as ClusterStatus;
    const stranger = nodeId("stranger");
    const from = { from: stranger, to: "n1", term };
    const payload = "{}";
    const entry = [term, 1, "command", payload.length];
    const messages = [
      {
        type: "vote_request",
        ...from,
        preVote: true,
        transfer: false,
        lastIndex: 9e9,
        lastTerm: term,
      },
      { type: "vote_reply", ...from, preVote: false, granted: true },
      {
        type: "append_request",
        ...from,
        round: 1,
        prevIndex: commitIndex,
        prevTerm: term,
        throughIndex: commitIndex + 1,
        commitIndex: 0,
        entries: [entry],
      },
      { type: "append_reply", ...from, round: 1, success: true, matchIndex: 9e9, hintIndex: 0 },
      {
        type: "snapshot_offer",
        ...from,
        round: 1,
        snapshot: { index: 0, lastTerm: 0, timeMs: 0, membership: {} },
        file: { name: "../x", sha256: "", bytes: 1 },
      },
      { type: "timeout_now", ...from },
    ] as const;
    for (let turn = 0; turn < 60; turn += 1) {
      const who = { clusterId, nodeId: stranger, incarnation: "x" };
      const greeting = { ...who, address: "127.0.0.1:1", protocol: PEER_PROTOCOL };
      const socket = new WebSocket(`${node.url.replace("http", "ws")}/raft`, {
        headers: { ...headers, ...greetingHeaders(greeting) },
      });
      let closed = false;
      socket.onclose = () => {
        closed = true;
      };
      await eventually("the peer socket", () => closed || socket.readyState === WebSocket.OPEN);
      const line = JSON.stringify(
        bad.luck.chance(0.7) ? bad.spoilt(bad.pick(messages)) : bad.json(),
      );
      const message = bad.luck.chance(0.5) ? `${line}\n${payload}` : line;
      if (!closed) socket.send(bad.luck.chance(0.7) ? message : bad.bent(message));
      socket.close();
      await eventually("the end of it", () => closed);
    }
    expect(await node.client.get(KEPT.namespace, KEPT.key)).toMatchObject({ value: KEPT.value });
    await node.client.set("tenant:kept/alive", "k", 1);
  }, 60_000);
});

describe("bad input that is not drawn", () => {
  test("pitfall 29: frames of another cluster never arrive: the connection is refused, with the reason", async () => {
    const greeting = {
      clusterId: crypto.randomUUID(),
      nodeId: nodeId("n2"),
      incarnation: "x",
      address: "127.0.0.1:1",
      protocol: PEER_PROTOCOL,
    };
    const socket = new WebSocket(`${node.url.replace("http", "ws")}/raft`, {
      headers: { ...headers, ...greetingHeaders(greeting) },
    });
    const vote = { type: "vote_request", from: "n2", to: "n1", term: 99, lastIndex: 9e9 };
    socket.onopen = () =>
      socket.send(JSON.stringify({ ...vote, lastTerm: 98, preVote: false, transfer: true }));
    let closed: { code: number; reason: string } | null = null;
    socket.onclose = ({ code, reason }) => {
      closed = { code, reason };
    };
    await eventually("the refusal", () => closed !== null);
    expect(closed as unknown).toEqual({
      code: PEER_CLOSE.stranger,
      reason: "this is another cluster",
    });
    const response = await fetch(`${node.url}/api/v1/cluster/status`, { headers });
    expect(((await response.json()) as ClusterStatus).term).toBeLessThan(99);
  });

  test("too much of anything is refused: path, header, body, frame, nesting", async () => {
    const put = (body: string) =>
      fetch(node.url + pathOf("tenant:a/s", "k"), { method: "PUT", headers, body });
    expect((await put(`{"value":"${"x".repeat(3_000_000)}"}`)).status).toBe(413);
    expect([200, 400]).toContain(
      (await put(`{"value":${"[".repeat(1e6)}${"]".repeat(1e6)}}`)).status,
    );
    const long = await fetch(`${node.url}/api/v1/kv/${"a".repeat(8_000)}/k`, { headers });
    expect(long.status).toBe(400);
    await throwAt(`GET /${"a".repeat(1_000_000)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await throwAt(`GET / HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(1_000_000)}\r\n\r\n`);
    const rpc = await RpcSocket.open(node.url, "dev");
    rpc.send("x".repeat(3_000_000));
    await eventually("the socket is closed", () => rpc.closed !== null);
    expect(rpc.closed?.code).toBe(1009);
    await unharmed();
  }, 30_000);

  test("sockets that say half a request and no more are closed, and hold up nobody meanwhile", async () => {
    const halves = [
      "",
      "GET /api",
      "PUT /api/v1/kv/a/b HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nAuthorization: Bearer dev\r\n\r\n{",
    ];
    let open = 0;
    for (let n = 0; n < 300; n += 1) {
      const socket = raw();
      open += 1;
      socket.on("close", () => {
        open -= 1;
      });
      socket.resume();
      socket.write(halves[n % halves.length] ?? "");
    }
    await unharmed();
    for (let turn = 0; turn < 600 && open > 0; turn += 1) await Bun.sleep(100);
    expect(open).toBe(0);
    await unharmed();
  }, 90_000);

  test("after all of it the directory opens again, with what was acknowledged", async () => {
    await node.end("SIGKILL");
    node = await start();
    await unharmed();
  });
});
