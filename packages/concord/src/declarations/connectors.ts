/**
 * Owns connectors declared in YAML (CON-16): an HTTP API whose operations are spelled out (`rest`), or one that Concord
 * brings, with the operations that are named. What is missing or unknown becomes a problem of the catalog.
 */
import { type HttpJson, httpJson } from "../adapters/connectors/http/http-json.ts";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { valueAt } from "../core/policy/pointers.ts";
import { type RetryMetadata, retryOf } from "../core/retry.ts";
import type { RiskLevel } from "../core/vocabulary.ts";
import type {
  CallContext,
  ConnectorAuth,
  ConnectorDefinition,
  ConnectorResult,
  OperationDefinition,
  SecretRef,
} from "../domain/connectors.ts";
import { fillObject, fillText, placeholdersIn } from "./placeholders.ts";
import { authProblems, limitOf, type Maker, SHIPPED } from "./shipped.ts";

interface RestOperation {
  readonly name: string;
  readonly description?: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly body?: JsonObject;
  readonly side_effect?: boolean;
  readonly idempotency_key?: string;
  readonly input_schema?: JsonObject;
  readonly output_schema?: JsonObject;
  readonly scope?: string;
  readonly timeout_seconds?: number;
  readonly retry?: Omit<RetryMetadata, "operation"> & {
    readonly backoff_seconds?: readonly number[];
  };
  readonly cost_units?: number;
  readonly compensation?: "required" | { readonly not_needed: string };
  readonly lookup?: {
    readonly path: string;
    readonly query?: Readonly<Record<string, string | number>>;
    readonly found?: string;
  };
}

export interface ConnectorDeclaration {
  readonly name: string;
  readonly type: string;
  readonly risk_level?: RiskLevel;
  readonly base_url?: string;
  readonly repositories?: readonly string[];
  /** E-mail: the sender, and the domains that may be written to. */
  readonly from?: string;
  readonly domains?: readonly string[];
  /** E-mail and Slack: names one message; default one for each command. */
  readonly idempotency_key?: string;
  /** Databricks. */
  readonly jobs?: readonly number[];
  readonly warehouse_id?: string;
  readonly rows_max?: number;
  /** For servers of one's own: without TLS, and in which private networks. */
  readonly plain?: boolean;
  readonly private_ranges?: readonly string[];
  readonly capabilities: readonly (string | RestOperation)[];
  readonly auth?: {
    readonly mode: "none" | "bearer" | "secret" | "oauth";
    readonly secret_ref?: string;
    readonly scopes?: readonly string[];
  };
  readonly rate_limits?: { readonly requests_per_minute: number };
}

export interface Declared<T> {
  readonly definition?: T;
  readonly problems: readonly string[];
}

const TIMEOUT_SECONDS = 10;
export function connectorOf(declared: ConnectorDeclaration): Declared<ConnectorDefinition> {
  const make = TYPES[declared.type];
  if (make === undefined) {
    const known = Object.keys(TYPES).join(", ");
    return { problems: [`its type "${declared.type}" is not one of ${known}`] };
  }
  const missing = authProblems(declared);
  if (missing.length > 0) return { problems: missing };
  try {
    return make(declared);
  } catch (error) {
    return { problems: [error instanceof Error ? error.message : String(error)] };
  }
}

const TYPES: Readonly<Record<string, Maker>> = { rest, ...SHIPPED };

function rest(declared: ConnectorDeclaration): Declared<ConnectorDefinition> {
  const {
    base_url: base = "",
    capabilities,
    rate_limits,
    risk_level: riskLevel = "medium",
  } = declared;
  const problems = [
    ...(isAddress(base) ? [] : ["base_url is not an http(s) URL, or env:NAME which holds one"]),
    ...capabilities.flatMap((one) =>
      typeof one === "string"
        ? [`its type rest does not know "${one}": say name, method and path`]
        : operationProblems(one),
    ),
  ];
  if (problems.length > 0) return { problems };
  const ask = httpJson(() => addressOf(base));
  const operations = capabilities.flatMap((one) =>
    typeof one === "string" ? [] : [[one.name, operationOf(one, ask)] as const],
  );
  const definition: ConnectorDefinition = {
    name: declared.name,
    connectorType: "http",
    riskLevel,
    auth: authOf(declared),
    ...(rate_limits === undefined ? {} : { rateLimit: limitOf(rate_limits) }),
    operations: Object.fromEntries(operations),
  };
  return { definition, problems: [] };
}

