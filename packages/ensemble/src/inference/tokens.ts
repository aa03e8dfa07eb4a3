/**
 * Owns the token count for models whose provider does not state one. A piece is a run of up to four letters or
 * digits, or one other visible character: close to what real tokenizers give for English, and the same every time.
 */
import type { Block, Message, Tool } from "./types.ts";

/** Tokens every message costs beside its text. */
const MESSAGE_OVERHEAD = 4;

export function countTokens(text: string): number {
  return text.match(/[\p{L}\p{N}]{1,4}|[^\p{L}\p{N}\s]/gu)?.length ?? 0;
}

export function countInput(messages: readonly Message[], tools: readonly Tool[]): number {
  const fromMessages = messages.map(
    (message) =>
      MESSAGE_OVERHEAD +
      countTokens(message.content) +
      countTokens(message.tool_calls === undefined ? "" : JSON.stringify(message.tool_calls)),
  );
  const fromTools = tools.map((tool) => countTokens(JSON.stringify(tool)));
  return [...fromMessages, ...fromTools].reduce((sum, count) => sum + count, 0);
}

export function countBlock(block: Block): number {
  if (block.type !== "tool_call") return countTokens(block.text);
  return countTokens(block.name) + countTokens(JSON.stringify(block.arguments));
}
