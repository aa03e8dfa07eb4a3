/** The hand-over from replay to live, where the log test meets it too rarely. */
import { expect, test } from "bun:test";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { Broadcaster, type Published } from "../src/transport/Broadcaster.ts";
import { Connection, type Socket, WAITING_BYTES_MAX } from "../src/transport/Connection.ts";
import { SocketServer } from "../src/transport/SocketServer.ts";

const event = (seq: number, chars = 10): Published => ({
  seq,
  frame: `${seq}:`.padEnd(chars, "."),
});

async function setUp(waitingBytes = 0) {
  const sent: string[] = [];
  const topics: string[] = [];
  const closed: number[] = [];
  const socket = {
    data: { connection: null, clientId: "c" },
    send: (text: string) => void sent.push(text),
    subscribe: (topic: string) => void topics.push(topic),
    unsubscribe: () => {},
    getBufferedAmount: () => waitingBytes,
    subscriptions: topics,
    close: (code: number) => void closed.push(code),
    terminate: () => {},
  };
  const server = SocketServer.of({
    publish: (topic, text) => void (topics.includes(topic) && sent.push(text)),
    listen: () => () => {},
    connections: new Set(),
    start: () => Effect.succeed(0),
    refuseNewcomers: Effect.void,
  });
  const layer = Broadcaster.layer.pipe(Layer.provide(Layer.succeed(SocketServer, server)));
  const broadcaster = await Effect.runPromise(Broadcaster.pipe(Effect.provide(layer)));
  const connection = new Connection(socket as unknown as Socket, 60, () => {});
  return { broadcaster, connection, sent, closed };
}

test("D2 what was collected goes out after the log, without what the log had already", async () => {
  const { broadcaster, connection, sent } = await setUp();
  const replay = broadcaster.beginReplay(connection, "s");
  broadcaster.toSession("s", [event(4), event(5), event(6)]);
  expect(sent).toEqual([]);
  expect(broadcaster.goLive(replay, 4)).toBe(6);
  broadcaster.toSession("s", [event(7)]);
  expect(sent.map((text) => text.split(":")[0])).toEqual(["5", "6", "7"]);
});

test("D2 D5 too much collected is forgotten, and the log has to be read again", async () => {
  const { broadcaster, connection, sent } = await setUp();
  const replay = broadcaster.beginReplay(connection, "s");
  broadcaster.toSession("s", [event(1, 200_000), event(2, 200_000)]);
  broadcaster.toSession("s", [event(3)]);
  expect(replay.missed).toEqual([]);
  expect(broadcaster.goLive(replay, 0)).toBeNull();
  broadcaster.collectAgain(replay);
  broadcaster.toSession("s", [event(4)]);
  expect(broadcaster.goLive(replay, 3)).toBe(4);
  expect(sent.map((text) => text.split(":")[0])).toEqual(["4"]);
});

test("a newer join, or leaving, ends the one under way", async () => {
  const { broadcaster, connection } = await setUp();
  const first = broadcaster.beginReplay(connection, "s");
  const second = broadcaster.beginReplay(connection, "s");
  expect([broadcaster.isOver(first), broadcaster.isOver(second)]).toEqual([true, false]);
  broadcaster.leave(connection, "s");
  expect(broadcaster.isOver(second)).toBe(true);
  expect(broadcaster.hasAudience("s")).toBe(false);
});

test("D5 a reader with too much waiting is closed with 4008 and sent nothing more", async () => {
  const { broadcaster, connection, sent, closed } = await setUp(WAITING_BYTES_MAX + 1);
  const replay = broadcaster.beginReplay(connection, "s");
  broadcaster.goLive(replay, 0);
  broadcaster.toSession("s", [event(1)]);
  connection.sendText("more");
  expect(closed).toEqual([4008]);
  expect(sent.filter((text) => text === "more")).toEqual([]);
});
