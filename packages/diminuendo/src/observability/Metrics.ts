/** Owns the gateway's counters and gauges, and their Prometheus text. Names are stable: dashboards read them. */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";

const COUNTERS = {
  diminuendo_messages_total: "Client messages received.",
  diminuendo_messages_refused_total: "Client messages answered with an error.",
  diminuendo_events_committed_total: "Session events committed to a log.",
  diminuendo_turns_total: "Turns accepted.",
  diminuendo_slow_readers_total: "Connections closed because they read too slowly.",
  diminuendo_podium_reconnects_total: "Sockets to Podium that had to be opened again.",
  diminuendo_storage_failures_total: "Commits that failed.",
  diminuendo_gaps_healed_total:
    "Times events of another gateway were read from the log, for want of a hint.",
  diminuendo_tenants_taken_total:
    "Tenants taken over, from nobody or from a gateway that has died.",
} as const;
const GAUGES = {
  diminuendo_connections: "Open client connections.",
  diminuendo_waiting_bytes: "Sent to clients and not taken by the network yet.",
  diminuendo_sessions_loaded: "Sessions held in memory.",
  diminuendo_podium_links: "Open sockets to Podium.",
  diminuendo_broadcast_connected: "1 while there is a link to the other gateways.",
  diminuendo_tenants_owned:
    "Tenants that this gateway writes for; 0 where one gateway has them all.",
  diminuendo_removals_pending: "Deleted sessions of which Podium may still have something.",
  diminuendo_breakers_open: "Services that are left alone because they keep failing.",
} as const;
export type CounterName = keyof typeof COUNTERS;
export type GaugeName = keyof typeof GAUGES;

export class Metrics extends Context.Service<
  Metrics,
  {
    readonly count: (name: CounterName, by?: number) => Effect.Effect<void>;
    /** `count` for who has no fiber. */
    readonly add: (name: CounterName, by: number) => void;
    readonly gauge: (name: GaugeName, read: () => number) => Effect.Effect<void>;
    /** Every value by name, for `/api/health`. */
    readonly values: Effect.Effect<Readonly<Record<string, number>>>;
    /** Prometheus text format 0.0.4. */
    readonly text: Effect.Effect<string>;
  }
>()("diminuendo/observability/Metrics") {
  static readonly layer = Layer.sync(Metrics, () => {
    const counters = new Map<string, number>(Object.keys(COUNTERS).map((name) => [name, 0]));
    const gauges = new Map<string, () => number>();
    const values = Effect.sync(() => ({
      ...Object.fromEntries(counters),
      ...Object.fromEntries([...gauges].map(([name, read]) => [name, read()])),
    }));
    const add = (name: CounterName, by: number): void => {
      counters.set(name, (counters.get(name) ?? 0) + by);
    };
    return Metrics.of({
      add,
      count: (name, by = 1) => Effect.sync(() => add(name, by)),
      gauge: (name, read) => Effect.sync(() => void gauges.set(name, read)),
      values,
      text: Effect.map(values, prometheusText),
    });
  });
}

function prometheusText(values: Readonly<Record<string, number>>): string {
  const kinds = [
    ["counter", COUNTERS],
    ["gauge", GAUGES],
  ] as const;
  const lines = kinds.flatMap(([kind, table]) =>
    Object.entries(table).flatMap(([name, help]) => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${kind}`,
      `${name} ${values[name] ?? 0}`,
    ]),
  );
  return `${lines.join("\n")}\n`;
}
