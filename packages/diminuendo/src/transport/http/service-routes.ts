/** Owns health, readiness, metrics, and reads that go to Concord in the person's name (docs/wire.md §6). */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import { Health } from "../../observability/Health.ts";
import { Metrics } from "../../observability/Metrics.ts";
import { ConcordClient, type ConcordReads } from "../../upstream/ConcordClient.ts";
import { refusedByConcord, unavailable } from "./http-errors.ts";
import type { Asked, Route } from "./routes.ts";

const proxied = (
  path: string,
  summary: string,
  query: readonly string[],
  read: (concord: ConcordReads, asked: Asked) => Promise<unknown>,
): Route => ({
  method: "GET",
  path,
  summary,
  query,
  permission: "session:read",
  answer: Effect.fnUntraced(function* (actor: Actor, asked: Asked) {
    const concord = yield* ConcordClient;
    const body = yield* concord
      .read(actor, (reads) => read(reads, asked))
      .pipe(
        Effect.catchTag("Unreachable", ({ reason }) =>
          Effect.logWarning(`concord does not answer: ${reason}`).pipe(
            Effect.andThen(Effect.fail(unavailable)),
          ),
        ),
        Effect.catchTag("Refused", (refused) => Effect.fail(refusedByConcord(refused))),
      );
    return Response.json(body);
  }),
});

export const SERVICE_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/health",
    summary: "The process runs.",
    open: true,
    answer: () => Effect.succeed(Response.json({ ok: true, service: "diminuendo" })),
  },
  {
    method: "GET",
    path: "/ready",
    summary: "Turns can be run; if not, what is missing.",
    open: true,
    answer: Effect.fnUntraced(function* () {
      const { ready, missing } = yield* (yield* Health).readiness;
      const body = { ok: ready, service: "diminuendo", missing };
      return Response.json(body, { status: ready ? 200 : 503 });
    }),
  },
  {
    method: "GET",
    path: "/metrics",
    summary: "Prometheus text.",
    open: true,
    answer: Effect.fnUntraced(function* () {
      const headers = { "content-type": "text/plain; version=0.0.4" };
      return new Response(yield* (yield* Metrics).text, { headers });
    }),
  },
  {
    method: "GET",
    path: "/api/health",
    summary: "Dependencies with latency and breaker, and figures of this instance.",
    open: true,
    answer: Effect.fnUntraced(function* () {
      return Response.json(yield* (yield* Health).report);
    }),
  },
  proxied("/api/commands/{id}", "A command, from Concord.", [], (concord, { path }) =>
    concord.get(path["id"] ?? ""),
  ),
  proxied(
    "/api/commands/{id}/timeline",
    "What happened to a command, from Concord.",
    ["descendants"],
    (concord, { path, query }) =>
      concord.timeline(path["id"] ?? "", { descendants: query["descendants"] === "true" }),
  ),
  proxied(
    "/api/approvals",
    "Approvals, from Concord.",
    ["status", "command_id", "limit", "cursor"],
    (concord, { query }) => concord.approvals(query),
  ),
  proxied("/api/artifacts/{id}", "An artifact, from Concord.", [], (concord, { path }) =>
    concord.artifact(path["id"] ?? ""),
  ),
];
