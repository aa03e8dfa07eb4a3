/** Owns sending spans to a collector (AUD-14), when one is named: OTLP over HTTP, in batches. Loaded only then. */
import { trace } from "@opentelemetry/api";

export interface TracingOptions {
  /** The collector's base, e.g. `http://127.0.0.1:4318`. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
}

/** Sends what is still held, and stops. */
export type StopTracing = () => Promise<void>;

export async function startTracing(options: TracingOptions): Promise<StopTracing> {
  const [{ BasicTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, resources] =
    await Promise.all([
      import("@opentelemetry/sdk-trace-base"),
      import("@opentelemetry/exporter-trace-otlp-http"),
      import("@opentelemetry/resources"),
    ]);
  const exporter = new OTLPTraceExporter({
    url: `${options.endpoint.replace(/\/+$/, "")}/v1/traces`,
    headers: { ...options.headers },
  });
  const provider = new BasicTracerProvider({
    resource: resources.resourceFromAttributes({ "service.name": options.serviceName }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  trace.setGlobalTracerProvider(provider);
  return () => provider.shutdown();
}
