/** Owns how the API document tells of the workspace routes, whose paths are longer than the framework's patterns. */
import { z } from "@hono/zod-openapi";
import type { PodiumApp } from "./app.ts";

const entry = z.object({
  path: z.string(),
  kind: z.enum(["file", "directory"]),
  size: z.int().optional(),
});
const file = z.object({
  path: z.string(),
  content: z.string(),
  encoding: z.enum(["utf8", "base64"]),
  iteration: z.int(),
});
const iteration = z.object({
  iteration: z.int(),
  timestamp: z.number(),
  size: z.int(),
  hash: z.string(),
  deleted: z.boolean().optional(),
});

const id = { id: z.string() };
const path = { ...id, path: z.string().openapi({ description: "One percent-encoded segment." }) };

const ROUTES = [
  {
    rest: "",
    summary: "What is in the workspace",
    params: id,
    query: z.object({ path: z.string().optional(), depth: z.int().optional() }),
    answer: z.object({ items: z.array(entry) }),
  },
  { rest: "/{path}", summary: "A file", params: path, answer: file },
  {
    rest: "/{path}/history",
    summary: "The iterations that changed a file, oldest first",
    params: path,
    answer: z.object({ items: z.array(iteration) }),
  },
  {
    rest: "/{path}/at/{n}",
    summary: "A file as it was after iteration n of the workspace",
    params: { ...path, n: z.int() },
    answer: file,
  },
] as const;

export function describeFileRoutes(app: PodiumApp): void {
  for (const { rest, summary, params, answer, ...more } of ROUTES) {
    app.openAPIRegistry.registerPath({
      method: "get",
      path: `/api/v1/instances/{id}/files${rest}`,
      summary,
      request: { params: z.object(params), ...more },
      responses: {
        200: { description: "As it is kept", content: { "application/json": { schema: answer } } },
      },
    });
  }
}
