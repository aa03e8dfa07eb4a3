import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { inTemporaryDirectory, startNode } from "./process.ts";

const READERS = 60;
const PAGE_BYTES = 4_000_000;
const LISTS_EACH = 3;
/** What all readers together may leave unread, and room for the rest of the process. */
const RSS_MAX_MIB = 256 + 500;

/** A WebSocket client on bare TCP that asks for more than it ever reads. */
function greedy(port: number, path: string): Socket {
  const upgrade = [
    `GET ${path} HTTP/1.1`,
    "Host: x",
    "Authorization: Bearer dev-agent",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  const request = Buffer.from(
    `{"jsonrpc":"2.0","id":1,"method":"kv/list","params":{"namespace":"tenant:big/s"}}`,
  );
  const frame = Buffer.concat([Buffer.from([0x81, 0x80 | request.length, 0, 0, 0, 0]), request]);
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  socket.write(`${upgrade.join("\r\n")}\r\n\r\n`);
  socket.once("data", () => {
    socket.pause();
    for (let n = 0; n < LISTS_EACH; n += 1) socket.write(frame);
  });
  return socket;
}

test("readers that ask and do not read cannot make the process grow without bound", async () => {
  await inTemporaryDirectory(async (folder) => {
    const node = await startNode(folder, "--bootstrap");
    const value = "v".repeat(1_000_000);
    for (let n = 0; n < PAGE_BYTES / value.length; n += 1) {
      await node.client.set("tenant:big/s", `k${n}`, value);
    }
    const port = Number(new URL(node.url).port);
    const sockets: Socket[] = [];
    const headers = { authorization: "Bearer dev" };
    const figure = async (name: string) => {
      const text = await (await fetch(`${node.url}/metrics`, { headers })).text();
      return Number(new RegExp(`^concordance_${name} (\\S+)$`, "m").exec(text)?.[1]);
    };
    for (let n = 0; n < READERS; n += 1) {
      sockets.push(greedy(port, "/stream"));
      await Bun.sleep(10);
    }
    let left = READERS;
    for (let turn = 0; turn < 500 && (left === READERS || left === 0); turn += 1) {
      left = await figure("stream_sockets");
      await Bun.sleep(20);
    }
    expect(left).toBeLessThan(READERS);
    expect((await figure("resident_memory_bytes")) / 1_048_576).toBeLessThan(RSS_MAX_MIB);
    expect(await node.client.get("tenant:big/s", "k0")).toMatchObject({ version: 1 });
    for (const socket of sockets) socket.destroy();
    expect(await node.end("SIGTERM")).toBe(0);
  });
}, 60_000);
