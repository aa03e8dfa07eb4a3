/**
 * Owns one endpoint that speaks OpenAI's chat-completions protocol, reached through the AI SDK: our messages to
 * its messages, its stream to our blocks, its failures to `ProviderError`.
 * Refuses to own: time limits (the signal), retries (the caller decides; asking twice costs twice), prices.
 */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  APICallError,
  type FinishReason,
  jsonSchema,
  type ModelMessage,
  streamText,
  type TextStreamPart,
  type ToolSet,
  tool,
} from "ai";
import type { Block, InferenceRequest, Message, StopReason } from "../inference/types.ts";
import { type Finish, type Provider, ProviderError } from "./provider.ts";

export interface Endpoint {
  /** Up to and including `/v1`. */
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
}

/** A provider for every model behind `endpoint`; the request's model id is sent as it is. */
export function createOpenAiCompatibleProvider({ baseUrl, apiKey }: Endpoint): Provider {
  const endpoint = createOpenAICompatible({
    name: "openai-compatible",
    baseURL: baseUrl,
    includeUsage: true,
    ...(apiKey === undefined ? {} : { apiKey }),
  });
  return {
    async *stream(request, signal) {
      const { fullStream } = streamText({
        model: endpoint.chatModel(request.model),
        messages: toModelMessages(request.messages),
        allowSystemInMessages: true,
        maxRetries: 0,
        abortSignal: signal,
        // Failures come as parts of the stream; without this the SDK would print them.
        onError: () => {},
        ...settingsOf(request),
      });
      try {
        for await (const part of fullStream) yield* eventsOf(part);
      } catch (error) {
        throw asProviderError(error);
      }
    },
  };
}

function settingsOf(request: InferenceRequest) {
  return {
    ...(request.tools === undefined || request.tools.length === 0
      ? {}
      : { tools: toToolSet(request.tools) }),
    ...(request.max_tokens === undefined ? {} : { maxOutputTokens: request.max_tokens }),
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    ...(request.top_p === undefined ? {} : { topP: request.top_p }),
    ...(request.stop_sequences === undefined ? {} : { stopSequences: [...request.stop_sequences] }),
  };
}

/** Without `execute`: the SDK reports a call and leaves it to us. */
function toToolSet(tools: NonNullable<InferenceRequest["tools"]>): ToolSet {
  return Object.fromEntries(
    tools.map(({ name, description, input_schema }) => [
      name,
      tool({ description, inputSchema: jsonSchema({ ...input_schema }) }),
    ]),
  );
}

/** Our conversation in the SDK's words. A tool message finds its tool's name in the call it answers. */
export function toModelMessages(messages: readonly Message[]): ModelMessage[] {
  const names = new Map(
    messages.flatMap((message) => message.tool_calls ?? []).map((call) => [call.id, call.name]),
  );
  return messages.map((message) => toModelMessage(message, names));
}

function toModelMessage(message: Message, names: ReadonlyMap<string, string>): ModelMessage {
  const { role, content } = message;
  if (role === "system" || role === "user") return { role, content };
  if (role === "tool") {
    const toolCallId = message.tool_call_id ?? "";
    const toolName = message.name ?? names.get(toolCallId) ?? "unknown";
    const output = { type: "text" as const, value: content };
    return { role, content: [{ type: "tool-result", toolCallId, toolName, output }] };
  }
  const text = content === "" ? [] : [{ type: "text" as const, text: content }];
  const calls = (message.tool_calls ?? []).map((call) => ({
    type: "tool-call" as const,
    toolCallId: call.id,
    toolName: call.name,
    input: call.arguments,
  }));
  return { role: "assistant", content: [...text, ...calls] };
}

function* eventsOf(part: TextStreamPart<ToolSet>): Generator<Block | Finish> {
  if (part.type === "error") throw asProviderError(part.error);
  if (part.type === "text-delta" && part.text !== "") yield { type: "text", text: part.text };
  if (part.type === "reasoning-delta" && part.text !== "")
    yield { type: "thinking", text: part.text };
  if (part.type === "tool-call") yield toToolCall(part);
  if (part.type === "finish") {
    yield {
      type: "finish",
      stop_reason: toStopReason(part.finishReason),
      input_tokens: part.totalUsage.inputTokens,
      output_tokens: part.totalUsage.outputTokens,
    };
  }
}

/** The SDK marks calls of tools that were not offered and arguments that are no JSON as invalid. */
function toToolCall(part: {
  toolCallId: string;
  toolName: string;
  input: unknown;
  invalid?: boolean | undefined;
}): Block {
  const { toolCallId, toolName, input, invalid } = part;
  if (invalid === true) {
    throw new ProviderError("failed", "The model made a tool call that is not valid.", {
      isRetryable: true,
    });
  }
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new ProviderError(
      "failed",
      `The model called ${toolName} with arguments that are not a JSON object.`,
      {
        isRetryable: true,
      },
    );
  }
  return { type: "tool_call", id: toolCallId, name: toolName, arguments: { ...input } };
}

function toStopReason(reason: FinishReason): StopReason {
  if (reason === "tool-calls") return "tool_calls";
  if (reason === "length") return "max_tokens";
  if (reason === "error") {
    throw new ProviderError("failed", "The provider ended with an error.", { isRetryable: true });
  }
  return "end_turn";
}

const FIRST_ERROR_STATUS = 400;
const TOO_MANY_REQUESTS = 429;
const REQUEST_TIMEOUT = 408;

/** Says what kind of failure it was, and nothing the provider wrote: its words may quote our key. */
function asProviderError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  const upstreamStatus = APICallError.isInstance(error) ? (error.statusCode ?? 0) : 0;
  // A body that breaks off still carries the status it began with.
  if (!APICallError.isInstance(error) || upstreamStatus < FIRST_ERROR_STATUS) {
    return new ProviderError("failed", "The provider's answer broke off or could not be read.", {
      isRetryable: true,
    });
  }
  if (upstreamStatus === TOO_MANY_REQUESTS) {
    return new ProviderError("rate_limited", "The provider limits our requests; try again later.", {
      isRetryable: true,
      retryAfterSeconds: retryAfterSeconds(error.responseHeaders?.["retry-after"]),
      upstreamStatus,
    });
  }
  return new ProviderError("failed", `The provider answered with status ${upstreamStatus}.`, {
    isRetryable: upstreamStatus >= 500 || upstreamStatus === REQUEST_TIMEOUT,
    upstreamStatus,
  });
}

/** Retry-After in seconds. Its other form, a date, is left out: it would need a clock. */
function retryAfterSeconds(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header.trim()) ? Number(header) : undefined;
}
