/**
 * A bare server of `ws` or `socket.io` (Node), for comparison: it hears the same agents over the same sockets as the
 * gateway and tells their words to the viewers of a room. Nobody signs in, nothing is numbered, stored or replayed.
 * Started as `node peer.js ws|socket.io <podium url> <key> <instance,…>`; says `listening <port>` when all are heard.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { WebSocket, WebSocketServer } from "ws";

const [kind = "", podium = "", key = "", instances = ""] = process.argv.slice(2);
const http = createServer();
const roomOf = (url: string | undefined) =>
  new URL(url ?? "", "http://any").searchParams.get("room") ?? "";

type Publish = (room: string, event: unknown) => void;

function withWs(): Publish {
  const rooms = new Map<string, Set<WebSocket>>();
  const server = new WebSocketServer({ server: http, perMessageDeflate: false });
  server.on("connection", (socket, request) => {
    const room = rooms.get(roomOf(request.url)) ?? new Set();
    rooms.set(roomOf(request.url), room.add(socket));
    socket.on("close", () => room.delete(socket));
  });
  return (room, event) => {
    const text = JSON.stringify(event);
    for (const socket of rooms.get(room) ?? []) socket.send(text);
  };
}

function withSocketIo(): Publish {
  const server = new Server(http, { transports: ["websocket"], perMessageDeflate: false });
  server.on("connection", (socket) => void socket.join(roomOf(socket.request.url)));
  return (room, event) => void server.to(room).emit("event", event);
}

function hear(instance: string, publish: Publish): Promise<void> {
  const socket = new WebSocket(`${podium.replace("http", "ws")}/agent/${instance}?after=0`, {
    headers: { authorization: `Bearer ${key}` },
    perMessageDeflate: false,
  });
  let seq = 0;
  socket.on("message", (data) => {
    const { event_type, content } = JSON.parse(String(data));
    if (event_type !== "stream_update") return;
    seq += 1;
    publish(instance, { type: "text_delta", sessionId: instance, seq, text: content.text });
  });
  return new Promise((resolve, reject) => {
    socket.on("open", () => resolve());
    socket.on("error", reject);
  });
}

const publish = kind === "ws" ? withWs() : withSocketIo();
for (const instance of instances.split(",")) await hear(instance, publish);
http.listen(0, "127.0.0.1", 4_096, () => {
  process.stdout.write(`listening ${(http.address() as AddressInfo).port}\n`);
});
