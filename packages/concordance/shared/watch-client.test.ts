import { describe, expect, test } from "bun:test";
import { eventually } from "../test/process.ts";
import { ConcordanceClient } from "./client.ts";
import type { ChangeEvent } from "./types.ts";

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
        const { id, params } = JSON.parse(String(frame));
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
