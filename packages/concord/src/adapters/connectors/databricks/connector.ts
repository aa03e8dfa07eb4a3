/**
 * Owns the Databricks connector: start and watch jobs (Jobs API 2.1), and ask a SQL warehouse (Statement Execution API
 * 2.0) with reading statements. Starting a job carries an idempotency token made of our key, so that asking again gives
 * the run that the first request started.
 */
import { createHash } from "node:crypto";
import { isJsonObject, type Json, type JsonObject } from "../../../core/json.ts";
import { writingProblem } from "../../../core/policy/read-only-sql.ts";
import type { RetryDeclaration } from "../../../core/retry.ts";
import type {
  CallContext,
  ConnectorDefinition,
  ConnectorResult,
  OperationDefinition,
  RequestLimit,
  SecretRef,
} from "../../../domain/connectors.ts";
import { type HttpJson, httpJson } from "../http/http-json.ts";

export interface DatabricksConnectorOptions {
  readonly name: string;
  /** The workspace, e.g. `https://dbc-a1b2.cloud.databricks.com`. */
  readonly workspaceUrl: string;
  readonly secretRef: SecretRef;
  /** Jobs that may be started, and the key of starting one. Absent: none. */
  readonly jobs?: {
    readonly ids: readonly number[];
    readonly keyTemplate: string;
    readonly cancelKeyTemplate: string;
  };
  /** The warehouse that answers queries. Absent: there are none. */
  readonly warehouseId?: string;
  /** Default 1000. */
  readonly rowsMax?: number;
  readonly rateLimit?: RequestLimit;
  readonly retry?: RetryDeclaration;
}

const TIMEOUT_MS = 20_000;
/** The API waits this long itself (5 to 50 s), then the statement is cancelled. */
const STATEMENT_WAIT_SECONDS = 30;
const ROWS_MAX = 1_000;
const RETRY: RetryDeclaration = { attemptsMax: 4, waitsSeconds: [2, 10, 60] };
const RUN_ID = { type: "integer", minimum: 1 };

type Shape = Omit<OperationDefinition, "retry">;

export function databricksConnector(options: DatabricksConnectorOptions): ConnectorDefinition {
  const { name, secretRef, jobs, warehouseId, rateLimit, retry = RETRY } = options;
  const ask = httpJson(() => options.workspaceUrl);
  const operations: Record<string, Shape> = {
    get_run: getRun(ask),
    ...(jobs === undefined ? {} : { run_job: runJob(ask, jobs), cancel_run: cancelRun(ask, jobs) }),
    ...(warehouseId === undefined
      ? {}
      : { query: query(ask, warehouseId, options.rowsMax ?? ROWS_MAX) }),
  };
  return {
    name,
    connectorType: "databricks",
    riskLevel: jobs === undefined ? "low" : "medium",
    auth: { mode: "bearer", secretRef },
    ...(rateLimit === undefined ? {} : { rateLimit }),
    operations: Object.fromEntries(
      Object.entries(operations).map(([operation, shape]) => [operation, { ...shape, retry }]),
    ),
  };
}

type Jobs = NonNullable<DatabricksConnectorOptions["jobs"]>;

function runJob(ask: HttpJson, { ids, keyTemplate }: Jobs): Shape {
  return {
    description: "Start a job.",
    sideEffect: true,
    keyTemplate,
    compensation: "required",
    timeoutMs: TIMEOUT_MS,
    inputSchema: {
      type: "object",
      required: ["job_id"],
      additionalProperties: false,
      properties: {
        job_id: { enum: [...ids] },
        parameters: { type: "object", additionalProperties: { type: "string", maxLength: 10_000 } },
      },
    },
    call: async (input, context) => {
      const started = await ask(
        {
          method: "POST",
          path: "/api/2.1/jobs/run-now",
          body: {
            job_id: input["job_id"] ?? null,
            job_parameters: input["parameters"] ?? {},
            // At most 64 characters; the same token gives the same run.
            idempotency_token: createHash("sha256")
              .update(context.idempotencyKey ?? "")
              .digest("hex"),
          },
        },
        context,
      );
      return started.ok
        ? { ok: true, output: { run_id: started.output["run_id"] ?? null } }
        : started;
    },
  };
}

/** What undoes a started job (CMP-18). Cancelling what has ended changes nothing. */
function cancelRun(ask: HttpJson, { cancelKeyTemplate }: Jobs): Shape {
  return {
    description: "Cancel a run of a job.",
    sideEffect: true,
    keyTemplate: cancelKeyTemplate,
    compensation: { notNeeded: "it is itself what undoes a started job" },
    timeoutMs: TIMEOUT_MS,
    inputSchema: { type: "object", required: ["run_id"], properties: { run_id: RUN_ID } },
    call: async (input, context) => {
      const body = { run_id: input["run_id"] ?? null };
      const answer = await ask(
        { method: "POST", path: "/api/2.1/jobs/runs/cancel", body },
        context,
      );
      return answer.ok ? { ok: true, output: { ...body, cancelled: true } } : answer;
    },
  };
}

