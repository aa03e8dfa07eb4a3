/** Owns schedules over HTTP: see them, pause, resume, trigger, make up for missed ticks. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Concord } from "../domain/face.ts";
import type { ScheduleView as Schedule } from "../domain/schedule-service.ts";
import type { ConcordApp } from "./app.ts";
import { type AuthOptions, identify, person } from "./auth.ts";
import { answering } from "./errors.ts";
import { refusals } from "./refusals.ts";

const ScheduleView = z
  .object({
    name: z.string(),
    description: z.string(),
    task_name: z.string(),
    cron: z.string().openapi({ description: "Five or six fields, UTC." }),
    missed: z.enum(["run", "skip"]).openapi({ description: "Ticks while nobody was there." }),
    status: z.enum(["active", "paused"]),
    last_tick_at: z.string().nullable(),
  })
  .openapi("Schedule");

const PERSON = [{ operatorKey: [] }, { serviceKey: [], actor: [] }];
const params = z.object({ name: z.string().min(1).max(200) });
const json = (description: string, schema: z.ZodType) => ({
  description,
  content: { "application/json": { schema } },
});

const listRoute = createRoute({
  method: "get",
  path: "/schedules",
  operationId: "listSchedules",
  summary: "Schedules that concern the tenant; for operators and owners.",
  security: PERSON,
  responses: {
    200: json("All of them", z.object({ items: z.array(ScheduleView) })),
    ...refusals(),
  },
});

const ACTIONS = {
  pause: "No ticks until it is resumed.",
  resume: "Ticks again, from now on.",
  trigger: "A tick now: for an owner, of the own tenant.",
} as const;
type Action = keyof typeof ACTIONS;

const actionRoute = (action: Action) =>
  createRoute({
    method: "post",
    path: `/schedules/{name}/${action}`,
    operationId: `${action}Schedule`,
    summary: ACTIONS[action],
    security: PERSON,
    request: { params },
    responses: {
      200: json("The schedule as it now is", ScheduleView),
      ...refusals("invalid_request", "forbidden", "not_found"),
    },
  });

const backfillRoute = createRoute({
  method: "post",
  path: "/schedules/{name}/backfill",
  operationId: "backfillSchedule",
  summary: "The ticks that were due in a range of the past, each once.",
  security: PERSON,
  request: {
    params,
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z
            .strictObject({
              from: z.iso.datetime({ offset: true }),
              to: z.iso.datetime({ offset: true }),
            })
            .openapi("TickRange", {
              example: { from: "2027-01-01T00:00:00Z", to: "2027-01-02T00:00:00Z" },
            }),
        },
      },
    },
  },
  responses: {
    202: json("Asked for", z.object({ ticks: z.number() })),
    ...refusals(
      "invalid_json",
      "invalid_request",
      "validation_error",
      "forbidden",
      "not_found",
      "request_too_large",
    ),
  },
});

export function addSchedules(app: ConcordApp, concord: Concord, auth: AuthOptions): void {
  app.use("/schedules", identify(auth));
  app.use("/schedules/*", identify(auth));
  app.openapi(listRoute, async (context) => {
    const principal = person(context.get("principal"));
    const found = await answering(concord, () => concord.schedules.list(principal));
    return context.json({ items: found.map(view) }, 200);
  });
  for (const action of Object.keys(ACTIONS) as Action[]) {
    app.openapi(actionRoute(action), async (context) => {
      const { name } = context.req.valid("param");
      const principal = person(context.get("principal"));
      const { traceId } = context.get("trace");
      const found = await answering(concord, () =>
        concord.schedules[action](principal, name, traceId),
      );
      return context.json(view(found), 200);
    });
  }
  app.openapi(backfillRoute, async (context) => {
    const { name } = context.req.valid("param");
    const range = context.req.valid("json");
    const principal = person(context.get("principal"));
    const { traceId } = context.get("trace");
    const ticks = await answering(concord, () =>
      concord.schedules.backfill(principal, name, range, traceId),
    );
    return context.json({ ticks }, 202);
  });
}

function view(one: Schedule) {
  const { taskName, lastTickAt, ...rest } = one;
  return { ...rest, task_name: taskName, last_tick_at: lastTickAt };
}
