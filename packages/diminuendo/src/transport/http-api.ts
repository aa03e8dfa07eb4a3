/**
 * Owns the path of one HTTP request beside `/ws`: origin, route, person, body, answer. Whatever goes wrong becomes an
 * error body with a trace id. Refuses to own: what the routes do (http/).
 */
import { ApiError, errorBody } from "@concert/service-kit/errors";
import { type Actor, bearer } from "@concert/service-kit/identity";
import { callerOf, type TraceContext } from "@concert/service-kit/trace";
import * as Cause from "effect/Cause";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import * as Result from "effect/Result";
import { AppConfig } from "../app-config.ts";
import { Authenticator } from "../auth/Authenticator.ts";
import { mayDo } from "../auth/permissions.ts";
import { AG_UI_ROUTES } from "../edges/ag-ui/ag-ui-routes.ts";
import { type TracedWork, traced } from "../observability/trace.ts";
import { FRAME_BYTES_MAX } from "../protocol/index.ts";
import { corsHeaders, originAllowed, SECURITY_HEADERS } from "../security/origins.ts";
import { RequestRates } from "../security/RequestRates.ts";
import { ANY_HOST } from "./any-host.ts";
import { AUTOMATION_ROUTES } from "./http/automation-routes.ts";
import { BILLING_ROUTES } from "./http/billing-routes.ts";
import { asApiError } from "./http/http-errors.ts";
import { openApi } from "./http/openapi.ts";
import { PEER_ROUTE } from "./http/peer-route.ts";
import { type Route, RouteTable, readBody } from "./http/routes.ts";
import { SERVICE_ROUTES } from "./http/service-routes.ts";
import { THREAD_ROUTES } from "./http/thread-routes.ts";

const OPENAPI: Route = {
  method: "GET",
  path: "/api/openapi.json",
  summary: "This document.",
  open: true,
  answer: () => Effect.succeed(Response.json(openApi(PUBLIC))),
};
const PUBLIC: readonly Route[] = [
  ...SERVICE_ROUTES,
  ...THREAD_ROUTES,
  ...BILLING_ROUTES,
  ...AG_UI_ROUTES,
  ...AUTOMATION_ROUTES,
  OPENAPI,
];
const ROUTES: RouteTable = new RouteTable([...PUBLIC, PEER_ROUTE]);

/** Answers one request; never fails. */
export const handleHttp = Effect.fnUntraced(function* (request: Request, address: string) {
  const rule = yield* AppConfig;
  const origin = request.headers.get("origin");
  const response =
    request.method === "OPTIONS"
      ? new Response(null, { status: 204 })
      : yield* traced(workOf(request), (trace) => guarded(request, address, trace));
  const extra = { ...SECURITY_HEADERS, ...corsHeaders(origin, rule) };
  for (const [name, value] of Object.entries(extra)) response.headers.set(name, value);
  return response;
});

const workOf = ({ method, url, headers }: Request): TracedWork => {
  const path = URL.parse(url, ANY_HOST)?.pathname ?? "";
  const route = ROUTES.find(method, path)?.route.path ?? "unknown";
  return {
    name: `${method} ${route}`,
    caller: callerOf(headers.get("traceparent")),
    attributes: { "http.request.method": method, "http.route": route },
  };
};

const guarded = (request: Request, address: string, trace: TraceContext) =>
  answer(request, address).pipe(
    Effect.catchCause((cause) =>
      Effect.gen(function* () {
        const error = asApiError(Cause.squash(cause));
        const { status, body } = errorBody(error, trace.traceId);
        if (status >= 500) yield* Effect.logWarning("request failed", cause);
        return Response.json(body, { status, headers: retryAfter(error) });
      }),
    ),
    Effect.tap((response) => Effect.sync(() => response.headers.set("x-trace-id", trace.traceId))),
    Effect.tap(({ status }) => Effect.annotateCurrentSpan("http.response.status_code", status)),
  );