function getRun(ask: HttpJson): Shape {
  return {
    description: "Where a run of a job is.",
    sideEffect: false,
    timeoutMs: TIMEOUT_MS,
    inputSchema: { type: "object", required: ["run_id"], properties: { run_id: RUN_ID } },
    call: async (input, context) => {
      const runQuery = { run_id: Number(input["run_id"]) };
      const answer = await ask(
        { method: "GET", path: "/api/2.1/jobs/runs/get", query: runQuery },
        context,
      );
      if (!answer.ok) return answer;
      const { run_id, job_id, run_page_url, state } = answer.output;
      const { life_cycle_state, result_state, state_message } = isJsonObject(state)
        ? state
        : ({} as JsonObject);
      return {
        ok: true,
        output: {
          run_id: run_id ?? null,
          job_id: job_id ?? null,
          page_url: run_page_url ?? null,
          life_cycle_state: life_cycle_state ?? null,
          result_state: result_state ?? null,
          message: state_message ?? null,
        },
      };
    },
  };
}

function query(ask: HttpJson, warehouseId: string, rowsMax: number): Shape {
  return {
    description: "Ask the warehouse with one reading statement.",
    sideEffect: false,
    timeoutMs: (STATEMENT_WAIT_SECONDS + 15) * 1000,
    inputSchema: {
      type: "object",
      required: ["sql"],
      additionalProperties: false,
      properties: {
        sql: { type: "string", minLength: 1, maxLength: 20_000 },
        parameters: {
          type: "object",
          additionalProperties: { type: ["string", "number", "null"] },
        },
      },
    },
    call: async (input, context) => {
      const statement = String(input["sql"]);
      const problem = writingProblem(statement);
      if (problem !== undefined) {
        return {
          ok: false,
          errorClass: "permission_denied",
          message: `only reading is allowed: ${problem}`,
        };
      }
      return runStatement(ask, context, {
        warehouse_id: warehouseId,
        statement,
        parameters: parametersOf(input["parameters"]),
        wait_timeout: `${STATEMENT_WAIT_SECONDS}s`,
        on_wait_timeout: "CANCEL",
        disposition: "INLINE",
        format: "JSON_ARRAY",
        row_limit: rowsMax,
      });
    },
  };
}

async function runStatement(
  ask: HttpJson,
  context: CallContext,
  body: JsonObject,
): Promise<ConnectorResult> {
  const answer = await ask({ method: "POST", path: "/api/2.0/sql/statements", body }, context);
  if (!answer.ok) return answer;
  const { status, manifest, result } = answer.output as Record<string, JsonObject | undefined>;
  const state = status?.["state"];
  if (state !== "SUCCEEDED") return statementFailure(String(state), status?.["error"]);
  const schema = manifest?.["schema"] as JsonObject | undefined;
  const columns = Array.isArray(schema?.["columns"])
    ? (schema["columns"] as readonly JsonObject[])
    : [];
  const rows = Array.isArray(result?.["data_array"])
    ? (result["data_array"] as readonly Json[])
    : [];
  return {
    ok: true,
    output: {
      columns: columns.map((one) => String(one["name"])),
      rows,
      row_count: rows.length,
      truncated: manifest?.["truncated"] === true,
    },
  };
}

function statementFailure(state: string, error: Json | undefined): ConnectorResult {
  const { error_code: code, message = "" } = isJsonObject(error ?? null)
    ? (error as JsonObject)
    : {};
  if (state === "CANCELED" || state === "PENDING" || state === "RUNNING") {
    return {
      ok: false,
      errorClass: "timeout",
      message: `no answer within ${STATEMENT_WAIT_SECONDS} s`,
    };
  }
  const isPassing =
    code === "TEMPORARILY_UNAVAILABLE" || code === "WORKSPACE_TEMPORARILY_UNAVAILABLE";
  const errorClass = isPassing ? "transient_connector_error" : "validation_error";
  return { ok: false, errorClass, message: `${state}: ${String(message)}` };
}

function parametersOf(parameters: Json | undefined): readonly JsonObject[] {
  if (!isJsonObject(parameters ?? null)) return [];
  return Object.entries(parameters as JsonObject).map(([name, value]) => ({
    name,
    value: value === null ? null : String(value),
    ...(typeof value === "number" ? { type: Number.isInteger(value) ? "BIGINT" : "DOUBLE" } : {}),
  }));
}
