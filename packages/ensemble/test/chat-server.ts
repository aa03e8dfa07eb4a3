/**
 * A real local server that speaks OpenAI's chat-completions protocol with server-sent events, and misbehaves on
 * request: the model id chooses what happens. It records every request it got. Not a test itself.
 */
import { createServer, type Server, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";

export interface Received {
  readonly authorization: string;
  readonly body: Readonly<Record<string, unknown>>;
}

interface Delta {
  readonly content?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly object[];
}

const SEARCH = { name: "hotel_search", arguments: "" };
const USAGE = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

/** What each model streams. A function waits for the test; `"drop"` breaks the connection. */
type Step = string | "drop" | (() => Promise<void>);

export function startChatServer() {
  const received: Received[] = [];
  const gate = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const scripts: Readonly<Record<string, readonly Step[]>> = {
    plain: [piece({ content: "Hello" }), piece({ content: " world" }), ...end("stop")],
    gated: [
      piece({ content: "first" }),
      () => gate.promise,
      piece({ content: " second" }),
      ...end("stop"),
    ],
    thinking: [
      piece({ reasoning_content: "Let me " }),
      piece({ reasoning_content: "see." }),
      piece({ content: "42" }),
      ...end("stop"),
    ],
    tools: [
      piece({ content: "Looking." }),
      piece({ tool_calls: [{ index: 0, id: "call_a", type: "function", function: SEARCH }] }),
      piece({ tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }),
      piece({
        tool_calls: [
          { index: 1, id: "call_b", type: "function", function: { ...SEARCH, arguments: '{"ci' } },
        ],
      }),
      piece({ tool_calls: [{ index: 0, function: { arguments: '"Lisbon"}' } }] }),
      piece({ tool_calls: [{ index: 1, function: { arguments: 'ty":"Porto"}' } }] }),
      ...end("tool_calls"),
    ],
    badargs: [
      piece({
        tool_calls: [
          { index: 0, id: "c", type: "function", function: { ...SEARCH, arguments: "{oops" } },
        ],
      }),
      ...end("tool_calls"),
    ],
    stranger: [
      piece({
        tool_calls: [
          { index: 0, id: "c", type: "function", function: { name: "rm_rf", arguments: "{}" } },
        ],
      }),
      ...end("tool_calls"),
    ],
    length: [piece({ content: "cut" }), ...end("length")],
    uncounted: [
      piece({ content: "one two" }),
      `data: ${chunk({}, "stop")}\n\n`,
      "data: [DONE]\n\n",
    ],
    malformed: [piece({ content: "before" }), "data: {oops\n\n", ...end("stop")],
    malformed_first: ["data: {oops\n\n", ...end("stop")],
    error_chunk: [piece({ content: "before" }), 'data: {"error":{"message":"overloaded"}}\n\n'],
    dropped: [piece({ content: "half" }), () => gate.promise, "drop"],
    unfinished: [piece({ content: "half" }), "data: [DONE]\n\n"],
    silent: [() => held.promise],
    falls_silent: [piece({ content: "then" }), () => held.promise],
    endless: [
      piece({ content: "x".repeat(2_000) }),
      piece({ content: "y".repeat(2_000) }),
      ...end("stop"),
    ],
  };

  const server = createServer(async (request, response) => {
    const authorization = request.headers.authorization ?? "";
    const body = JSON.parse(await text(request)) as Record<string, unknown>;
    received.push({ authorization, body });
    const model = String(body["model"]);
    if (refuse(model, authorization, response)) return;
    response.writeHead(200, { "content-type": "text/event-stream" });
    await play(scripts[model] ?? [], response);
  });
  server.listen(0, "127.0.0.1");
  return {
    baseUrl: `http://127.0.0.1:${portOf(server)}/v1`,
    received,
    /** Lets the models `gated` and `dropped` go on. */
    open: () => gate.resolve(),
    stop: async () => {
      held.resolve();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const CHAT_MODELS = [
  "plain",
  "gated",
  "thinking",
  "tools",
  "badargs",
  "stranger",
  "length",
  "uncounted",
  "malformed",
  "malformed_first",
  "error_chunk",
  "dropped",
  "unfinished",
  "silent",
  "falls_silent",
  "endless",
  "limited",
  "failing",
  "denied",
];

/** As real endpoints do, a refusal quotes the key. */
function refuse(model: string, authorization: string, response: ServerResponse): boolean {
  const status = { limited: 429, failing: 500, denied: 401 }[model];
  if (status === undefined) return false;
  const headers = {
    "content-type": "application/json",
    ...(status === 429 ? { "retry-after": "7" } : {}),
  };
  response.writeHead(status, headers);
  response.end(
    JSON.stringify({ error: { message: `Incorrect API key: ${authorization}`, type: "x" } }),
  );
  return true;
}

async function play(steps: readonly Step[], response: ServerResponse): Promise<void> {
  for (const step of steps) {
    if (typeof step === "function") await step();
    else if (step === "drop") return void response.destroy();
    else response.write(step);
  }
  response.end();
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

function chunk(delta: Delta, finish: string | null, usage?: object): string {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return JSON.stringify({
    id: "c1",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices,
    usage,
  });
}

function piece(delta: Delta): string {
  return `data: ${chunk(delta, null)}\n\n`;
}

function end(reason: string): readonly string[] {
  return [`data: ${chunk({}, reason, USAGE)}\n\n`, "data: [DONE]\n\n"];
}
