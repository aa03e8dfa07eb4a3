/**
 * Owns calling a JSON API over HTTP for a connector: base URL, bearer secret, idempotency key, trace, and the
 * class of every failure (ERR-3). Refuses to own: retries, which the runtime does by class.
 */
import { classifyHttpStatus } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { CallContext, ConnectorResult } from "../../domain/connectors.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path below the base URL; encode what you put into it. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: JsonObject;
}

export type HttpJson = (request: HttpRequest, context: CallContext) => Promise<ConnectorResult>;

const MESSAGE_CHARACTERS_MAX = 300;
const ANSWER_CHARACTERS_MAX = 1_048_576;

/** A caller for the API at `baseUrl()`, asked for at each call so that it may come from the environment. */
export function httpJson(baseUrl: () => string): HttpJson {
  return async (request, context) => {
    try {
      const response = await fetch(urlOf(baseUrl(), request), {
        method: request.method,
        headers: headersOf(request, context),
        signal: context.signal,
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      });
      return await resultOf(response);
    } catch (error) {
      // The connection failed or broke; whether the vendor acted is not known.
      const why = error instanceof Error ? (error.cause ?? error) : error;
      const message = `the vendor could not be reached: ${String(why).slice(0, MESSAGE_CHARACTERS_MAX)}`;
      return { ok: false, errorClass: "transient_connector_error", message };
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
  };
}

async function resultOf(response: Response): Promise<ConnectorResult> {
  const text = await response.text();
  if (!response.ok) {
    const errorClass = classifyHttpStatus(response.status);
    return { ok: false, errorClass, message: `${response.status}: ${reasonIn(text)}` };
  }
  if (text.length > ANSWER_CHARACTERS_MAX) {
    const message = `the vendor's answer is larger than ${ANSWER_CHARACTERS_MAX} characters`;
    return { ok: false, errorClass: "malformed_payload", message };
  }
  const output = parse(text);
  if (isJsonObject(output)) return { ok: true, output };
  const message = "the vendor's answer is not a JSON object";
  return { ok: false, errorClass: "malformed_payload", message };
}

function reasonIn(text: string): string {
  const body = parse(text);
  const error = isJsonObject(body) ? body["error"] : undefined;
  const message = isJsonObject(error) ? error["message"] : error;
  return (typeof message === "string" ? message : text).slice(0, MESSAGE_CHARACTERS_MAX);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
