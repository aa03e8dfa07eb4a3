/**
 * Owns the offline model's voice: runs the pure planner and speaks its blocks word by word. The date and the pace
 * come from outside, so the model itself has neither clock nor network.
 */
import { countBlock, countInput } from "../../inference/tokens.ts";
import type { Block, InferenceRequest } from "../../inference/types.ts";
import type { Finish, Provider } from "../provider.ts";
import { plan } from "./plan.ts";

export interface OfflineParts {
  /** Pause before each word; 0 for none. */
  readonly tokenDelayMs: number;
  /** Today as `YYYY-MM-DD`. */
  readonly todayIso: () => string;
}

export function createOfflineProvider({ tokenDelayMs, todayIso }: OfflineParts): Provider {
  return {
    async *stream(request, signal) {
      const planned = beforeStop(plan(request, todayIso()), request.stop_sequences ?? []);
      const { pieces, isCut } = within(request.max_tokens, planned.flatMap(wordsOf));
      for (const piece of pieces) {
        if (tokenDelayMs > 0) await Bun.sleep(tokenDelayMs);
        if (signal.aborted) return;
        yield piece;
      }
      yield finish(request, pieces, isCut);
    },
  };
}

/** The blocks up to the first stop sequence, which is not spoken itself. */
function beforeStop(blocks: readonly Block[], stops: readonly string[]): readonly Block[] {
  const spoken: Block[] = [];
  for (const block of blocks) {
    const text = block.type === "tool_call" ? "" : block.text;
    const cuts = stops.map((stop) => text.indexOf(stop)).filter((index) => index >= 0);
    if (block.type !== "tool_call" && cuts.length > 0) {
      return [...spoken, { type: block.type, text: text.slice(0, Math.min(...cuts)) }];
    }
    spoken.push(block);
  }
  return spoken;
}

/** Words keep the white space around them, so that the pieces put together are the text. */
function wordsOf(block: Block): readonly Block[] {
  if (block.type === "tool_call") return [block];
  return (block.text.match(/\s*\S+\s*/g) ?? []).map((text) => ({ type: block.type, text }));
}

/** The pieces that fit; a tool call that does not fit whole is not made. */
function within(tokensMax: number | undefined, pieces: readonly Block[]) {
  let used = 0;
  const cutAt = pieces.findIndex((piece) => {
    used += countBlock(piece);
    return tokensMax !== undefined && used > tokensMax;
  });
  return cutAt === -1 ? { pieces, isCut: false } : { pieces: pieces.slice(0, cutAt), isCut: true };
}

function finish(request: InferenceRequest, pieces: readonly Block[], isCut: boolean): Finish {
  const calls = pieces.some((piece) => piece.type === "tool_call");
  return {
    type: "finish",
    stop_reason: isCut ? "max_tokens" : calls ? "tool_calls" : "end_turn",
    input_tokens: countInput(request.messages, request.tools ?? []),
    output_tokens: pieces.reduce((sum, piece) => sum + countBlock(piece), 0),
  };
}
