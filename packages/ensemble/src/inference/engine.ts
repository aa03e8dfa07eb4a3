/**
 * Owns the way from a request to a running generation: model lookup, provider, room for one more, and the account
 * afterwards (response, cost, metrics, one log line). Refuses to own: HTTP, how a provider works.
 */
import type { Logger } from "@concert/service-kit";
import { costOf, findModel, type Model } from "../catalog/catalog.ts";
import { type Provider, ProviderError } from "../providers/provider.ts";
import { tooBusy, unknownModel } from "./errors.ts";
import { Generation, type Limits, type Outcome } from "./generation.ts";
import type { Metrics } from "./metrics.ts";
import type { Block, InferenceRequest, InferenceResponse } from "./types.ts";

export interface EngineParts {
  readonly catalog: readonly Model[];
  readonly providers: Readonly<Record<Model["provider"], Provider | undefined>>;
  readonly limits: Limits;
  /** Generations at one time; one more is refused with 429. */
  readonly concurrentMax: number;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly nowMs: () => number;
}

export interface Running {
  /** Resolves when there is something to send; rejects if the provider failed before its first block. */
  readonly firstSign: () => Promise<void>;
  readonly read: () => AsyncIterable<Block>;
  readonly response: Promise<InferenceResponse>;
}

export class Engine {
  readonly #parts: EngineParts;
  #inFlight = 0;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get models(): readonly Model[] {
    return this.#parts.catalog;
  }

  /** Starts a generation. Throws 404 `unknown_model` and, when full, 429 `rate_limited`. */
  start(request: InferenceRequest, ids: { id: string; traceId: string }): Running {
    const { catalog, providers, concurrentMax, limits, nowMs } = this.#parts;
    const model = findModel(catalog, request.model);
    const provider = model === undefined ? undefined : providers[model.provider];
    if (model === undefined || provider === undefined) {
      throw unknownModel(
        request.model,
        catalog.map((known) => known.id),
      );
    }
    if (this.#inFlight >= concurrentMax) throw tooBusy(concurrentMax);
    this.#inFlight += 1;
    const startedMs = nowMs();
    const generation = new Generation(provider, request, limits);
    const response = generation.outcome
      .finally(() => {
        this.#inFlight -= 1;
      })
      .then(
        (outcome) => this.#succeeded(model, outcome, ids, nowMs() - startedMs),
        (error) => this.#failed(model, error, ids, nowMs() - startedMs),
      );
    // The caller may leave before the end; the failure is counted and logged all the same.
    response.catch(() => {});
    return {
      firstSign: () => generation.firstSign(),
      read: () => generation.read(),
      response,
    };
  }

  #succeeded(
    model: Model,
    { blocks, input_tokens, output_tokens, stop_reason }: Outcome,
    { id, traceId }: { id: string; traceId: string },
    durationMs: number,
  ): InferenceResponse {
    this.#parts.metrics.observe({
      model: model.id,
      outcome: "ok",
      durationMs,
      inputTokens: input_tokens,
      outputTokens: output_tokens,
    });
    this.#parts.log.info(
      {
        trace_id: traceId,
        request_id: id,
        model: model.id,
        stop_reason,
        input_tokens,
        output_tokens,
        durationMs,
      },
      "generated",
    );
    const cost = costOf(model.price, input_tokens, output_tokens);
    return { id, model: model.id, blocks, stop_reason, input_tokens, output_tokens, cost };
  }

  #failed(
    model: Model,
    error: unknown,
    ids: { id: string; traceId: string },
    durationMs: number,
  ): never {
    const isLimited = error instanceof ProviderError && error.kind === "rate_limited";
    this.#parts.metrics.observe({
      model: model.id,
      outcome: isLimited ? "rate_limited" : "provider_failed",
      durationMs,
      inputTokens: 0,
      outputTokens: 0,
    });
    this.#parts.log.warn(
      { trace_id: ids.traceId, request_id: ids.id, model: model.id, err: error, durationMs },
      "generation failed",
    );
    throw error;
  }
}
