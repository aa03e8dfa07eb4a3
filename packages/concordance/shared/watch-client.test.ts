import { describe, expect, test } from "bun:test";
import { eventually } from "../test/process.ts";
import { ConcordanceClient } from "./client.ts";
import type { ChangeEvent } from "./types.ts";
import type { WatchStatus } from "./watch-client.ts";

const change = (revision: number, seq: number): ChangeEvent => ({
  namespace: "tenant:a",
  key: `k${seq}`,
  op: "set",
  value: seq,
  version: 1,
  actor: "me",
  updatedBy: "me",
  updatedAt: 1,
  revision,
  seq,
});
/** Revision 2 is one atomic write of three changes. */
const HISTORY = [change(1, 1), change(2, 2), change(2, 3), change(2, 4), change(3, 5)];

/** Speaks `/stream` as the node does, but cuts each connection after a given number of changes. */
function cuttingServer(cutAfter: readonly number[]) {
  const asked: (number | null)[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, bun) =>
      bun.upgrade(request) ? undefined : new Response(null, { status: 400 }),
    websocket: {
      message(socket, frame) {
        const { id, method, params } = JSON.parse(String(frame));
        if (method !== "watch/subscribe") return;
        asked.push(params.fromRevision ?? null);
        const fromRevision = params.fromRevision ?? 0;
        const result = { namespace: params.namespace, fromRevision, clusterId: "c" };
        socket.send(JSON.stringify({ jsonrpc: "2.0", id, result }));
        const due = HISTORY.filter((one) => one.revision > fromRevision);
        const room = cutAfter[asked.length - 1] ?? due.length;
        for (const params of due.slice(0, room)) {
          socket.send(JSON.stringify({ jsonrpc: "2.0", method: "watch/change", params }));
        }
        if (room < due.length) socket.close(1011, "cut");
      },
    },
  });
  return { server, asked };
}

describe("a watch whose connection is cut anywhere (C4)", () => {
  for (const cut of [1, 2, 3, 4]) {
    test(`C4, pitfall 36: after change ${cut} of 5: nothing is missed, nothing comes twice`, async () => {
      const { server, asked } = cuttingServer([cut, 1]);
      const told: number[] = [];
      const client = new ConcordanceClient({ url: server.url.origin, apiKey: "dev" });
      const watch = client.watch("tenant:a", {
        fromRevision: 0,
        onChange: ({ seq }) => told.push(seq),
        onReset: () => Promise.reject(new Error("no reset here")),
      });
      await eventually("all changes", () => told.at(-1) === 5);
      expect(told).toEqual([1, 2, 3, 4, 5]);
      expect(asked[0]).toBe(0);
      watch.close();
      await server.stop(true);
    });
  }
});

/** Accepts sockets, answers the first frame of each, and then falls silent; the socket stays open. */
function silentServer() {
  const asked: unknown[] = [];
  const server = Bun.serve<{ answered: boolean }>({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, bun) =>
      bun.upgrade(request, { data: { answered: false } })
        ? undefined
        : new Response(null, { status: 400 }),
    websocket: {
      message(socket, frame) {
        const { id, method, params } = JSON.parse(String(frame));
        asked.push(method);
        if (socket.data.answered) return;
        socket.data.answered = true;
        const result = { ...params, fromRevision: 0, clusterId: "c" };
        socket.send(JSON.stringify({ jsonrpc: "2.0", id, result }));
      },
    },
  });
  return { server, asked };
}

const watched = (client: ConcordanceClient) => {
  const statuses: WatchStatus[] = [];
  const watch = client.watch("tenant:a", {
    fromRevision: 0,
    onChange: () => undefined,
    onReset: () => Promise.reject(new Error("no reset here")),
    onStatus: (status) => statuses.push(status),
  });
  return { watch, statuses };
};

describe("a watch whose other side gives no sign of life", () => {
  test("C4: leaves an open socket that stays silent, and tries again", async () => {
    const { server, asked } = silentServer();
    const client = new ConcordanceClient({
      url: server.url.origin,
      apiKey: "dev",
      heartbeatMs: 50,
    });
    const { watch, statuses } = watched(client);
    await eventually("a second connection", () => {
      return asked.filter((method) => method === "watch/subscribe").length >= 2;
    });
    expect(asked).toContain("ping");
    expect(statuses.find(({ kind }) => kind === "reconnecting")).toMatchObject({
      reason: expect.stringContaining("no sign of life"),
    });
    watch.close();
    await server.stop(true);
  });

  test("leaves a connection that is never made", async () => {
    const silent = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: () => undefined },
    });
    const url = `http://127.0.0.1:${silent.port}`;
    const { watch, statuses } = watched(
      new ConcordanceClient({ url, apiKey: "dev", heartbeatMs: 50 }),
    );
    await eventually("two tries", () => statuses.length >= 2);
    watch.close();
    silent.stop(true);
  });
});
