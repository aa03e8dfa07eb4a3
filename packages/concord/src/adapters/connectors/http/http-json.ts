/**
 * Owns calling a JSON API that the contract's author named: base URL, bearer secret, idempotency key, trace, and the
 * class of every failure. The address is trusted, what it answers is not: bodies are bounded and a redirect, which
 * would carry the secret elsewhere, is a failure. Refuses to own: retries, which the runtime does by class, and
 * addresses that come from outside (connector.ts).
 */
import type { JsonObject } from "../../../core/json.ts";
import {
  assertIssued,
  type CallContext,
  type ConnectorResult,
} from "../../../domain/connectors.ts";
import { boundedText, type HttpAnswer, jsonResult, malformed, unreachable } from "./answers.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path below the base URL; encode what you put into it. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: JsonObject;
  /** Beside those that every request has. */
  readonly headers?: Readonly<Record<string, string>>;
}

export type HttpJson = (request: HttpRequest, context: CallContext) => Promise<ConnectorResult>;
export type HttpText = (
  request: HttpRequest,
  context: CallContext,
) => Promise<HttpAnswer | { readonly failure: ConnectorResult }>;

const ANSWER_BYTES_MAX = 4_194_304;

/** A caller for the API at `baseUrl()`, asked for at each call so that it may come from the environment. */
export function httpJson(baseUrl: () => string): HttpJson {
  const ask = httpText(baseUrl);
  return async (request, context) => {
    const answer = await ask(request, context);
    return "failure" in answer ? answer.failure : jsonResult(answer);
  };
}

/** As `httpJson`, for adapters that read status, headers or a body of another kind themselves. */
export function httpText(baseUrl: () => string): HttpText {
  return async (request, context) => {
    assertIssued(context);
    try {
      const response = await fetch(urlOf(baseUrl(), request), {
        method: request.method,
        headers: headersOf(request, context),
        signal: context.signal,
        redirect: "manual",
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      });
      const text = response.body === null ? "" : await boundedText(response.body, ANSWER_BYTES_MAX);
      if (text === undefined) {
        return {
          failure: malformed(`the vendor's answer is larger than ${ANSWER_BYTES_MAX} bytes`),
        };
      }
      const headers = Object.fromEntries(response.headers);
      return { status: response.status, headers, text };
    } catch (error) {
      return { failure: unreachable(error) };
    }
  };
}

function urlOf(base: string, request: HttpRequest): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) query.set(name, String(value));
  }
  const search = query.size === 0 ? "" : `?${query}`;
  return `${base.replace(/\/+$/, "")}${request.path}${search}`;
}

function headersOf(request: HttpRequest, context: CallContext): Record<string, string> {
  return {
    accept: "application/json",
    traceparent: context.traceparent,
    ...(request.body === undefined ? {} : { "content-type": "application/json" }),
    ...(context.secret === undefined ? {} : { authorization: `Bearer ${context.secret}` }),
    ...(context.idempotencyKey === null ? {} : { "idempotency-key": context.idempotencyKey }),
    ...request.headers,
  };
}
