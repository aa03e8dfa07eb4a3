/**
 * Owns how Podium asks a model through Ensemble: one streamed inference, as it comes.
 * Refuses to own: prompts (`agents/`) and repetition (Concord repeats steps). Source: docs/wire.md §5.
 */
import { z } from "zod";
import { readEvents } from "./server-sent-events.ts";

const SILENCE_MS_MAX = 120_000;

export interface ModelMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: string;
  readonly tool_calls?: readonly {
    readonly id: string;
    readonly name: string;
    readonly arguments: Record<string, unknown>;
  }[];
  readonly tool_call_id?: string;
  readonly name?: string;
}

export interface InferenceRequest {
  readonly model: string;
  readonly messages: readonly ModelMessage[];
  readonly tools?: readonly {
    readonly name: string;
    readonly description: string;
    readonly input_schema: Record<string, unknown>;
  }[];
  readonly max_tokens?: number;
  readonly temperature?: number;
}

const blockSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({ type: z.literal("thinking"), text: z.string() }),
  z.object({
    type: z.literal("tool_call"),
    id: z.string(),
    name: z.string().min(1),
    arguments: z.record(z.string(), z.unknown()),
  }),
]);
export type Block = z.infer<typeof blockSchema>;

const doneSchema = z.looseObject({
  input_tokens: z.int().min(0),
  output_tokens: z.int().min(0),
});
export type InferenceEnd = z.infer<typeof doneSchema>;

const errorSchema = z.looseObject({
  error: z.looseObject({ code: z.string(), message: z.string() }),
});

/** The model gave no answer; `retryable` says whether asking again may help. */
export class ModelFailure extends Error {
  readonly retryable: boolean;
  readonly code: string;

  constructor(retryable: boolean, code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.retryable = retryable;
    this.code = code;
  }
}

export interface InferenceOptions {
  readonly signal: AbortSignal;
  readonly traceparent: string;
}

export interface EnsembleClient {
  /** Yields blocks as they come, returns the totals. Throws `ModelFailure`, or the reason of `signal`. */
  stream(
    request: InferenceRequest,
    options: InferenceOptions,
  ): AsyncGenerator<Block, InferenceEnd, void>;
}

export function createEnsembleClient(settings: { url: string; apiKey: string }): EnsembleClient {
  return {
    stream: async function* (request, options) {
      try {
        return yield* infer(settings, request, options);
      } catch (error) {
        options.signal.throwIfAborted();
        if (error instanceof ModelFailure) throw error;
        throw new ModelFailure(
          true,
          "model_unreachable",
          "The connection to Ensemble broke.",
          error,
        );
      }
    },
  };
}

async function* infer(
  settings: { url: string; apiKey: string },
  request: InferenceRequest,
  options: InferenceOptions,
): AsyncGenerator<Block, InferenceEnd, void> {
  const response = await fetch(`${settings.url}/api/v1/stream`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${settings.apiKey}`,
      accept: "text/event-stream",
      "content-type": "application/json",
      traceparent: options.traceparent,
    },
    body: JSON.stringify(request),
    signal: options.signal,
  });
  if (!response.ok) throw httpFailure(response.status, await response.text());
  for await (const event of readEvents(response, SILENCE_MS_MAX)) {
    if (event.event === "block") yield read(blockSchema, event.data, "a block");
    else if (event.event === "done") return read(doneSchema, event.data, "the end");
    else if (event.event === "error") throw streamFailure(event.data);
  }
  throw new ModelFailure(true, "stream_cut", "Ensemble's stream ended before the answer did.");
}

function httpFailure(status: number, body: string): ModelFailure {
  const { code, message } = errorOf(body);
  const retryable = status >= 500 || status === 408 || status === 429;
  return new ModelFailure(retryable, code, `Ensemble answered ${status} ${code}: ${message}`);
}

/** A failure after the first byte: only a request that can never work is not worth repeating. */
function streamFailure(body: string): ModelFailure {
  const { code, message } = errorOf(body);
  const hopeless = code === "invalid_request" || code === "unknown_model";
  return new ModelFailure(!hopeless, code, `Ensemble broke off with ${code}: ${message}`);
}

function errorOf(body: string): { code: string; message: string } {
  const parsed = errorSchema.safeParse(parseJson(body));
  return parsed.success ? parsed.data.error : { code: "unknown", message: "no reason was given" };
}

function read<S extends z.ZodType>(schema: S, data: string, what: string): z.infer<S> {
  const parsed = schema.safeParse(parseJson(data));
  if (parsed.success) return parsed.data;
  throw new ModelFailure(true, "malformed_answer", `Ensemble sent ${what} that cannot be read.`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Not JSON: the schemas above refuse it with a reason.
  }
}
