import { createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { asId } from "../src/core/ids.ts";
import { podiumRuntime } from "../src/index.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A Podium that says `bytes` to any request and dies. */
async function dyingPodium(bytes: string): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.write(bytes, () => socket.destroy()));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}

function think(url: string) {
  return podiumRuntime(url, "k").think(
    {
      stepKey: "step",
      commandId: asId("command", "01a1fa0a-aabe-770e-a472-3629c18f660c"),
      stepIndex: 0,
      turn: {},
      tools: [],
      transcript: [],
      traceId: "0".repeat(32),
    },
    new AbortController().signal,
  );
}

const head = (status: string, length: number) =>
  `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

test("RUN-11 a Podium that dies in the middle of its answer is asked again", async () => {
  const cut = await dyingPodium(`${head("200 OK", 500)}{"move":{"kind":"final"`);
  expect(await think(cut)).toMatchObject({ kind: "failed", again: true });
});

test("a refusal in words that are not JSON is judged by its status", async () => {
  const words = "no such place";
  const refused = await dyingPodium(head("404 Not Found", words.length) + words);
  expect(await think(refused)).toMatchObject({ kind: "failed", again: false });
  const busy = await dyingPodium(head("502 Bad Gateway", words.length) + words);
  expect(await think(busy)).toMatchObject({ kind: "failed", again: true });
});