function isAddress(text: string): boolean {
  if (/^env:[A-Za-z_][A-Za-z0-9_]*$/.test(text)) return true;
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

function addressOf(base: string): string {
  if (!base.startsWith("env:")) return base;
  const found = process.env[base.slice("env:".length)] ?? "";
  if (isAddress(found)) return found;
  throw new Error(`${base} holds no http(s) URL`);
}

function authOf({ auth }: ConnectorDeclaration): ConnectorAuth {
  if (auth === undefined || auth.mode === "none") return { mode: "none" };
  const { scopes } = auth;
  const secretRef = (auth.secret_ref ?? "") as SecretRef;
  // A token that OAuth gave is sent like any other; getting one is not the connector's business.
  return { mode: "bearer", secretRef, ...(scopes === undefined ? {} : { scopes }) };
}

/** Placeholders name fields of the input; in a look-up also `key`. */
function operationProblems(declared: RestOperation): readonly string[] {
  const { name, path, query = {}, body = {}, lookup, input_schema: schema } = declared;
  const properties = Object.keys((schema?.["properties"] ?? {}) as JsonObject);
  const known = (used: string, more: readonly string[]) => {
    const [root = "", field = ""] = used.split(".");
    if (more.includes(used)) return true;
    return root === "input" && (schema === undefined || properties.includes(field));
  };
  const wrong = (templates: Json, more: readonly string[]) =>
    placeholdersIn(templates).filter((used) => !known(used, more));
  const asked = [
    ...wrong([path, query as JsonObject, body], []),
    ...wrong(lookupText(lookup), ["key"]),
  ];
  return asked.map((used) => `${name}: {${used}} is no field of its input`);
}

function lookupText(lookup: RestOperation["lookup"]): Json {
  return lookup === undefined ? [] : [lookup.path, (lookup.query ?? {}) as JsonObject];
}

function operationOf(declared: RestOperation, ask: HttpJson): OperationDefinition {
  const { name, method, retry, compensation, lookup, timeout_seconds = TIMEOUT_SECONDS } = declared;
  const { description = name, idempotency_key, input_schema, output_schema, scope } = declared;
  return {
    description,
    sideEffect: declared.side_effect ?? method !== "GET",
    timeoutMs: timeout_seconds * 1_000,
    ...(retry === undefined ? {} : { retry: retryDeclared(retry) }),
    ...(idempotency_key === undefined ? {} : { keyTemplate: idempotency_key }),
    ...(input_schema === undefined ? {} : { inputSchema: input_schema }),
    ...(output_schema === undefined ? {} : { outputSchema: output_schema }),
    ...(scope === undefined ? {} : { scope }),
    ...(declared.cost_units === undefined ? {} : { costUnits: declared.cost_units }),
    ...(compensation === undefined
      ? {}
      : {
          compensation:
            compensation === "required" ? compensation : { notNeeded: compensation.not_needed },
        }),
    call: (input, context) => request(declared, input, context, ask),
    ...(lookup === undefined ? {} : { lookup: lookupOf(lookup, ask) }),
  };
}

function retryDeclared(
  retry: NonNullable<RestOperation["retry"]>,
): NonNullable<OperationDefinition["retry"]> {
  const { backoff_seconds: waitsSeconds } = retry;
  return { ...retryOf(retry), ...(waitsSeconds === undefined ? {} : { waitsSeconds }) };
}

function request(
  { method, path, query = {}, body }: RestOperation,
  input: JsonObject,
  context: CallContext,
  ask: HttpJson,
): Promise<ConnectorResult> {
  const values = { input };
  const sent = body === undefined ? input : fillObject(body, values);
  return ask(
    {
      method,
      path: String(fillText(path, values, encodeURIComponent)),
      query: fillObject(query as JsonObject, values) as Record<string, string | number>,
      ...(method === "GET" || method === "DELETE" ? {} : { body: sent }),
    },
    context,
  );
}

function lookupOf(
  { path, query = {}, found }: NonNullable<RestOperation["lookup"]>,
  ask: HttpJson,
): NonNullable<OperationDefinition["lookup"]> {
  return async (key, context, input) => {
    const values = { input, key };
    const answer = await ask(
      {
        method: "GET",
        path: String(fillText(path, values, encodeURIComponent)),
        query: fillObject(query as JsonObject, values) as Record<string, string | number>,
      },
      context,
    );
    if (!answer.ok) {
      // A vendor that says there is no such thing has answered the question.
      return answer.errorClass === "permanent_connector_error" && answer.message.startsWith("404")
        ? undefined
        : answer;
    }
    const output = found === undefined ? answer.output : valueAt(answer.output, found);
    return isJsonObject(output) ? { ok: true, output } : undefined;
  };
}
