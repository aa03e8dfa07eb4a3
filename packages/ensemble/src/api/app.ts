/**
 * Owns Ensemble's routes (wire §5): models, generate, stream, metrics, the API document. Refuses to own: what a
 * generation is (`inference/`), who runs it (`providers/`).
 */
import { randomUUID } from "node:crypto";
import { createApp, errorBody, type Logger, requireKey, type Spans } from "@concert/service-kit";
import { createRoute } from "@hono/zod-openapi";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import type { Engine, Running } from "../inference/engine.ts";
import { asApiError, retryAfterOf } from "../inference/errors.ts";
import type { Metrics } from "../inference/metrics.ts";
import {
  errorAnswer,
  inferenceRequest,
  inferenceResponse,
  modelList,
  requestHeaders,
} from "./schemas.ts";

export interface AppParts {
  readonly engine: Engine;
  readonly metrics: Metrics;
  readonly apiKeys: readonly string[];
  readonly defaultModel: string;
  readonly log: Logger;
  readonly spans?: Spans;
}

/** Ensemble as a fetch handler. Everything under `/api` needs one of the keys. */
export function createEnsemble(parts: AppParts) {
  const { engine, metrics, apiKeys, defaultModel, log, spans } = parts;
  const app = createApp("ensemble", log, async () => ({ ready: true, missing: [] }), spans);
  app.use("/api/*", requireKey(apiKeys));
  app.use("/api/*", async (context, next) => {
    await next();
    const seconds = retryAfterOf(context.error);
    if (seconds !== undefined) context.res.headers.set("retry-after", String(seconds));
  });

  app.openapi(modelsRoute, (context) => {
    const items = engine.models.map(({ id, provider, title, capabilities }) => ({
      id,
      provider,
      title,
      capabilities,
    }));
    return context.json({ items }, 200);
  });
  app.openapi(generateRoute, async (context) => {
    const id =
      context.req.valid("header")["x-request-id"] ?? `inf_${randomUUID().replaceAll("-", "")}`;
    context.header("x-request-id", id);
    const body = context.req.valid("json");
    const ids = { id, traceId: context.get("trace").traceId };
    const running = engine.start({ ...body, model: body.model ?? defaultModel }, ids);
    return context.json(await answered(running.response), 200);
  });
  app.openapi(streamRoute, async (context) => {
    const id =
      context.req.valid("header")["x-request-id"] ?? `inf_${randomUUID().replaceAll("-", "")}`;
    context.header("x-request-id", id);
    const body = context.req.valid("json");
    const { traceId } = context.get("trace");
    const running = engine.start({ ...body, model: body.model ?? defaultModel }, { id, traceId });
    await answered(running.firstSign());
    return streamSSE(context, (sse) => send(sse, running, traceId));
  });

  app.get("/metrics", (context) => {
    context.header("content-type", "text/plain; version=0.0.4");
    return context.body(metrics.text(engine.inFlight));
  });
  app.openAPIRegistry.registerComponent("securitySchemes", "key", {
    type: "http",
    scheme: "bearer",
  });
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: { title: "Ensemble", version: "1", description: "Inference gateway of Concert." },
  });
  return app;
}

/** Sends the pieces as they come, then `done` or `error`. A client that left is noticed and no longer written to. */
async function send(sse: SSEStreamingApi, running: Running, traceId: string): Promise<void> {
  try {
    for await (const block of running.read()) {
      if (sse.aborted) return;
      await sse.writeSSE({ event: "block", data: JSON.stringify(block) });
    }
    await sse.writeSSE({ event: "done", data: JSON.stringify(await running.response) });
  } catch (error) {
    const { body } = errorBody(asApiError(error), traceId);
    await sse.writeSSE({ event: "error", data: JSON.stringify(body) });
  }
}

async function answered<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw asApiError(error);
  }
}

const json = <S>(schema: S, description: string) => ({
  description,
  content: { "application/json": { schema } },
});

const refusals = {
  400: json(errorAnswer, "`invalid_request`, `invalid_json`"),
  401: json(errorAnswer, "`unauthorized`"),
  404: json(errorAnswer, "`unknown_model`"),
  413: json(errorAnswer, "`request_too_large`"),
  429: json(errorAnswer, "`rate_limited`; Retry-After says when, if known"),
  502: json(errorAnswer, "`provider_failed`"),
};

const security = [{ key: [] }];
const inferenceInput = {
  headers: requestHeaders,
  body: { required: true, content: { "application/json": { schema: inferenceRequest } } },
};

const modelsRoute = createRoute({
  method: "get",
  path: "/api/v1/models",
  summary: "Lists the models.",
  security,
  responses: { 200: json(modelList, "The models."), 401: refusals[401] },
});

const generateRoute = createRoute({
  method: "post",
  path: "/api/v1/generate",
  summary: "Generates and answers at the end.",
  security,
  request: inferenceInput,
  responses: { 200: json(inferenceResponse, "The whole answer."), ...refusals },
});

const streamRoute = createRoute({
  method: "post",
  path: "/api/v1/stream",
  summary: "Generates and streams the blocks as server-sent events: block…, then done or error.",
  security,
  request: inferenceInput,
  responses: {
    200: {
      description: "Events `block` (Block), `done` (InferenceResponse), `error` (Error).",
      content: { "text/event-stream": { schema: inferenceResponse } },
    },
    ...refusals,
  },
});
