/**
 * Owns the shapes of an agent step, request and answer (docs/wire.md §3), and their bounds.
 * Refuses to own: what a step does. Only the fields Podium uses are required of Concord's tools.
 */
import { z } from "@hono/zod-openapi";

export const TEXT_CHARS_MAX = 32_000;
export const HISTORY_MESSAGES_MAX = 40;
const TOOLS_MAX = 200;
const TRANSCRIPT_ENTRIES_MAX = 400;
const ID_CHARS_MAX = 300;

const id = z.string().min(1).max(ID_CHARS_MAX);
const json = z.record(z.string(), z.unknown());

export const messageSchema = z.object({
  role: z.enum(["user", "assistant"]),
  content: z.string(),
});
export type Message = z.infer<typeof messageSchema>;

const toolSchema = z.looseObject({
  name: id,
  description: z.string(),
  input_schema: json,
  task_name: id,
});
export type Tool = z.infer<typeof toolSchema>;

export const callSchema = z.object({ call_id: id, tool_name: id, arguments: json });
export type Call = z.infer<typeof callSchema>;

export const moveSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("final"), message_id: id, text: z.string() }),
  z.object({
    kind: z.literal("tool_calls"),
    message_id: id,
    text: z.string().exactOptional(),
    calls: z.array(callSchema).min(1),
  }),
]);
export type Move = z.infer<typeof moveSchema>;

const observationSchema = z.object({
  kind: z.literal("observation"),
  call_id: id,
  tool_name: id,
  command_id: id.nullable(),
  status: id,
  result: z.unknown().optional(),
  error: z.unknown().optional(),
});
export type Observation = z.infer<typeof observationSchema>;

const transcriptEntrySchema = z.union([
  z.object({ kind: z.literal("move"), move: moveSchema }),
  observationSchema,
]);
export type TranscriptEntry = z.infer<typeof transcriptEntrySchema>;

export const stepRequestSchema = z.object({
  step_key: id,
  command_id: id,
  instance_id: id,
  agent_type: id,
  turn_id: id,
  step_index: z.int().min(0),
  text: z.string().max(TEXT_CHARS_MAX),
  history: z.array(messageSchema).max(HISTORY_MESSAGES_MAX),
  tools: z.array(toolSchema).max(TOOLS_MAX),
  transcript: z.array(transcriptEntrySchema).max(TRANSCRIPT_ENTRIES_MAX),
});
export type StepRequest = z.infer<typeof stepRequestSchema>;

export const usageSchema = z.object({
  input_tokens: z.int().min(0),
  output_tokens: z.int().min(0),
});

export const stepAnswerSchema = z.object({ move: moveSchema, usage: usageSchema });
export type StepAnswer = z.infer<typeof stepAnswerSchema>;
