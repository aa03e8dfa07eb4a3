/** Owns the route that tells what a command and those below it cost (OPS-6). */
import { createRoute, z } from "@hono/zod-openapi";
import { encodeId } from "../core/ids.ts";
import type { CostFigures } from "../domain/costs.ts";
import type { Concord } from "../domain/face.ts";
import type { ConcordApp } from "./app.ts";
import { person } from "./auth.ts";
import { answering } from "./errors.ts";
import { refusals } from "./refusals.ts";

const Figures = {
  calls: z.int(),
  call_units: z.number().openapi({ description: "As charged when the calls were made." }),
  thoughts: z.int(),
  input_tokens: z.int(),
  output_tokens: z.int(),
};
const CostsView = z
  .object({
    command_id: z.string(),
    total: z.object({ ...Figures, token_units: z.number(), units: z.number() }),
    token_costs: z
      .object({ input: z.number(), output: z.number() })
      .openapi({ description: "Units for a thousand tokens, as they are now." }),
    commands: z.array(z.object({ command_id: z.string(), task_name: z.string(), ...Figures })),
  })
  .openapi("Costs");

const route = createRoute({
  method: "get",
  path: "/commands/{id}/costs",
  operationId: "commandCosts",
  summary: "What a command and those below it cost: calls and tokens.",
  security: [{ operatorKey: [] }, { serviceKey: [], actor: [] }],
  request: { params: z.object({ id: z.string().max(64) }) },
  responses: {
    200: { description: "The costs", content: { "application/json": { schema: CostsView } } },
    ...refusals("invalid_request", "not_found"),
  },
});

export function addCosts(app: ConcordApp, concord: Concord): void {
  app.openapi(route, async (context) => {
    const { id } = context.req.valid("param");
    const principal = person(context.get("principal"));
    const { total, tokenCosts, lines } = await answering(concord, () =>
      concord.costs(principal, id),
    );
    const commands = lines.map((line) => ({
      command_id: encodeId("command", line.commandId),
      task_name: line.taskName,
      ...figures(line),
    }));
    const { tokenUnits: token_units, units } = total;
    return context.json(
      {
        command_id: id,
        total: { ...figures(total), token_units, units },
        token_costs: { ...tokenCosts },
        commands,
      },
      200,
    );
  });
}

function figures(one: CostFigures) {
  return {
    calls: one.calls,
    call_units: one.callUnits,
    thoughts: one.thoughts,
    input_tokens: one.inputTokens,
    output_tokens: one.outputTokens,
  };
}
