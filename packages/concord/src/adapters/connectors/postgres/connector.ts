/**
 * Owns the Postgres connector: one operation, `query`, that reads and cannot write (SEC-10). The connection string is
 * the secret. Each call has a connection of its own, so that nothing a session keeps reaches the next one.
 */
import pg from "pg";
import type { JsonObject } from "../../../core/json.ts";
import type { RetryDeclaration } from "../../../core/retry.ts";
import type { ErrorClass } from "../../../core/vocabulary.ts";
import {
  assertIssued,
  type CallContext,
  type ConnectorDefinition,
  type ConnectorResult,
  type RequestLimit,
  type SecretRef,
} from "../../../domain/connectors.ts";
import { NotReadOnly, type ReadLimits, type ReadRequest, readOnly } from "./read-only.ts";
import { readStatement } from "./statement.ts";

export interface PostgresConnectorOptions {
  readonly name: string;
  /** A connection string, e.g. `env:WAREHOUSE_URL`. */
  readonly secretRef: SecretRef;
  /** A role that may only read, taken for each query; the login itself should be no more than that either. */
  readonly role?: string;
  /** Default 1000. */
  readonly rowsMax?: number;
  /** Of the rows as JSON; default 512 KiB. */
  readonly bytesMax?: number;
  /** Default 10 s. */
  readonly timeoutMs?: number;
  readonly rateLimit?: RequestLimit;
  readonly retry?: RetryDeclaration;
}

const ROWS_MAX = 1_000;
const BYTES_MAX = 524_288;
const TIMEOUT_MS = 10_000;
/** The database gives up first, and says why. */
const GRACE_MS = 1_000;
const RETRY: RetryDeclaration = { attemptsMax: 3, waitsSeconds: [1, 5] };

const INPUT = {
  type: "object",
  required: ["sql"],
  additionalProperties: false,
  properties: {
    sql: {
      type: "string",
      minLength: 1,
      maxLength: 20_000,
      description: "One SELECT; $1, $2 … for params.",
    },
    params: {
      type: "array",
      maxItems: 100,
      items: { type: ["string", "number", "boolean", "null"] },
    },
  },
} as const;

const OUTPUT = {
  type: "object",
  required: ["columns", "rows", "row_count", "truncated"],
  properties: {
    columns: { type: "array", items: { type: "string" } },
    rows: { type: "array", items: { type: "array" } },
    row_count: { type: "integer" },
    truncated: { type: "boolean" },
  },
} as const;

export function postgresConnector(options: PostgresConnectorOptions): ConnectorDefinition {
  const { name, secretRef, role, rateLimit, timeoutMs = TIMEOUT_MS, retry = RETRY } = options;
  const limits: ReadLimits = {
    rowsMax: options.rowsMax ?? ROWS_MAX,
    bytesMax: options.bytesMax ?? BYTES_MAX,
    statementTimeoutMs: timeoutMs,
  };
  return {
    name,
    connectorType: "postgres",
    riskLevel: "low",
    auth: { mode: "secret", secretRef },
    ...(rateLimit === undefined ? {} : { rateLimit }),
    operations: {
      query: {
        description: "Ask the database with one SELECT.",
        sideEffect: false,
        inputSchema: INPUT,
        outputSchema: OUTPUT,
        timeoutMs: timeoutMs + GRACE_MS,
        retry,
        call: (input, context) => query(input, context, { ...limits, role }),
      },
    },
  };
}

async function query(
  input: JsonObject,
  context: CallContext,
  limits: ReadLimits & Pick<ReadRequest, "role">,
): Promise<ConnectorResult> {
  assertIssued(context);
  const sql = String(input["sql"]);
  const statement = await readStatement(sql);
  if ("problem" in statement) {
    return refused("permission_denied", `only one SELECT is allowed: ${statement.problem}`);
  }
  const params = (input["params"] ?? []) as ReadRequest["params"];
  const client = new pg.Client({
    connectionString: context.secret,
    application_name: "concord reading",
    connectionTimeoutMillis: limits.statementTimeoutMs,
    // Also what the server would fall back to if the transaction were ever left.
    options: "-c default_transaction_read_only=on",
  });
  // A connection that breaks tells so through the query; without a listener it would end the process.
  client.on("error", () => undefined);
  // What it breaks off tells so through the query; that closing failed says nothing more.
  const giveUp = () => void client.end().catch(() => undefined);
  context.signal.addEventListener("abort", giveUp, { once: true });
  try {
    await client.connect();
    const { columns, rows, truncated } = await readOnly(client, {
      sql,
      params,
      ...limits,
      ...statement,
    });
    return { ok: true, output: { columns, rows, row_count: rows.length, truncated } };
  } catch (error) {
    return failureOf(error);
  } finally {
    context.signal.removeEventListener("abort", giveUp);
    // The answer is there, and a connection that cannot be closed is closed.
    await client.end().catch(() => undefined);
  }
}

/** The class of a database's refusal, by its SQLSTATE. */
function failureOf(error: unknown): ConnectorResult {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof NotReadOnly) return refused("permission_denied", message);
  const { code = "" } = error as { readonly code?: string };
  return refused(classOf(code), `${code === "" ? "" : `${code}: `}${message}`);
}

function classOf(sqlState: string): ErrorClass {
  if (sqlState === "57014" || sqlState === "55P03") return "timeout";
  if (sqlState === "25006" || sqlState === "42501" || sqlState.startsWith("28"))
    return "permission_denied";
  if (sqlState.startsWith("42") || sqlState.startsWith("22")) return "validation_error";
  const isPassing =
    /^(?:08|40|53|57P)/.test(sqlState) || /^E[A-Z]+$/.test(sqlState) || sqlState === "";
  return isPassing ? "temporary_database_error" : "permanent_connector_error";
}

function refused(errorClass: ErrorClass, message: string): ConnectorResult {
  return { ok: false, errorClass, message };
}
