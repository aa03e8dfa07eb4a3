import { describe, expect, test } from "bun:test";
import type { ConcordanceClient } from "../../shared/client.ts";
import { CLOSE } from "../../shared/protocol.ts";
import { eventually, inTemporaryDirectory, startNode } from "../process.ts";
import { contract } from "./fixture.ts";

const NAMESPACE = "tenant:slow";
const BATCH = 128;
const subscribeRequest = `{"jsonrpc":"2.0","id":1,"method":"watch/subscribe","params":{"namespace":"${NAMESPACE}"}}`;

/** A WebSocket client on bare TCP, so that it can really stop reading. */
async function connectRaw(url: string) {
  const { hostname, port } = new URL(url);
  const chunks: Buffer[] = [];
  let ended = false;
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data: (_, chunk) => void chunks.push(Buffer.from(chunk)),
      close: () => {
        ended = true;
      },
    },
  });
  const upgrade = [
    "GET /stream HTTP/1.1",
    `Host: ${hostname}`,
    "Authorization: Bearer dev-agent",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  socket.write(`${upgrade.join("\r\n")}\r\n\r\n`);
  await eventually("the upgrade", () => Buffer.concat(chunks).includes("\r\n\r\n"));
  const received = () => {
    const all = Buffer.concat(chunks);
    return framesOf(all.subarray(all.indexOf("\r\n\r\n") + 4));
  };
  return { socket, received, isEnded: () => ended };
}

/** RFC 6455 frames of a server: never masked. Stops at an incomplete one. */
function framesOf(bytes: Buffer): readonly { opcode: number; payload: Buffer }[] {
  const frames: { opcode: number; payload: Buffer }[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const opcode = bytes.readUInt8(at) & 0x0f;
    const short = bytes.readUInt8(at + 1) & 0x7f;
    const head = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (at + head > bytes.length) break;
    const length =
      short === 126
        ? bytes.readUInt16BE(at + 2)
        : short === 127
          ? Number(bytes.readBigUInt64BE(at + 2))
          : short;
    if (at + head + length > bytes.length) break;
    frames.push({ opcode, payload: bytes.subarray(at + head, at + head + length) });
    at += head + length;
  }
  return frames;
}

/** A short masked text frame, as a client must send it; the mask is zero. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

async function writeBatches(client: ConcordanceClient, count: number): Promise<void> {
  const value = "v".repeat(1_000);
  for (let batch = 0; batch < count; batch += 1) {
    const operations = Array.from({ length: BATCH }, (_, i) => ({
      op: "set" as const,
      namespace: NAMESPACE,
      key: `k${i}`,
      value,
    }));
    await client.batch(operations);
  }
}

contract("a reader that stops reading, on a real socket", (node) => {
  test("pitfall 36: is cut with its cursor; what it got has no gap, and resuming completes it (C4)", async () => {
    const client = node.client();
    const raw = await connectRaw(node.url);
    raw.socket.write(textFrame(subscribeRequest));
    await eventually("the subscription", () => raw.received().length === 1);
    raw.socket.pause();
    await writeBatches(client, 200);
    raw.socket.resume();
    await eventually("the cut", () => raw.isEnded());
    const frames = raw.received();
    const close = frames.at(-1);
    expect(close?.opcode).toBe(8);
    expect(close?.payload.readUInt16BE(0)).toBe(CLOSE.slowWatcher);
    const cursor = Number(
      /fromRevision=(\d+)/.exec(close?.payload.subarray(2).toString() ?? "")?.[1],
    );
    const texts = frames.filter(({ opcode }) => opcode === 1).slice(1);
    const told = texts.map(({ payload }) => JSON.parse(payload.toString()).params);
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(200 * BATCH);
    expect(told.map((change) => change.seq)).toEqual(told.map((_, i) => i + 1));
    expect(told.at(-1).revision).toBe(cursor);
    const rest = await client.changes(cursor, { limit: 1 });
    expect(rest.items[0]).toMatchObject({ revision: cursor + 1, seq: told.length + 1 });
  }, 60_000);
});

describe("a reader that stops reading", () => {
  test("does not keep the node from ending well", async () => {
    await inTemporaryDirectory(async (folder) => {
      const node = await startNode(folder, "--bootstrap");
      const raw = await connectRaw(node.url);
      raw.socket.write(textFrame(subscribeRequest));
      await eventually("the subscription", () => raw.received().length === 1);
      raw.socket.pause();
      await writeBatches(node.client, 80);
      expect(await node.end("SIGTERM")).toBe(0);
      raw.socket.end();
    });
  }, 30_000);
});
