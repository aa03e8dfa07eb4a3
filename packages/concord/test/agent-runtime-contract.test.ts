/** The contract of a host of agents, on the adapter to Podium over HTTP and on one in this process. */
import { createServer, type Server, type ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, test } from "vitest";
import { type AgentMove, type AgentRuntime, podiumRuntime } from "../src/index.ts";
import { type AgentRuntimeSubject, agentRuntimeContract } from "../src/testing/index.ts";

interface Scripted extends AgentRuntimeSubject {
  stop(): Promise<void>;
}

/** As Podium says it (wire §3). */
function onTheWire(move: AgentMove) {
  const { messageId: message_id } = move;
  if (move.kind === "final") return { kind: move.kind, message_id, text: move.text };
  const calls = move.calls.map((call) => ({
    call_id: call.callId,
    tool_name: call.toolName,
    arguments: call.arguments,
  }));
  return { kind: move.kind, message_id, calls };
}

async function overHttp(): Promise<Scripted> {
  let next: AgentMove | undefined;
  const answer = (response: ServerResponse) => {
    if (next === undefined) return;
    response.writeHead(200, { "content-type": "application/json" });
    const usage = { input_tokens: 3, output_tokens: 2 };
    response.end(JSON.stringify({ move: onTheWire(next), usage }));
  };
  const server: Server = createServer((request, response) => {
    request.resume().on("end", () => answer(response));
  });
  const listen = (port: number) =>
    new Promise<number>((resolve) =>
      server.listen(port, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      }),
    );
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const port = await listen(0);
  return {
    runtime: podiumRuntime(`http://127.0.0.1:${port}`, "key"),
    script: (move) => {
      next = move;
    },
    stall: () => {
      next = undefined;
    },
    away: async (isAway) => {
      if (isAway) await close();
      else await listen(port);
    },
    stop: close,
  };
}

/** A host in this process, as a program that embeds Concord may write one. */
async function inProcess(): Promise<Scripted> {
  let next: AgentMove | undefined;
  let isThere = true;
  const runtime: AgentRuntime = {
    think: async (_request, signal) => {
      if (!isThere) return { kind: "failed", again: true, message: "nobody is there" };
      if (next !== undefined) {
        return { kind: "moved", move: next, usage: { inputTokens: 3, outputTokens: 2 } };
      }
      if (!signal.aborted) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      }
      return { kind: "failed", again: true, message: "nobody waits for it any more" };
    },
  };
  return {
    runtime,
    script: (move) => {
      next = move;
    },
    stall: () => {
      next = undefined;
    },
    away: async (isAway) => {
      isThere = !isAway;
    },
    stop: async () => undefined,
  };
}

describe.each([
  ["Podium", overHttp],
  ["in this process", inProcess],
] as const)("%s", (_name, make) => {
  let subject: Scripted;
  beforeAll(async () => {
    subject = await make();
  });
  afterAll(() => subject.stop());
  for (const one of agentRuntimeContract) test(one.name, () => one.run(subject));
});
