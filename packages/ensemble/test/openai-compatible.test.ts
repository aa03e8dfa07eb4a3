/** The provider against a real server that speaks (and breaks) the chat-completions protocol. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Generation } from "../src/inference/generation.ts";
import type { Block, InferenceRequest, Message } from "../src/inference/types.ts";
import { createOpenAiCompatibleProvider } from "../src/providers/openai-compatible.ts";
import { type Finish, type Provider, ProviderError } from "../src/providers/provider.ts";
import { startChatServer } from "./chat-server.ts";

const KEY = "sk-very-secret-0123456789";
const LIMITS = { totalMs: 20_000, idleMs: 20_000, outputCharsMax: 100_000 };
const TOOL = {
  name: "hotel_search",
  description: "Searches hotels.",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

let chat: ReturnType<typeof startChatServer>;
let provider: Provider;

beforeEach(() => {
  chat = startChatServer();
  provider = createOpenAiCompatibleProvider({ baseUrl: chat.baseUrl, apiKey: KEY });
});
afterEach(() => chat.stop());

const ask = (model: string, extra: Partial<InferenceRequest> = {}): InferenceRequest => ({
  model,
  messages: [{ role: "user", content: "hi" }],
  ...extra,
});

async function collect(request: InferenceRequest): Promise<(Block | Finish)[]> {
  return Array.fromAsync(provider.stream(request, new AbortController().signal));
}

async function failureOf(request: InferenceRequest): Promise<ProviderError> {
  chat.open();
  const error = await collect(request).catch((thrown: unknown) => thrown);
  if (!(error instanceof ProviderError)) throw new Error("expected a ProviderError");
  return error;
}

describe("what goes out", () => {
  test("messages, tools, tool calls, tool results and settings in the protocol's words, with the key", async () => {
    const messages: Message[] = [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hotels in Lisbon?" },
      {
        role: "assistant",
        content: "Looking.",
        tool_calls: [{ id: "call_1", name: "hotel_search", arguments: { city: "Lisbon" } }],
      },
      { role: "tool", tool_call_id: "call_1", content: '{"status":"succeeded"}' },
      { role: "user", content: "And?" },
    ];
    await collect(
      ask("plain", {
        messages,
        tools: [TOOL],
        max_tokens: 50,
        temperature: 0.5,
        top_p: 0.9,
        stop_sequences: ["END"],
      }),
    );
    const [request] = chat.received;
    expect(request?.authorization).toBe(`Bearer ${KEY}`);
    expect(request?.body).toMatchObject({
      model: "plain",
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 50,
      temperature: 0.5,
      top_p: 0.9,
      stop: ["END"],
      tools: [
        {
          type: "function",
          function: {
            name: "hotel_search",
            description: "Searches hotels.",
            parameters: TOOL.input_schema,
          },
        },
      ],
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Hotels in Lisbon?" },
        {
          role: "assistant",
          content: "Looking.",
          tool_calls: [
            {
              id: "call_1",
              type: "function",
              function: { name: "hotel_search", arguments: '{"city":"Lisbon"}' },
            },
          ],
        },
        { role: "tool", tool_call_id: "call_1", content: '{"status":"succeeded"}' },
        { role: "user", content: "And?" },
      ],
    });
  });

  test("settings that were not given are not sent", async () => {
    await collect(ask("plain"));
    const sent = Object.keys(chat.received[0]?.body ?? {});
    for (const absent of ["temperature", "top_p", "max_tokens", "tools", "stop"]) {
      expect(sent).not.toContain(absent);
    }
  });
});

describe("what comes back", () => {
  test("text in pieces, then the end with the provider's own token counts", async () => {
    expect(await collect(ask("plain"))).toEqual([
      { type: "text", text: "Hello" },
      { type: "text", text: " world" },
      { type: "finish", stop_reason: "end_turn", input_tokens: 11, output_tokens: 7 },
    ]);
  });

  test("a piece arrives while the provider is still busy", async () => {
    const events = provider
      .stream(ask("gated"), new AbortController().signal)
      [Symbol.asyncIterator]();
    expect((await events.next()).value).toEqual({ type: "text", text: "first" });
    chat.open();
    expect((await events.next()).value).toEqual({ type: "text", text: " second" });
    await events.return?.();
  });

  test("thinking apart from text", async () => {
    expect((await collect(ask("thinking"))).slice(0, 3)).toEqual([
      { type: "thinking", text: "Let me " },
      { type: "thinking", text: "see." },
      { type: "text", text: "42" },
    ]);
  });

  test("two tool calls streamed in interleaved fragments come whole", async () => {
    expect(await collect(ask("tools", { tools: [TOOL] }))).toEqual([
      { type: "text", text: "Looking." },
      { type: "tool_call", id: "call_a", name: "hotel_search", arguments: { city: "Lisbon" } },
      { type: "tool_call", id: "call_b", name: "hotel_search", arguments: { city: "Porto" } },
      { type: "finish", stop_reason: "tool_calls", input_tokens: 11, output_tokens: 7 },
    ]);
  });

  test("an answer that was cut short says so", async () => {
    expect((await collect(ask("length"))).at(-1)).toMatchObject({ stop_reason: "max_tokens" });
  });

  test("without token counts from the provider ours are used", async () => {
    const { outcome } = new Generation(provider, ask("uncounted"), LIMITS);
    const { input_tokens, output_tokens } = await outcome;
    expect(input_tokens).toBeGreaterThan(0);
    expect(output_tokens).toBe(2);
  });
});

describe("failures", () => {
  test("429 is rate_limited with the seconds of Retry-After", async () => {
    expect(await failureOf(ask("limited"))).toMatchObject({
      kind: "rate_limited",
      isRetryable: true,
      retryAfterSeconds: 7,
      upstreamStatus: 429,
    });
  });

  test("500 may be tried again, 401 may not; nothing is asked twice by itself", async () => {
    expect(await failureOf(ask("failing"))).toMatchObject({
      kind: "failed",
      isRetryable: true,
      upstreamStatus: 500,
    });
    expect(await failureOf(ask("denied"))).toMatchObject({
      kind: "failed",
      isRetryable: false,
      upstreamStatus: 401,
    });
    expect(chat.received).toHaveLength(2);
  });

  test.each([
    "malformed",
    "malformed_first",
    "error_chunk",
    "dropped",
    "unfinished",
    "badargs",
    "stranger",
  ])("%s: a retryable failure, never a half answer taken for whole", async (model) => {
    expect(await failureOf(ask(model, { tools: [TOOL] }))).toMatchObject({
      kind: "failed",
      isRetryable: true,
    });
  });

  test("an endpoint that is not there", async () => {
    await chat.stop();
    expect(await failureOf(ask("plain"))).toMatchObject({ kind: "failed", isRetryable: true });
  });

  test.each(["limited", "failing", "denied", "malformed", "dropped"])(
    "%s: the key is in no error",
    async (model) => {
      const error = await failureOf(ask(model));
      expect(Bun.inspect(error)).not.toContain(KEY);
    },
  );

  test.each(["silent", "falls_silent"])("%s: given up after the stated silence", async (model) => {
    const { outcome } = new Generation(provider, ask(model), { ...LIMITS, idleMs: 100 });
    await expect(outcome).rejects.toThrow("silent for 100 ms");
  });

  test("given up after the stated total", async () => {
    const { outcome } = new Generation(provider, ask("falls_silent"), { ...LIMITS, totalMs: 100 });
    await expect(outcome).rejects.toThrow("longer than 100 ms");
  });

  test("an answer over the output limit is refused", async () => {
    const { outcome } = new Generation(provider, ask("endless"), {
      ...LIMITS,
      outputCharsMax: 3_000,
    });
    await expect(outcome).rejects.toThrow("longer than 3000 characters");
  });
});
