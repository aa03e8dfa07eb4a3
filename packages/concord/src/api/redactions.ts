/** Owns taking something out of the record over HTTP. */
import { createRoute, z } from "@hono/zod-openapi";
import { encodeId } from "../core/ids.ts";
import type { Concord } from "../domain/face.ts";
import type { ConcordApp } from "./app.ts";
import { type AuthOptions, identify, person } from "./auth.ts";
import { answering } from "./errors.ts";
import { refusals } from "./refusals.ts";
import { body, json, PERSON } from "./routes.ts";

const RedactionBody = z
  .strictObject({
    target: z.string().max(64).openapi({
      description: "The id of a command, an approval, an artifact or an event.",
    }),
    places: z.array(z.string().max(1_024)).min(1).max(50).openapi({
      description: "JSON Pointers from the record's fields, e.g. /payload/guest/email.",
    }),
    reason: z.string().min(1).max(2_000),
    everywhere: z.boolean().optional().openapi({
      description:
        "Default true: also wherever else it stands on record about the command and those below it.",
    }),
  })
  .openapi("RedactionRequest", {
    example: {
      target: "cmd_01a1fe13c73673aa995d0ae5dc85c378",
      places: ["/payload/guest/email"],
      reason: "asked for by the guest, ticket 4711",
    },
  });
const RedactionView = z
  .object({
    command_id: z.string().openapi({ description: "The act, as it is on record." }),
    target: z.string(),
    changed: z.record(z.string(), z.number()).openapi({ description: "Rows, by their table." }),
    not_followed: z.number().openapi({
      description: "Values too short to be looked for elsewhere.",
    }),
  })
  .openapi("Redaction");

const route = createRoute({
  method: "post",
  path: "/redactions",
  operationId: "redactRecord",
  summary: "Take something out of the record for good; for owners and privacy officers.",
  security: PERSON,
  request: body(RedactionBody),
  responses: {
    200: json("What was changed; nothing when it was done before", RedactionView),
    ...refusals(
      "invalid_json",
      "invalid_request",
      "validation_error",
      "forbidden",
      "not_found",
      "illegal_transition",
      "request_too_large",
    ),
  },
});

export function addRedactions(app: ConcordApp, concord: Concord, auth: AuthOptions): void {
  app.use("/redactions", identify(auth));
  app.openapi(route, async (context) => {
    const { everywhere, ...rest } = context.req.valid("json");
    const request = everywhere === undefined ? rest : { ...rest, everywhere };
    const principal = person(context.get("principal"));
    const { traceId } = context.get("trace");
    const done = await answering(concord, () =>
      concord.redactions.redact({ principal, traceId }, request),
    );
    const { commandId, target, changed, notFollowed } = done;
    return context.json(
      { command_id: encodeId("command", commandId), target, changed, not_followed: notFollowed },
      200,
    );
  });
}
