/**
 * Owns the seam between Ensemble and whoever really runs a model. A provider turns one request into a stream of
 * blocks and ends it with a `Finish`. Refuses to own: time limits, output limits, tokens it was not told, HTTP.
 */
import type { Block, InferenceRequest, StopReason } from "../inference/types.ts";

/** The last event of every successful stream. Token counts are absent when the provider does not say. */
export interface Finish {
  readonly type: "finish";
  readonly stop_reason: StopReason;
  readonly input_tokens?: number | undefined;
  readonly output_tokens?: number | undefined;
}

export interface Provider {
  /**
   * Text and thinking come in pieces, a tool call whole; exactly one `Finish` ends it. Stops soon after `signal`
   * aborts. Throws `ProviderError`; anything else that is thrown counts as a failure of the provider.
   */
  stream(request: InferenceRequest, signal: AbortSignal): AsyncIterable<Block | Finish>;
}

export type ProviderErrorKind = "rate_limited" | "failed";

/** The provider did not do it. The message is for callers: never a key, a body or a URL of the provider. */
export class ProviderError extends Error {
  readonly kind: ProviderErrorKind;
  /** False when asking again unchanged cannot help. */
  readonly isRetryable: boolean;
  readonly retryAfterSeconds: number | undefined;
  /** What the provider answered over HTTP, if it did. */
  readonly upstreamStatus: number | undefined;

  constructor(
    kind: ProviderErrorKind,
    message: string,
    facts: {
      isRetryable: boolean;
      retryAfterSeconds?: number | undefined;
      upstreamStatus?: number | undefined;
      /** For our log; must be free of secrets. */
      cause?: unknown;
    },
  ) {
    super(message, { cause: facts.cause });
    this.name = "ProviderError";
    this.kind = kind;
    this.isRetryable = facts.isRetryable;
    this.retryAfterSeconds = facts.retryAfterSeconds;
    this.upstreamStatus = facts.upstreamStatus;
  }
}
