/**
 * Owns the words of an inference: messages in, blocks out (wire §5). The HTTP schemas in `api/schemas.ts` accept
 * exactly these shapes; providers translate them to their own. Refuses to own: validation, transport.
 */

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export type Role = "system" | "user" | "assistant" | "tool";

export interface Message {
  readonly role: Role;
  readonly content: string;
  /** Only of an assistant. */
  readonly tool_calls?: readonly ToolCall[] | undefined;
  /** Only of a tool, and always there: which call this answers. */
  readonly tool_call_id?: string | undefined;
  readonly name?: string | undefined;
}

export interface Tool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments. */
  readonly input_schema: Readonly<Record<string, unknown>>;
}

export interface InferenceRequest {
  /** A model of the catalog. */
  readonly model: string;
  readonly messages: readonly Message[];
  readonly tools?: readonly Tool[] | undefined;
  /** Most tokens to put out. */
  readonly max_tokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly top_p?: number | undefined;
  readonly stop_sequences?: readonly string[] | undefined;
}

export interface TextBlock {
  readonly type: "text" | "thinking";
  readonly text: string;
}
export interface ToolCallBlock extends ToolCall {
  readonly type: "tool_call";
}
export type Block = TextBlock | ToolCallBlock;

export type StopReason = "end_turn" | "tool_calls" | "max_tokens";

export interface InferenceResponse {
  readonly id: string;
  readonly model: string;
  readonly blocks: readonly Block[];
  readonly stop_reason: StopReason;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** US dollars with six decimals. */
  readonly cost: string;
}
