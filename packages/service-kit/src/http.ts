/**
 * Owns what every Hono service of ours does the same way: trace context, error bodies, health, readiness,
 * key check and actor. Services add their routes to the app that `createApp` returns.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { matchedRoutes } from "hono/route";
import { ApiError, errorBody } from "./errors.ts";
import { ACTOR_HEADER, type Actor, bearer, sameKey, verifyActor } from "./identity.ts";
import type { Logger } from "./log.ts";
import { NO_SPANS, type Spans } from "./spans.ts";
import { callerOf, joinTrace, type TraceContext } from "./trace.ts";

export interface ServiceEnv {
  Variables: { trace: TraceContext; actor: Actor };
}

/** What `/ready` answers: ready, or what is missing. */
export interface Readiness {
  readonly ready: boolean;
  readonly missing: readonly string[];
}

const BODY_BYTES_MAX = 1_048_576;
/** Asked every few seconds by machines: in traces they would hide everything else. */
const WATCHED: ReadonlySet<string> = new Set(["/health", "/ready", "/metrics"]);

/** An app with tracing, limits, error bodies, `GET /health` and `GET /ready`. Bodies over 1 MiB get 413. */
export function createApp(
  service: string,
  log: Logger,
  ready: () => Promise<Readiness>,
  spans: Spans = NO_SPANS,
) {
  const app = new OpenAPIHono<ServiceEnv>({
    defaultHook: (result) => {
      if (result.success) return;
      const issues = result.error.issues.map((issue) => ({
        path: issue.path.join("."),
        message: issue.message,
      }));
      throw new ApiError(
        400,
        "invalid_request",
        `The request does not match its schema: ${issues.map((issue) => `${issue.path || "(body)"}: ${issue.message}`).join("; ")}`,
        issues,
      );
    },
  });
  app.use(async (context, next) => {
    const caller = callerOf(context.req.header("traceparent"));
    const path = matchedRoutes(context).at(-1)?.path ?? "/*";
    const made = WATCHED.has(path) ? NO_SPANS : spans;
    const name = `${context.req.method} ${path === "/*" ? "(no route)" : path}`;
    await made.within({ name, caller, kind: "server" }, async (trace) => {
      context.set("trace", trace);
      context.header("x-trace-id", trace.traceId);
      await next();
    });
  });
  app.use(
    bodyLimit({
      maxSize: BODY_BYTES_MAX,
      onError: () => {
        throw new ApiError(
          413,
          "request_too_large",
          `The body is larger than ${BODY_BYTES_MAX} bytes.`,
        );
      },
    }),
  );
  app.onError((error, context) => failure(error, context, log));
  app.notFound((context) =>
    failure(
      new ApiError(
        404,
        "route_not_found",
        `There is no ${context.req.method} ${context.req.path} here; GET /openapi.json lists the routes.`,
      ),
      context,
      log,
    ),
  );
  app.get("/health", (context) => context.json({ ok: true, service }));
  app.get("/ready", async (context) => {
    const readiness = await ready();
    return context.json(
      { ok: readiness.ready, service, missing: readiness.missing },
      readiness.ready ? 200 : 503,
    );
  });
  return app;
}

/** Refuses requests without one of `keys` as bearer token (401 `unauthorized`). */
export function requireKey(keys: readonly string[]): MiddlewareHandler<ServiceEnv> {
  return async (context, next) => {
    const given = bearer(context.req.header("authorization"));
    if (given === undefined || !keys.some((key) => sameKey(given, key))) {
      throw new ApiError(401, "unauthorized", "Send a valid key as Authorization: Bearer <key>.");
    }
    await next();
  };
}

/** Reads the actor from the signed token into `context.get("actor")` (401 `invalid_actor`). */
export function requireActor(audience: string, secret: string): MiddlewareHandler<ServiceEnv> {
  return async (context, next) => {
    context.set("actor", await verifyActor(context.req.header(ACTOR_HEADER), audience, secret));
    await next();
  };
}

function failure(error: unknown, context: Context<ServiceEnv>, log: Logger): Response {
  const trace = context.get("trace") ?? joinTrace(undefined);
  const { status, body } = errorBody(asRefusal(error), trace.traceId);
  if (status >= 500) log.error({ err: error, trace_id: trace.traceId }, "request failed");
  return Response.json(body, { status, headers: { "x-trace-id": trace.traceId } });
}

/** Says in our own words what the framework found wrong with a request; anything else stays as it is. */
function asRefusal(error: unknown): unknown {
  if (isMalformedJson(error)) {
    return new ApiError(400, "invalid_json", "The body is not valid JSON.");
  }
  if (isGone(error)) {
    return new ApiError(400, "incomplete_request", "The connection closed before the body's end.");
  }
  if (!(error instanceof HTTPException) || error.status >= 500) return error;
  return error.status === 415
    ? new ApiError(415, "unsupported_media_type", "Send the body as application/json.")
    : new ApiError(error.status, "invalid_request", error.message);
}

/** The caller hung up in the middle of its body: nobody is left to answer, and nothing of ours has failed. */
function isGone(error: unknown): boolean {
  return (
    error instanceof DOMException &&
    error.name === "AbortError" &&
    error.message === "The connection was closed."
  );
}

function isMalformedJson(error: unknown): boolean {
  return (
    error instanceof SyntaxError ||
    (error instanceof Error && error.message.startsWith("Malformed JSON"))
  );
}
