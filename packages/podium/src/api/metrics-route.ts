/** Owns `GET /metrics`: what Podium holds right now, in Prometheus text. Numbers only; no key is needed. */
import type { PodiumApp } from "./app.ts";

/** What is measured, read when asked. */
export interface Gauges {
  readonly openTurns: () => number;
  readonly liveThoughts: () => number;
  readonly openSockets: () => number;
  readonly isFeedConnected: () => boolean;
}

export function addMetricsRoute(app: PodiumApp, gauges: Gauges): void {
  app.get("/metrics", (context) => {
    const lines = [
      ...gauge("podium_turns_open", "Turns that have not ended.", gauges.openTurns()),
      ...gauge("podium_thoughts_live", "Thoughts under way.", gauges.liveThoughts()),
      ...gauge("podium_sockets_open", "Connected native sockets.", gauges.openSockets()),
      ...gauge(
        "podium_feed_connected",
        "1 while Concord's event feed is connected.",
        gauges.isFeedConnected() ? 1 : 0,
      ),
    ];
    context.header("content-type", "text/plain; version=0.0.4");
    return context.body(`${lines.join("\n")}\n`);
  });
}

function gauge(name: string, help: string, value: number): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value}`];
}
