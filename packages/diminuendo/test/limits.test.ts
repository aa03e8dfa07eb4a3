/** What a client meets that says too much or reads too little: it is refused, closed, let wait; others notice nothing. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { expectWholeLog } from "./support/log-view.ts";
import { TestClient } from "./support/test-client.ts";

// Other work may share the machine.
setDefaultTimeout(60_000);

let world: World;
let gateway: GatewayProcess;
beforeAll(async () => {
  world = new World();
  gateway = await world.start();
});
afterAll(() => world.stop());

describe("a flood", () => {
  test("61 messages in 10 seconds are too many, and hammering closes with 4029", async () => {
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    for (let index = 0; index < 60; index += 1) client.send({ type: "ping" });
    await client.until(() => client.has("error"));
    expect(client.events.findLast((e) => e.type === "error")).toMatchObject({
      code: "RATE_LIMITED",
    });
    expect(client.events.filter((e) => e.type === "pong")).toHaveLength(59);
    expect(await client.ask({ type: "list_sessions" })).toMatchObject({ code: "RATE_LIMITED" });
    expect(await client.config("config/get", { scope: "user", key: "k" })).toMatchObject({
      error: { code: -32600 },
    });
    for (let index = 0; index < 150; index += 1) client.send({ type: "ping" });
    await client.until(() => client.closeCode !== null);
    expect(client.closeCode).toBe(4029);
  });

  test("who flooded is signed in again after a pause, others at once", async () => {
    const flood = await TestClient.as(gateway.port, TOKENS.ann);
    for (let index = 0; index < 200; index += 1) flood.send({ type: "ping" });
    await flood.until(() => flood.closeCode !== null);
    const order: string[] = [];
    const signIn = async (name: string, token: string) => {
      const client = await TestClient.as(gateway.port, token);
      order.push(name);
      client.close();
    };
    await Promise.all([signIn("ann", TOKENS.ann), signIn("bob", TOKENS.bob)]);
    expect(order).toEqual(["bob", "ann"]);
  });
});

describe("a slow reader", () => {
  test("D5 is closed with 4008 while others get everything", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await ann.newSession();
    await ann.ask({ type: "join_session", sessionId });
    const slow = await slowClient(gateway.port, TOKENS.ann, sessionId);
    await ann.ask({ type: "run_turn", sessionId, text: "hold it" });
    await ann.until(() => ann.log(sessionId).some((e) => e.type === "message_started"));
    const turn = [...world.podium.turns.values()].at(-1);
    if (turn === undefined) throw new Error("the turn has not reached Podium");
    const message_id = `m_${turn.turnId}`;
    const held: number[] = [];
    for (let index = 0; index < 120; index += 1) {
      world.podium.emit(turn, "thinking.progress", { text: `${index} ${"z".repeat(100_000)}` });
      if (index % 4 === 0) {
        await Bun.sleep(10);
        held.push(await waitingBytes());
      }
    }
    world.podium.emit(turn, "stream_update", { message_id, attempt: 1, text: "done" });
    await ann.until(() => ann.log(sessionId).some((e) => e.type === "text_delta"));
    expectWholeLog(ann.log(sessionId));
    expect(ann.log(sessionId).filter((e) => e.type === "thinking.progress")).toHaveLength(120);
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(metrics).toMatch(/diminuendo_slow_readers_total 1\n/);
    // Of twelve megabytes that it did not read: its limit, and what was published at once when that was passed.
    expect(Math.max(...held)).toBeGreaterThan(500_000);
    expect(Math.max(...held)).toBeLessThan(2_100_000);
    expect(await slow.closeCode()).toBe(4008);
    while ((await waitingBytes()) > 0) await Bun.sleep(20);
    await ann.ask({ type: "stop_turn", sessionId });
    ann.close();
  });
});

async function waitingBytes(): Promise<number> {
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  return Number(/^diminuendo_waiting_bytes (\d+)$/m.exec(metrics)?.[1]);
}

/** Speaks WebSocket over a bare socket, so that it can stop reading: authenticates, joins, then takes nothing. */
async function slowClient(port: number, token: string, sessionId: string) {
  const received: Uint8Array[] = [];
  let opened = () => {};
  const ready = new Promise<void>((resolve) => {
    opened = resolve;
  });
  let gone = () => {};
  const end = new Promise<void>((resolve) => {
    gone = resolve;
  });
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_, bytes) {
        received.push(new Uint8Array(bytes));
        if (Buffer.concat(received).includes("caught_up")) opened();
      },
      close: () => gone(),
      end: () => gone(),
    },
  });
  socket.write(
    "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
  );
  socket.write(masked(JSON.stringify({ type: "authenticate", token })));
  socket.write(masked(JSON.stringify({ type: "join_session", sessionId })));
  await ready;
  socket.pause();
  return {
    /** Reads on to the end and answers the code of the closing frame. */
    async closeCode(): Promise<number> {
      socket.resume();
      await end;
      const bytes = Buffer.concat(received);
      const reason = bytes.indexOf("slow reader");
      return reason < 2 ? 0 : bytes.readUInt16BE(reason - 2);
    },
  };
}

function masked(text: string): Uint8Array {
  const body = Buffer.from(text);
  const head =
    body.length < 126
      ? [0x81, 0x80 | body.length]
      : [0x81, 0xfe, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), body]); // A mask of zeros leaves the text as it is.
}
