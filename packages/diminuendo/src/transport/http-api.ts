/**
 * Owns the gateway's HTTP beside `/ws` (docs/wire.md §6): health, metrics, and reads that go to Concord in the
 * person's name. Only the paths and query fields listed here pass through.
 */
import { ApiError, errorBody } from "@concert/service-kit/errors";
import { type Actor, bearer } from "@concert/service-kit/identity";
import { joinTrace, type TraceContext } from "@concert/service-kit/trace";
import * as Cause from "effect/Cause";
import * as Effect from "effect/Effect";
import { AppConfig } from "../app-config.ts";
import { Authenticator } from "../auth/Authenticator.ts";
import { mayDo } from "../auth/permissions.ts";
import { Health } from "../observability/Health.ts";
import { Metrics } from "../observability/Metrics.ts";
import { traced } from "../observability/trace.ts";
import { corsHeaders, SECURITY_HEADERS } from "../security/origins.ts";
import { ConcordClient, type ConcordReads } from "../upstream/ConcordClient.ts";
import type { Refused } from "../upstream/upstream-http.ts";
import { ANY_HOST } from "./any-host.ts";

type Query = Readonly<Record<string, string>>;
interface Proxied {
  /** Its one group, if any, is the id. */
  readonly path: RegExp;
  /** Query fields that are passed on. */
  readonly query: readonly string[];
  readonly read: (concord: ConcordReads, id: string, query: Query) => Promise<unknown>;
}
const ID = "([A-Za-z0-9_-]{1,128})";
const PROXIED: readonly Proxied[] = [
  {
    path: new RegExp(`^/api/commands/${ID}$`),
    query: [],
    read: (concord, id) => concord.get(id),
  },
  {
    path: new RegExp(`^/api/commands/${ID}/timeline$`),
    query: ["descendants"],
    read: (concord, id, query) =>
      concord.timeline(id, { descendants: query["descendants"] === "true" }),
  },
  {
    path: /^\/api\/approvals$/,
    query: ["status", "command_id", "limit", "cursor"],
    read: (concord, _, query) => concord.approvals(query),
  },
  {
    path: new RegExp(`^/api/artifacts/${ID}$`),
    query: [],
    read: (concord, id) => concord.artifact(id),
  },
];

/** Answers one request; never fails. */
export const handleHttp = Effect.fnUntraced(function* (request: Request, address: string) {
  const rule = yield* AppConfig;
  const trace = joinTrace(request.headers.get("traceparent"));
  const origin = request.headers.get("origin");
  const response =
    request.method === "OPTIONS"
      ? new Response(null, { status: 204 })
      : yield* traced(guarded(request, address, trace), trace);
  const extra = { ...SECURITY_HEADERS, ...corsHeaders(origin, rule), "x-trace-id": trace.traceId };
  for (const [name, value] of Object.entries(extra)) response.headers.set(name, value);
  return response;
});

const guarded = (request: Request, address: string, trace: TraceContext) =>
  answer(request, address).pipe(
    Effect.catchCause((cause) =>
      Effect.gen(function* () {
        const error = Cause.squash(cause);
        const { status, body } = errorBody(error, trace.traceId);
        if (status >= 500) yield* Effect.logWarning("request failed", cause);
        return Response.json(body, { status });
      }),
    ),
  );

const answer = Effect.fnUntraced(function* (request: Request, address: string) {
  const url = URL.parse(request.url, ANY_HOST);
  if (url === null) return yield* unreadableAddress;
  if (request.method !== "GET") return yield* notFound(request.method, url.pathname);
  switch (url.pathname) {
    case "/health":
      return Response.json({ ok: true, service: "diminuendo" });
    case "/ready": {
      const { ready, missing } = yield* (yield* Health).readiness;
      return Response.json(
        { ok: ready, service: "diminuendo", missing },
        { status: ready ? 200 : 503 },
      );
    }
    case "/metrics": {
      const headers = { "content-type": "text/plain; version=0.0.4" };
      return new Response(yield* (yield* Metrics).text, { headers });
    }
    case "/api/health":
      return Response.json(yield* (yield* Health).report);
    default:
      return yield* proxy(request, address, url);
  }
});

const proxy = Effect.fnUntraced(function* (
  request: Request,
  address: string,
  { pathname, searchParams }: URL,
) {
  const route = PROXIED.find(({ path }) => path.test(pathname));
  if (route === undefined) return yield* notFound(request.method, pathname);
  const actor = yield* whoAsks(request, address);
  const [, id = ""] = route.path.exec(pathname) ?? [];
  const passed = [...searchParams].filter(([name]) => route.query.includes(name));
  const concord = yield* ConcordClient;
  const body = yield* concord
    .read(actor, (reads) => route.read(reads, id, Object.fromEntries(passed)))
    .pipe(
      Effect.catchTag("Unreachable", ({ reason }) =>
        Effect.logWarning(`concord does not answer: ${reason}`).pipe(
          Effect.andThen(Effect.fail(unavailable)),
        ),
      ),
      Effect.catchTag("Refused", (refused) => Effect.fail(asApiError(refused))),
    );
  return Response.json(body);
});

/** Concord's refusal as it stands; that our own key or signature was refused, the client could not mend. */
const asApiError = ({ status, code, message, details }: Refused) =>
  status === 401 ? unavailable : new ApiError(status, code, message, details);

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
          Effect.catchTag("Unreachable", () => Effect.fail(noSignIn)),
        );
  if (actor === null) {
    const message = "Send a valid token as Authorization: Bearer <token>.";
    return yield* Effect.fail(new ApiError(401, "unauthorized", message));
  }
  if (mayDo(actor, "session:read")) return actor;
  const message = "This needs the permission session:read.";
  return yield* Effect.fail(new ApiError(403, "forbidden", message));
});

const unavailable = new ApiError(
  503,
  "upstream_unavailable",
  "Concord does not answer now; try again shortly.",
);

const throttled = (retryAfterMs: number) =>
  new ApiError(429, "auth_rate_limited", "Too many failed sign-ins from this address; wait.", {
    retry_after_ms: retryAfterMs,
  });

const noSignIn = new ApiError(
  503,
  "upstream_unavailable",
  "Sign-in is not possible just now; try again shortly.",
);

const unreadableAddress = Effect.fail(
  new ApiError(400, "invalid_request", "The path or the Host header is not one; mend the request."),
);

const notFound = (method: string, path: string) =>
  Effect.fail(
    new ApiError(404, "route_not_found", `There is no ${method} ${path.slice(0, 100)} here.`),
  );
