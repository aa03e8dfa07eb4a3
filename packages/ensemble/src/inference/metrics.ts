/**
 * Owns what Ensemble counts, and its Prometheus text (https://prometheus.io/docs/instrumenting/exposition_formats/).
 * Labels come from the catalog and from closed sets, never from a request, so the number of series is bounded.
 */

const BUCKETS_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120] as const;

export type OutcomeLabel = "ok" | "rate_limited" | "provider_failed";

export interface Measured {
  readonly model: string;
  readonly outcome: OutcomeLabel;
  readonly durationMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

interface Histogram {
  readonly counts: number[];
  sumSeconds: number;
  count: number;
}

export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #tokens = new Map<string, number>();
  readonly #latency = new Map<string, Histogram>();

  /** Counts one finished generation. */
  observe({ model, outcome, durationMs, inputTokens, outputTokens }: Measured): void {
    bump(this.#requests, labels({ model, outcome }), 1);
    bump(this.#tokens, labels({ model, direction: "input" }), inputTokens);
    bump(this.#tokens, labels({ model, direction: "output" }), outputTokens);
    this.#observeLatency(model, durationMs / 1_000);
  }

  /** `inFlight` generations are running now. */
  text(inFlight: number): string {
    return `${[
      ...family("ensemble_requests_total", "counter", "Finished generations.", this.#requests),
      ...family("ensemble_tokens_total", "counter", "Tokens in and out.", this.#tokens),
      "# HELP ensemble_generations_in_flight Generations running now.",
      "# TYPE ensemble_generations_in_flight gauge",
      `ensemble_generations_in_flight ${inFlight}`,
      "# HELP ensemble_generation_duration_seconds From request to the provider's end.",
      "# TYPE ensemble_generation_duration_seconds histogram",
      ...[...this.#latency].flatMap(([model, histogram]) => histogramLines(model, histogram)),
    ].join("\n")}\n`;
  }

  #observeLatency(model: string, seconds: number): void {
    const histogram = this.#latency.get(model) ?? {
      counts: BUCKETS_SECONDS.map(() => 0),
      sumSeconds: 0,
      count: 0,
    };
    BUCKETS_SECONDS.forEach((limit, index) => {
      if (seconds <= limit) histogram.counts[index] = (histogram.counts[index] ?? 0) + 1;
    });
    histogram.sumSeconds += seconds;
    histogram.count += 1;
    this.#latency.set(model, histogram);
  }
}

function histogramLines(model: string, histogram: Histogram): readonly string[] {
  const name = "ensemble_generation_duration_seconds";
  const buckets = [...BUCKETS_SECONDS.map(String), "+Inf"].map((le, index) => {
    const count = histogram.counts[index] ?? histogram.count;
    return `${name}_bucket${labels({ model, le })} ${count}`;
  });
  return [
    ...buckets,
    `${name}_sum${labels({ model })} ${histogram.sumSeconds}`,
    `${name}_count${labels({ model })} ${histogram.count}`,
  ];
}

function family(name: string, type: string, help: string, values: ReadonlyMap<string, number>) {
  const lines = [...values].map(([label, value]) => `${name}${label} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines];
}

function labels(pairs: Readonly<Record<string, string>>): string {
  const inner = Object.entries(pairs).map(([key, value]) => `${key}="${escaped(value)}"`);
  return `{${inner.join(",")}}`;
}

function escaped(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

function bump(values: Map<string, number>, key: string, by: number): void {
  values.set(key, (values.get(key) ?? 0) + by);
}
