/**
 * Owns one call of a provider from start to end: records its blocks, holds it to its time and size limits, counts
 * its tokens. Readers follow the record and may leave at any moment; the call runs on to its end or its limit, so
 * that what was paid for is counted and a slow reader never slows the provider down.
 * Refuses to own: HTTP, the catalog.
 */
import { type Finish, type Provider, ProviderError } from "../providers/provider.ts";
import { countBlock, countInput } from "./tokens.ts";
import type { Block, InferenceRequest, StopReason } from "./types.ts";

export interface Limits {
  /** From the start to the last event. */
  readonly totalMs: number;
  /** From one event to the next; also to the first. */
  readonly idleMs: number;
  /** All text and arguments together, in UTF-16 units. */
  readonly outputCharsMax: number;
}

export interface Outcome {
  readonly blocks: readonly Block[];
  readonly stop_reason: StopReason;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

export class Generation {
  /** Settles when the provider has ended; rejects with `ProviderError`. */
  readonly outcome: Promise<Outcome>;
  readonly #pieces: Block[] = [];
  #ended = false;
  #wake = Promise.withResolvers<void>();

  constructor(provider: Provider, request: InferenceRequest, limits: Limits) {
    this.outcome = this.#run(provider, request, limits).finally(() => {
      this.#ended = true;
      this.#wake.resolve();
    });
    // Readers learn of a failure through `read`; without this, a generation whose readers left would crash the process.
    this.outcome.catch(() => {});
  }

  /** Resolves at the first block or the end; rejects if the provider failed before its first block. */
  async firstSign(): Promise<void> {
    if (this.#pieces.length === 0 && !this.#ended) await this.#wake.promise;
    if (this.#pieces.length === 0) await this.outcome;
  }

  /** Every piece from the first on, as it comes. Throws `ProviderError` after the last piece of a failed call. */
  async *read(): AsyncGenerator<Block> {
    for (let index = 0; ; index += 1) {
      while (index >= this.#pieces.length && !this.#ended) await this.#wake.promise;
      const piece = this.#pieces[index];
      if (piece === undefined) break;
      yield piece;
    }
    await this.outcome;
  }

  async #run(provider: Provider, request: InferenceRequest, limits: Limits): Promise<Outcome> {
    const deadline = new Deadline(limits);
    let outputChars = 0;
    try {
      for await (const event of untilAborted(
        provider.stream(request, deadline.signal),
        deadline.signal,
      )) {
        if (event.type === "finish") return this.#outcome(request, event);
        outputChars += sizeOf(event);
        if (outputChars > limits.outputCharsMax) throw tooLong(limits);
        this.#record(event);
        deadline.heard();
      }
      throw new ProviderError("failed", "The provider's answer ended without an end.", {
        isRetryable: true,
      });
    } catch (error) {
      throw deadline.reason ?? asProviderError(error);
    } finally {
      deadline.end();
    }
  }

  #record(piece: Block): void {
    this.#pieces.push(piece);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  #outcome(request: InferenceRequest, finish: Finish): Outcome {
    const blocks = merged(this.#pieces);
    const counted = blocks.reduce((sum, block) => sum + countBlock(block), 0);
    return {
      blocks,
      stop_reason: finish.stop_reason,
      input_tokens: finish.input_tokens ?? countInput(request.messages, request.tools ?? []),
      output_tokens: finish.output_tokens ?? counted,
    };
  }
}

/** Neighbouring pieces of text, or of thinking, as one block. */
export function merged(pieces: readonly Block[]): readonly Block[] {
  const blocks: Block[] = [];
  for (const piece of pieces) {
    const last = blocks.at(-1);
    if (piece.type !== "tool_call" && last?.type === piece.type) {
      blocks[blocks.length - 1] = { type: piece.type, text: last.text + piece.text };
    } else blocks.push(piece);
  }
  return blocks;
}

/** Aborts its signal when the call lasts too long or falls silent, and remembers which. */
class Deadline {
  readonly #abort = new AbortController();
  readonly #limits: Limits;
  readonly #total: Timer;
  #idle: Timer;
  reason: ProviderError | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#total = setTimeout(
      () => this.#expire(`took longer than ${limits.totalMs} ms`),
      limits.totalMs,
    );
    this.#idle = this.#watchSilence();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  heard(): void {
    clearTimeout(this.#idle);
    this.#idle = this.#watchSilence();
  }

  end(): void {
    clearTimeout(this.#idle);
    clearTimeout(this.#total);
    this.#abort.abort();
  }

  #watchSilence(): Timer {
    const { idleMs } = this.#limits;
    return setTimeout(() => this.#expire(`was silent for ${idleMs} ms`), idleMs);
  }

  #expire(what: string): void {
    this.reason = new ProviderError("failed", `The provider ${what}; the call was given up.`, {
      isRetryable: true,
    });
    this.#abort.abort();
  }
}

type Timer = ReturnType<typeof setTimeout>;

/** The same events, but a provider that ignores its signal cannot hold the reader. */
async function* untilAborted<T>(events: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = events[Symbol.asyncIterator]();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  // Told through the race below; the reader may have left it by the time of the abort.
  aborted.catch(() => {});
  signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not awaited: a provider stuck in its own await answers `return` only when that ends.
    void iterator.return?.()?.catch(() => {});
  }
}

function sizeOf(block: Block): number {
  return block.type === "tool_call" ? JSON.stringify(block.arguments).length : block.text.length;
}

function tooLong(limits: Limits): ProviderError {
  return new ProviderError(
    "failed",
    `The provider's answer is longer than ${limits.outputCharsMax} characters; ask for less with max_tokens.`,
    { isRetryable: false },
  );
}

function asProviderError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  return new ProviderError("failed", "The provider failed in an unexpected way.", {
    isRetryable: true,
    cause: error,
  });
}
