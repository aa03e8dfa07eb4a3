/** Owns how a process is told where its traces go: four settings with OpenTelemetry's own environment variables. */
import * as config from "./config.ts";

export interface OtlpSettings {
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  readonly exportIntervalMs: number;
}

/** For a settings table; `serviceName` is what the process is called in traces. */
export const otlpSettings = (serviceName: string) => ({
  otlpEndpoint: config.url({
    flag: "otlp-endpoint",
    env: "OTEL_EXPORTER_OTLP_ENDPOINT",
    help: "OpenTelemetry collector (OTLP over HTTP, JSON) that traces go to; without it none leave.",
  }),
  otlpHeaders: headers({
    flag: "otlp-headers",
    env: "OTEL_EXPORTER_OTLP_HEADERS",
    help: "Headers for the collector.",
  }),
  otlpServiceName: config.text({
    flag: "otlp-service-name",
    env: "OTEL_SERVICE_NAME",
    help: "What this process is called in traces.",
    placeholder: "name",
    default: serviceName,
  }),
  otlpIntervalMs: config.integer({
    flag: "otlp-interval-ms",
    env: "OTEL_BSP_SCHEDULE_DELAY",
    help: "How long spans are gathered before they are sent.",
    default: 5_000,
    min: 10,
    max: 60_000,
  }),
});

/** Null without a collector. */
export function otlpOf(
  read: config.Settings<ReturnType<typeof otlpSettings>>,
): OtlpSettings | null {
  const { otlpEndpoint: endpoint, otlpHeaders, otlpServiceName: serviceName } = read;
  if (endpoint === undefined) return null;
  return { endpoint, headers: otlpHeaders, serviceName, exportIntervalMs: read.otlpIntervalMs };
}

/** As OpenTelemetry writes them: percent-encoded values. */
function headers(spec: {
  readonly flag: string;
  readonly env: string;
  readonly help: string;
}): config.Setting<Readonly<Record<string, string>>> {
  return {
    ...spec,
    placeholder: "name=value,…",
    secret: true,
    defaultValue: {},
    parse: (value) =>
      Object.fromEntries(
        value
          .split(",")
          .filter((item) => item.trim() !== "")
          .map((item) => {
            const at = item.indexOf("=");
            if (at < 1) throw new config.SettingError("needs name=value, separated by commas");
            return [item.slice(0, at).trim(), decodeURIComponent(item.slice(at + 1).trim())];
          }),
      ),
  };
}
