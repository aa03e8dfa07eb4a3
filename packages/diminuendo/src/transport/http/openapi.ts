/** Owns the OpenAPI document of the gateway's HTTP, made from its route table. Pure. */
import * as Schema from "effect/Schema";
import type { Route } from "./routes.ts";

type Json = Readonly<Record<string, unknown>>;

export function openApi(routes: readonly Route[]): Json {
  const paths = new Map<string, Record<string, Json>>();
  for (const route of routes) {
    const operations = paths.get(route.path) ?? {};
    paths.set(route.path, { ...operations, [route.method.toLowerCase()]: operationOf(route) });
  }
  return {
    openapi: "3.1.0",
    info: { title: "Diminuendo over HTTP", version: "1" },
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      responses: { error: { description: "Refused, with a code.", content: json(ERROR) } },
    },
    paths: Object.fromEntries(paths),
  };
}

function operationOf(route: Route): Json {
  const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const query = (route.query ?? []).map((name) => ({
    name,
    in: "query",
    schema: { type: "string" },
  }));
  const body =
    route.body === undefined
      ? {}
      : { requestBody: { content: json(Schema.toJsonSchemaDocument(route.body).schema) } };
  return {
    summary: route.summary,
    ...("open" in route ? {} : { security: [{ token: [] }], "x-permission": route.permission }),
    parameters: [...names, ...query],
    ...body,
    responses: {
      "2XX": { description: "Done." },
      default: { $ref: "#/components/responses/error" },
    },
  };
}

const json = (schema: unknown): Json => ({ "application/json": { schema } });

const ERROR: Json = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["code", "message", "trace_id"],
      properties: {
        code: { type: "string" },
        message: { type: "string" },
        trace_id: { type: "string" },
        details: {},
      },
    },
  },
};
