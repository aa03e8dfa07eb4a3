/** Owns `POST /internal/v1/agent-steps`: Concord asks for an agent's next move (docs/wire.md §3). */
import { createRoute } from "@hono/zod-openapi";
import type { Thinker } from "../engine/thinker.ts";
import { stepAnswerSchema, stepRequestSchema } from "../runs/agent-step.ts";
import type { PodiumApp } from "./app.ts";

const agentStepRoute = createRoute({
  method: "post",
  path: "/internal/v1/agent-steps",
  summary: "Think one move; a recorded move is answered at once",
  request: {
    body: { required: true, content: { "application/json": { schema: stepRequestSchema } } },
  },
  responses: {
    200: {
      description: "The move",
      content: { "application/json": { schema: stepAnswerSchema } },
    },
  },
});

export function addAgentStepRoute(app: PodiumApp, thinker: Thinker): void {
  app.openapi(agentStepRoute, async (context) =>
    context.json(await thinker.step(context.req.valid("json")), 200),
  );
}