const answer = Effect.fnUntraced(function* (request: Request, address: string) {
  const url = URL.parse(request.url, ANY_HOST);
  if (url === null) return yield* unreadableAddress;
  const found = ROUTES.find(request.method, url.pathname);
  if (found === undefined) return yield* notFound(request.method, url.pathname);
  const { route, path } = found;
  if (request.method !== "GET") yield* requireOwnOrigin(request);
  const query = Object.fromEntries(
    [...url.searchParams].filter(([name]) => route.query?.includes(name)),
  );
  if ("open" in route) return yield* route.answer({ request, path, query, body: undefined });
  const actor = yield* whoAsks(request, address);
  yield* requirePatience(actor);
  if (!mayDo(actor, route.permission)) {
    const message = `This needs the permission ${route.permission}.`;
    return yield* Effect.fail(new ApiError(403, "forbidden", message));
  }
  const body = route.body === undefined ? undefined : yield* bodyOf(request, route.body);
  return yield* route.answer(actor, { request, path, query, body });
});

/** Before anything is read or done in the person's name. */
const requirePatience = Effect.fnUntraced(function* (actor: Actor) {
  const waitMs = (yield* RequestRates).take(actor, yield* Clock.currentTimeMillis);
  if (waitMs === 0) return;
  const message = "You ask too often; wait as long as Retry-After says.";
  yield* Effect.fail(new ApiError(429, "RATE_LIMITED", message, { retry_after_ms: waitMs }));
});

/** A page of another site may not change anything in the name of who looks at it. */
const requireOwnOrigin = Effect.fnUntraced(function* (request: Request) {
  const rule = yield* AppConfig;
  if (originAllowed(request.headers.get("origin"), rule)) return;
  yield* Effect.fail(new ApiError(403, "forbidden", "This origin is not allowed here."));
});

const bodyOf = Effect.fnUntraced(function* (request: Request, shape: NonNullable<Route["body"]>) {
  // Browsers send this type across origins only after asking: no form of another site gets here.
  if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? "")) {
    return yield* Effect.fail(
      new ApiError(415, "unsupported_media_type", "Send the body as application/json."),
    );
  }
  const text = yield* Effect.tryPromise({
    try: () => request.text(),
    catch: () => new ApiError(400, "incomplete_request", "The body did not arrive whole."),
  });
  if (Buffer.byteLength(text) > FRAME_BYTES_MAX) {
    const message = `A body has at most ${FRAME_BYTES_MAX} bytes.`;
    return yield* Effect.fail(new ApiError(413, "request_too_large", message));
  }
  const json = yield* Effect.try({
    try: (): unknown => JSON.parse(text === "" ? "{}" : text),
    catch: () => new ApiError(400, "invalid_json", "The body is not valid JSON."),
  });
  const read = readBody(shape, json);
  if (Result.isSuccess(read)) return read.success;
  const reason = read.failure.message.replace(/\s+/g, " ").slice(0, 300);
  return yield* Effect.fail(new ApiError(400, "invalid_request", reason));
});

const whoAsks = Effect.fnUntraced(function* (request: Request, address: string) {
  const authenticator = yield* Authenticator;
  const token = bearer(request.headers.get("authorization"));
  const actor: Actor | null =
    token === undefined
      ? authenticator.devIdentity
      : yield* authenticator.authenticate(token, address).pipe(
          Effect.map(({ actor: signedIn }) => signedIn),
          Effect.catchTag("AuthFailed", () => Effect.succeed(null)),
          Effect.catchTag("AuthThrottled", ({ retryAfterMs }) =>
            Effect.fail(throttled(retryAfterMs)),
          ),
        );
  if (actor !== null) return actor;
  const message = "Send a valid token as Authorization: Bearer <token>.";
  return yield* Effect.fail(new ApiError(401, "unauthorized", message));
});

const throttled = (retryAfterMs: number) =>
  new ApiError(429, "auth_rate_limited", "Too many failed sign-ins from this address; wait.", {
    retry_after_ms: retryAfterMs,
  });

function retryAfter(error: unknown): Record<string, string> {
  if (!(error instanceof ApiError) || error.status !== 429) return {};
  const { retry_after_ms: ms = 1_000 } = (error.details ?? {}) as { retry_after_ms?: number };
  return { "retry-after": String(Math.ceil(ms / 1_000)) };
}

const unreadableAddress = Effect.fail(
  new ApiError(400, "invalid_request", "The path or the Host header is not one; mend the request."),
);

const notFound = (method: string, path: string) =>
  Effect.fail(
    new ApiError(404, "route_not_found", `There is no ${method} ${path.slice(0, 100)} here.`),
  );
