/** Owns alerts over HTTP: which conditions hold now. They are of all tenants, so they are for operators. */
import { ApiError } from "@concert/service-kit";
import { createRoute, z } from "@hono/zod-openapi";
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

export function addAlerts(app: ConcordApp, concord: Concord, auth: AuthOptions): void {
  app.use("/alerts", identify(auth));
  app.openapi(listRoute, async (context) => {
    if (!person(context.get("principal")).roles.includes("operator")) {
      throw new ApiError(403, "forbidden", "Only an operator may see what concerns all tenants.");
    }
    const items = await answering(concord, () => concord.alerts());
    return context.json({ items: [...items] }, 200);
  });
}
