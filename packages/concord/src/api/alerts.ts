/** Owns alerts and health over HTTP: which conditions hold now, what Concord stands on. They are of all tenants, so they are for operators. */
import { ApiError } from "@concert/service-kit";
import { createRoute, z } from "@hono/zod-openapi";
import type { Principal } from "../core/command.ts";
import { ALERTS } from "../domain/alerts.ts";
import type { Concord } from "../domain/face.ts";
import type { ConcordApp } from "./app.ts";
import { type AuthOptions, identify, person } from "./auth.ts";
import { answering } from "./errors.ts";
import { refusals } from "./refusals.ts";
import { json, PERSON } from "./routes.ts";

const AlertView = z
  .object({
    name: z.enum(ALERTS),
    message: z.string(),
    value: z.number(),
    limit: z.number().openapi({ description: "From here on it is raised." }),
  })
  .openapi("Alert");

const listRoute = createRoute({
  method: "get",
  path: "/alerts",
  operationId: "listAlerts",
  summary: "Conditions that somebody has to look at, as long as they hold; for operators.",
  security: PERSON,
  responses: {
    200: json("Those that hold now", z.object({ items: z.array(AlertView) })),
    ...refusals("forbidden"),
  },
});

const PartView = z.object({
  ok: z.boolean(),
  problem: z.string().nullable(),
  facts: z.record(z.string(), z.unknown()),
});
const HealthView = z
  .object({
    ok: z.boolean().openapi({ description: "Every part is." }),
    parts: z.object({
      database: PartView,
      runtime: PartView,
      schedules: PartView,
      reconciler: PartView,
    }),
  })
  .openapi("Health");

const healthRoute = createRoute({
  method: "get",
  path: "/health/parts",
  operationId: "readHealth",
  summary: "What Concord stands on, part by part; for operators.",
  security: PERSON,
  responses: {
    200: json("Each part by itself, also when one is away", HealthView),
    ...refusals("forbidden"),
  },
});

function assertOperator(principal: Principal | undefined): void {
  if (person(principal).roles.includes("operator")) return;
  throw new ApiError(403, "forbidden", "Only an operator may see what concerns all tenants.");
}

export function addAlerts(app: ConcordApp, concord: Concord, auth: AuthOptions): void {
  app.use("/alerts", identify(auth));
  app.openapi(listRoute, async (context) => {
    assertOperator(context.get("principal"));
    const items = await answering(concord, () => concord.alerts());
    return context.json({ items: [...items] }, 200);
  });
  app.use("/health/parts", identify(auth));
  app.openapi(healthRoute, async (context) => {
    assertOperator(context.get("principal"));
    return context.json(await concord.health(), 200);
  });
}
