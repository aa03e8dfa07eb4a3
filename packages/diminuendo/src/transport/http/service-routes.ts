/** Owns health, readiness, metrics, and what goes to Concord in the person's name (docs/wire.md §6). */
import * as Effect from "effect/Effect";
import * as Schema from "effect/Schema";
import { Health } from "../../observability/Health.ts";
import { Metrics } from "../../observability/Metrics.ts";
import { CarriedObject, Id } from "../../protocol/index.ts";
import {
  type ConcordActs,
  ConcordClient,
  type ConcordReads,
} from "../../upstream/ConcordClient.ts";
import type { UpstreamError } from "../../upstream/upstream-http.ts";
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
  answer: (actor, asked) =>
    answered(
      Effect.flatMap(ConcordClient, (concord) =>
        concord.read(actor, (reads) => read(reads, asked)),
      ),
    ),
});

/** What a person does in Concord, which decides whether they may. */
const done = <A>(
  path: string,
  summary: string,
  shape: Schema.Decoder<A>,
  work: (concord: ConcordActs, asked: Asked, body: A) => Promise<unknown>,
): Route => ({
  method: "POST",
  path,
  summary,
  body: shape,
  permission: "session:write",
  answer: (actor, asked) =>
    answered(
      Effect.flatMap(ConcordClient, (concord) =>
        concord.act(actor, (acts) => work(acts, asked, asked.body as A)),
      ),
    ),
});

/** Concord's answer, or its refusal, as it stands. */
const answered = <R>(asking: Effect.Effect<unknown, UpstreamError, R>) =>
  asking.pipe(
    Effect.map((body) => Response.json(body)),
    Effect.catchTag("Unreachable", ({ reason }) =>
      Effect.logWarning(`concord does not answer: ${reason}`).pipe(
        Effect.andThen(Effect.fail(unavailable)),
      ),
    ),
    Effect.catchTag("Refused", (refused) => Effect.fail(refusedByConcord(refused))),
  );

const GivenInput = Schema.Struct({
  inputRequestId: Id,
  /** What fits the question's `answer_schema`; absent with `dismissed`. */
  input: Schema.optionalKey(CarriedObject),
  /** No answer: the command is cancelled. */
  dismissed: Schema.optionalKey(Schema.Literal(true)),
});
const Settlement = Schema.Struct({
  action: Schema.Literals(["retry", "skip", "resolve"]),
  note: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(2_000))),
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
  proxied(
    "/api/inputs",
    "What people are asked, from Concord.",
    ["status", "command_id", "limit", "cursor"],
    (concord, { query }) => concord.inputs(query),
  ),
  done(
    "/api/commands/{id}/input",
    "Answers what a command asks a person.",
    GivenInput,
    (concord, { path }, { inputRequestId, input = {}, dismissed = false }) =>
      dismissed
        ? concord.dismissInput(path["id"] ?? "", inputRequestId)
        : concord.provideInput(path["id"] ?? "", input, inputRequestId),
  ),
  proxied(
    "/api/incidents",
    "What waits for a person after something went wrong, from Concord.",
    ["status", "kind", "command_id", "limit", "cursor"],
    (concord, { query }) => concord.incidents(query),
  ),
  done(
    "/api/incidents/{id}/settle",
    "Tries again, leaves it standing, or says that it is settled.",
    Settlement,
    (concord, { path }, { action, note }) => concord.settleIncident(path["id"] ?? "", action, note),
  ),
  proxied("/api/artifacts/{id}", "An artifact, from Concord.", [], (concord, { path }) =>
    concord.artifact(path["id"] ?? ""),
  ),
];
