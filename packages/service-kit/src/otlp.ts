/**
 * Owns the export of spans over OTLP: batches of bounded size, and what is known of the collector. One that does not answer
 * harms nobody: spans are dropped, and the log says so once. The one file that knows Effect's exporter, which its authors
 * call unstable. Source: OTLP 1.x over HTTP, as JSON.
 */
import { FetchHttpClient } from "effect/http";
import * as Layer from "effect/Layer";
import { OtlpSerialization, OtlpTracer } from "effect/observability";
import type { OtlpSettings } from "./otlp-settings.ts";

const BATCH_SPANS_MAX = 512;
const TIMEOUT_MS = 10_000;
/** A collector that is slower than we are gets no more at a time; the exporter then drops what waits. */
const IN_FLIGHT_MAX = 4;

export type ExportState =
  | { readonly state: "off" }
  | { readonly state: "exporting"; readonly batches: number }
  | { readonly state: "failing"; readonly reason: string };

/** A tracer that sends what it gathers to `collector`. */
export const exportingTracer = (otlp: OtlpSettings, collector: Collector) =>
  OtlpTracer.layer({
    url: `${otlp.endpoint.replace(/\/+$/, "")}/v1/traces`,
    headers: otlp.headers,
    resource: { serviceName: otlp.serviceName },
    exportInterval: otlp.exportIntervalMs,
    maxBatchSize: BATCH_SPANS_MAX,
    shutdownTimeout: "2 seconds",
  }).pipe(
    Layer.provide([
      OtlpSerialization.layerJson,
      FetchHttpClient.layer.pipe(
        Layer.provide(Layer.succeed(FetchHttpClient.Fetch, collector.fetch)),
      ),
    ]),
  );

/** Knows how the collector has been of late, and bounds what waits for it. */
export class Collector {
  state: ExportState = { state: "exporting", batches: 0 };
  readonly #warn: (line: string) => void;
  #batches = 0;
  #inFlight = 0;

  constructor(warn: (line: string) => void) {
    this.#warn = warn;
  }

  readonly fetch = Object.assign(
    async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
      if (this.#inFlight >= IN_FLIGHT_MAX) throw new Error("the collector is too slow");
      this.#inFlight += 1;
      try {
        const within = AbortSignal.timeout(TIMEOUT_MS);
        const signal = init?.signal ? AbortSignal.any([init.signal, within]) : within;
        const response = await fetch(input, { ...init, signal, redirect: "manual" });
        if (response.ok) this.#took();
        else this.#failed(`the collector answers with status ${response.status}`);
        return response;
      } catch (error) {
        this.#failed(error instanceof Error ? error.message : String(error));
        throw error;
      } finally {
        this.#inFlight -= 1;
      }
    },
    { preconnect: fetch.preconnect },
  );

  #took(): void {
    this.#batches += 1;
    this.state = { state: "exporting", batches: this.#batches };
  }

  /** Told once until a batch was taken again. */
  #failed(reason: string): void {
    if (this.state.state !== "failing") {
      this.#warn(`traces are not exported: ${reason}; spans are dropped until it is mended`);
    }
    this.state = { state: "failing", reason };
  }
}
