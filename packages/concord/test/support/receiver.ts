/** Owns a receiver of webhooks: it keeps what arrives with its headers, and answers as it was told to. */
import { createServer, type IncomingHttpHeaders } from "node:http";

/**
 * `hang` keeps the connection and says nothing; `drop` takes the message and cuts the connection; `chatty` takes it and
 * goes on about it for longer than anybody listens.
 */
export type Answer = number | "hang" | "drop" | "chatty";

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly received: Received[];
  /** The next answers, in order; afterwards `usual`. */
  readonly answers: Answer[];
  usual: Answer;
  stop(): Promise<void>;
}

/** What it says when it refuses; nobody should keep the address in it. */
export const SAID = "call me at anna@example.com";

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const answers: Answer[] = [];
  const state: { usual: Answer } = { usual: 200 };
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    received.push({ path: request.url ?? "", headers: request.headers, body });
    const answer = answers.shift() ?? state.usual;
    if (answer === "hang") return;
    if (answer === "chatty") {
      response.end("thank you ".repeat(100_000));
      return;
    }
    if (answer === "drop") {
      request.socket.destroy();
      return;
    }
    const isRedirect = answer >= 300 && answer < 400;
    response.writeHead(answer, isRedirect ? { location: "/elsewhere" } : {});
    response.end(answer >= 400 ? JSON.stringify({ error: SAID }) : "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    answers,
    get usual() {
      return state.usual;
    },
    set usual(answer) {
      state.usual = answer;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
