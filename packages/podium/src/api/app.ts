/** Owns Podium's HTTP app: which routes exist and which key they need. Health, readiness and metrics need none. */
import {
  createApp,
  type Logger,
  type Readiness,
  requireKey,
  type Spans,
} from "@concert/service-kit";
import type { Thinker } from "../engine/thinker.ts";
import { addAgentStepRoute } from "./agent-step-route.ts";
import { describeFileRoutes } from "./file-docs.ts";
import { addFileRoutes } from "./file-routes.ts";
import { addInstanceRoutes, type InstanceRouteNeeds } from "./instance-routes.ts";
import { addMetricsRoute, type Gauges } from "./metrics-route.ts";

export type PodiumApp = ReturnType<typeof createApp>;

export interface AppNeeds extends InstanceRouteNeeds {
  readonly thinker: Thinker;
  readonly gauges: Gauges;
  readonly apiKey: string;
  readonly log: Logger;
  readonly ready: () => Promise<Readiness>;
  readonly spans: Spans;
}

export function createPodiumApp(needs: AppNeeds): PodiumApp {
  const app = createApp("podium", needs.log, needs.ready, needs.spans);
  app.use("/api/*", requireKey([needs.apiKey]));
  app.use("/internal/*", requireKey([needs.apiKey]));
  addInstanceRoutes(app, needs);
  addFileRoutes(app, needs);
  describeFileRoutes(app);
  addAgentStepRoute(app, needs.thinker);
  addMetricsRoute(app, needs.gauges);
  app.doc("/openapi.json", { openapi: "3.0.3", info: { title: "Podium", version: "1" } });
  return app;
}
