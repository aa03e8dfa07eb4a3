/**
 * Owns the generic HTTP connector: reading and writing at addresses that a payload names, behind the guard. A secret
 * is sent to named hosts only.
 */
import type { JsonObject } from "../../../core/json.ts";
import type { RetryDeclaration } from "../../../core/retry.ts";
import type { RiskLevel } from "../../../core/vocabulary.ts";
import {
  assertIssued,
  type CallContext,
  type ConnectorDefinition,
  type ConnectorResult,
  type OperationDefinition,
  type RequestLimit,
  type SecretRef,
} from "../../../domain/connectors.ts";
import { parseRanges } from "./addresses.ts";
import { failureOf, parsed } from "./answers.ts";
import { type Guard, guardedRequest } from "./guarded-request.ts";

export interface HttpConnectorOptions {
  readonly name: string;
  /** `api.example.com` or `*.example.com`. Absent: any public host; then there may be no secret. */
  readonly hosts?: readonly string[];
  /** Private ranges that are meant to be reached, e.g. `10.1.0.0/16`. Default: none. */
  readonly privateRanges?: readonly string[];
  /** Default false: TLS only. */
  readonly plainHttp?: boolean;
  readonly secretRef?: SecretRef;
  /** Default `medium`. */
  readonly riskLevel?: RiskLevel;
  readonly rateLimit?: RequestLimit;
  /** Default 10 s. */
  readonly timeoutMs?: number;
  /** Default 1 MiB. */
  readonly bytesMax?: number;
  readonly retry?: RetryDeclaration;
  /** Absent: the connector only reads. */
  readonly writing?: Pick<OperationDefinition, "keyTemplate" | "compensation">;
}

const TIMEOUT_MS = 10_000;
const BYTES_MAX = 1_048_576;
const REDIRECTS_MAX = 3;
const BODY_CHARACTERS_MAX = 262_144;
const RETRY: RetryDeclaration = { attemptsMax: 3, waitsSeconds: [1, 5] };
const url = { type: "string", minLength: 1, maxLength: 2_048 };

/** Operations `read` and, when `writing` is given, `write`. Throws on options that cannot be safe. */
export function httpConnector(options: HttpConnectorOptions): ConnectorDefinition {
  const { name, hosts, secretRef, riskLevel = "medium", rateLimit, writing } = options;
  if (secretRef !== undefined && (hosts ?? []).length === 0) {
    throw new Error(`connector "${name}": name the hosts that may be told the secret`);
  }
  const guard: Guard = {
    hosts,
    ranges: parseRanges(options.privateRanges ?? []),
    plainHttp: options.plainHttp ?? false,
    bytesMax: options.bytesMax ?? BYTES_MAX,
    redirectsMax: REDIRECTS_MAX,
  };
  const common = { timeoutMs: options.timeoutMs ?? TIMEOUT_MS, retry: options.retry ?? RETRY };
  return {
    name,
    connectorType: "http",
    riskLevel,
    auth: secretRef === undefined ? { mode: "none" } : { mode: "bearer", secretRef },
    ...(rateLimit === undefined ? {} : { rateLimit }),
    operations: {
      read: { ...common, ...READ, call: (input, context) => call(guard, "GET", input, context) },
      ...(writing === undefined
        ? {}
        : { write: { ...common, ...WRITE, ...writing, call: write(guard) } }),
    },
  };
}

const READ = {
  description: "Read what a URL answers.",
  sideEffect: false,
  inputSchema: {
    type: "object",
    required: ["url"],
    additionalProperties: false,
    properties: { url },
  },
} as const;

const WRITE = {
  description: "Send a JSON body to a URL.",
  sideEffect: true,
  inputSchema: {
    type: "object",
    required: ["url", "method", "body"],
    additionalProperties: false,
    properties: {
      url,
      method: { enum: ["POST", "PUT", "PATCH", "DELETE"] },
      body: { type: "object" },
    },
  },
} as const;

function write(guard: Guard): OperationDefinition["call"] {
  return (input, context) => call(guard, String(input["method"]), input, context);
}

async function call(
  guard: Guard,
  method: string,
  input: JsonObject,
  context: CallContext,
): Promise<ConnectorResult> {
  assertIssued(context);
  const body = input["body"] === undefined ? undefined : JSON.stringify(input["body"]);
  if ((body?.length ?? 0) > BODY_CHARACTERS_MAX) {
    const message = `the body is larger than ${BODY_CHARACTERS_MAX} characters`;
    return { ok: false, errorClass: "validation_error", message };
  }
  const headers = {
    accept: "application/json, text/*;q=0.9, */*;q=0.1",
    traceparent: context.traceparent,
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...(context.secret === undefined ? {} : { authorization: `Bearer ${context.secret}` }),
    ...(context.idempotencyKey === null ? {} : { "idempotency-key": context.idempotencyKey }),
  };
  const request = { method, url: String(input["url"]), headers, signal: context.signal };
  const answer = await guardedRequest(body === undefined ? request : { ...request, body }, guard);
  if ("failure" in answer) return answer.failure;
  if (answer.status < 200 || answer.status > 299) return failureOf(answer);
  const type = answer.headers["content-type"] ?? "";
  const json = /\bjson\b/i.test(type) ? parsed(answer.text) : undefined;
  return {
    ok: true,
    output: {
      status: answer.status,
      url: answer.url,
      content_type: type,
      ...(json === undefined ? { text: storable(answer.text) } : { json: json as JsonObject }),
    },
  };
}

/** A page may be in any bytes; what no column can hold is shown as what it is, unreadable. */
function storable(text: string): string {
  return text.replaceAll("\u0000", "\ufffd");
}
