/**
 * Owns what can go wrong between the gateway and another of our processes, as two kinds of failure, and the one
 * request that no shared client makes for us. Refuses to own what a refusal means: each client's business.
 */
import { ACTOR_HEADER } from "@concert/service-kit/identity";
import { traceparent } from "@concert/service-kit/trace";
import * as Effect from "effect/Effect";
import * as Schema from "effect/Schema";
import { CurrentTrace } from "../observability/trace.ts";

export const TIMEOUT_MS = 10_000;

/** The service could not be asked, or was asked and failed: asking again may help. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {
  service: Schema.String,
  reason: Schema.String,
}) {}
/** The service understood and said no: asking again will not help. `code` is the service's own. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  service: Schema.String,
  status: Schema.Int,
  code: Schema.String,
  message: Schema.String,
  details: Schema.optionalKey(Schema.Unknown),
}) {}
export type UpstreamError = Unreachable | Refused;

export interface Get {
  readonly service: string;
  readonly url: string;
  readonly key: string;
  /** A signed actor token: whom the request is for. */
  readonly actorToken: string;
}
export interface Post extends Get {
  readonly body: unknown;
}

/** Status and JSON of a 2xx answer. Below 500 but 429 anything else is `Refused`; the rest, and silence for 10 s, `Unreachable`. */
export const post = (request: Post) =>
  ask(request, { method: "POST", body: JSON.stringify(request.body) });

/** The JSON of a 2xx answer; failures as of `post`. */
export const getJson = (request: Get) => Effect.map(ask(request, {}), ({ body }) => body);

const ask = Effect.fn("upstream.ask")(function* (request: Get, init: RequestInit) {
  const { service } = request;
  const trace = yield* CurrentTrace;
  const headers = headersOf(request, trace === null ? undefined : traceparent(trace));
  const { status, body } = yield* Effect.tryPromise({
    try: (signal) =>
      send(request.url, {
        ...init,
        headers,
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      }),
    catch: (error) => new Unreachable({ service, reason: String(error) }),
  });
  if (status >= 500 || status === 429) {
    return yield* new Unreachable({ service, reason: `status ${status}` });
  }
  if (status >= 200 && status < 300) return { status, body };
  return yield* new Refused({ service, status, ...refusalOf(body, status) });
});

async function send(
  url: string,
  init: RequestInit,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(url, { ...init, redirect: "manual" });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

function headersOf({ key, actorToken }: Get, trace: string | undefined): Record<string, string> {
  return {
    authorization: `Bearer ${key}`,
    "content-type": "application/json",
    [ACTOR_HEADER]: actorToken,
    ...(trace === undefined ? {} : { traceparent: trace }),
  };
}

const ErrorBody = Schema.Struct({
  error: Schema.Struct({ code: Schema.String, message: Schema.String }),
});
const isErrorBody = Schema.is(ErrorBody);

function refusalOf(body: unknown, status: number): { code: string; message: string } {
  if (isErrorBody(body)) return { code: body.error.code, message: body.error.message };
  return { code: `http_${status}`, message: `answered with status ${status}` };
}
