/** Owns what Ensemble accepts and answers over HTTP, with every limit (wire §5). The API document is made of these. */
import { z } from "@hono/zod-openapi";

const CONTENT_CHARS_MAX = 262_144;
const MESSAGES_MAX = 500;
const TOOLS_MAX = 128;
const TOOL_CALLS_MAX = 64;
const MAX_TOKENS_MAX = 131_072;

const identifier = z.string().min(1).max(200);

const toolCall = z.object({
  id: identifier,
  name: identifier,
  arguments: z.record(z.string(), z.unknown()),
});

const message = z
  .object({
    role: z.enum(["system", "user", "assistant", "tool"]),
    content: z.string().max(CONTENT_CHARS_MAX),
    tool_calls: z.array(toolCall).max(TOOL_CALLS_MAX).optional(),
    tool_call_id: identifier.optional(),
    name: identifier.optional(),
  })
  .superRefine((value, context) => {
    const refuse = (path: string, text: string) =>
      context.addIssue({ code: "custom", path: [path], message: text });
    if (value.role === "tool" && value.tool_call_id === undefined) {
      refuse("tool_call_id", "a tool message says which call it answers");
    }
    if (value.role !== "assistant" && value.tool_calls !== undefined) {
      refuse("tool_calls", "only an assistant message has tool calls");
    }
  });

const tool = z.object({
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "needs 1 to 64 letters, digits, _ or -"),
  description: z.string().max(8_192),
  input_schema: z.record(z.string(), z.unknown()),
});

export const inferenceRequest = z
  .object({
    model: identifier.optional().openapi({ description: "Absent: the default model." }),
    messages: z.array(message).min(1).max(MESSAGES_MAX),
    tools: z.array(tool).max(TOOLS_MAX).optional(),
    max_tokens: z.number().int().min(1).max(MAX_TOKENS_MAX).optional(),
    temperature: z.number().min(0).max(2).optional(),
    top_p: z.number().gt(0).max(1).optional(),
    stop_sequences: z.array(z.string().min(1).max(256)).max(8).optional(),
  })
  .openapi("InferenceRequest");

const text = z.object({ type: z.literal("text"), text: z.string() });
const thinking = z.object({ type: z.literal("thinking"), text: z.string() });
const block = z
  .discriminatedUnion("type", [text, thinking, toolCall.extend({ type: z.literal("tool_call") })])
  .openapi("Block");

export const inferenceResponse = z
  .object({
    id: z.string(),
    model: z.string(),
    blocks: z.array(block).readonly(),
    stop_reason: z.enum(["end_turn", "tool_calls", "max_tokens"]),
    input_tokens: z.number().int(),
    output_tokens: z.number().int(),
    cost: z.string().openapi({ description: "US dollars, six decimals." }),
  })
  .openapi("InferenceResponse");

export const modelList = z
  .object({
    items: z.array(
      z.object({
        id: z.string(),
        provider: z.string(),
        title: z.string(),
        capabilities: z.object({ streaming: z.boolean(), tools: z.boolean() }),
      }),
    ),
  })
  .openapi("ModelList");

export const errorAnswer = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      details: z.unknown().optional(),
      trace_id: z.string(),
    }),
  })
  .openapi("Error");

export const requestHeaders = z.object({
  "x-request-id": z
    .string()
    .regex(/^[A-Za-z0-9._:-]{1,128}$/, "needs 1 to 128 letters, digits, dots, colons, _ or -")
    .optional(),
});
