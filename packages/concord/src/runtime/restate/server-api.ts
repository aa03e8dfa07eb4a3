/** Owns talking to a Restate server over HTTP: its ingress (run, signal, attach) and its admin API. */
import { isJsonObject, type Json } from "../../core/json.ts";
import { patiently } from "../patience.ts";

export interface RestateAddresses {
  /** e.g. `http://127.0.0.1:8080`. */
  readonly ingressUrl: string;
  /** e.g. `http://127.0.0.1:9070`. */
  readonly adminUrl: string;
}

export interface Invocation {
  readonly id: string;
  readonly status: string;
  readonly result: "success" | "failure" | null;
  readonly failure: string | null;
}

export class RestateRefusal extends Error {
  readonly status: number;

  constructor(what: string, status: number, body: string) {
    super(`Restate refused ${what} with ${status}: ${body.slice(0, 500)}`);
    this.name = "RestateRefusal";
    this.status = status;
  }
}

const WITHIN_MS = 30_000;

export type RestateApi = ReturnType<typeof restateApi>;

export function restateApi({ ingressUrl, adminUrl }: RestateAddresses) {
  const ask = async (
    what: string,
    url: string,
    init: RequestInit & { readonly accepted?: readonly number[] },
  ): Promise<Response> => {
    const response = await fetch(url, { signal: AbortSignal.timeout(WITHIN_MS), ...init });
    if (response.ok || init.accepted?.includes(response.status)) return response;
    throw new RestateRefusal(what, response.status, await response.text());
  };
  const part = encodeURIComponent;
  const body = (value: Json) => ({
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(value),
  });
  const query = async (sql: string): Promise<readonly Record<string, Json>[]> => {
    const request = body({ query: sql });
    const headers = { ...request.headers, accept: "application/json" };
    const deadlineMs = Date.now() + WITHIN_MS;
    const isPassing = (error: unknown) =>
      error instanceof RestateRefusal && error.status >= 500 && Date.now() < deadlineMs;
    // A server that has just started answers before it has found its partitions; asking again changes nothing.
    const answer = await patiently(isPassing, () =>
      ask("a query", `${adminUrl}/query`, { ...request, headers }),
    );
    const parsed = (await answer.json()) as { readonly rows?: readonly Record<string, Json>[] };
    return parsed.rows ?? [];
  };
  return {
    query,
    /** Makes the handlers served at `uri` known; again and again is harmless. */
    register: async (uri: string) => {
      await ask("a deployment", `${adminUrl}/deployments`, body({ uri, force: true }));
    },
    /** Starts the handler and returns when that is durable; a workflow that was started before stays as it is. */
    send: async (service: string, key: string, handler: string, input: Json) => {
      const url = `${ingressUrl}/${part(service)}/${part(key)}/${handler}/send`;
      // 409: that workflow ran already.
      await ask(`${service}/${handler}`, url, { ...body(input), accepted: [409] });
    },
    /** Runs the handler and returns what it returns. */
    call: async (service: string, key: string, handler: string, input: Json): Promise<Json> => {
      const url = `${ingressUrl}/${part(service)}/${part(key)}/${handler}`;
      const text = await (await ask(`${service}/${handler}`, url, body(input))).text();
      return text === "" ? null : (JSON.parse(text) as Json);
    },
    /** What the workflow `key` returned. */
    output: async (service: string, key: string): Promise<Json> => {
      const url = `${ingressUrl}/restate/workflow/${part(service)}/${part(key)}/output`;
      const text = await (await ask("an output", url, { method: "GET" })).text();
      return text === "" ? null : (JSON.parse(text) as Json);
    },
    invocations: async (
      where: string,
    ): Promise<readonly (Invocation & { key: string; service: string })[]> => {
      const rows = await query(
        `SELECT id, status, completion_result, completion_failure, target_service_key, target_service_name
         FROM sys_invocation WHERE target_handler_name = 'run' AND ${where}`,
      );
      return rows.filter(isJsonObject).map((row) => ({
        id: String(row["id"]),
        status: String(row["status"]),
        result: row["completion_result"] as Invocation["result"],
        failure: (row["completion_failure"] as string | null) ?? null,
        key: String(row["target_service_key"]),
        service: String(row["target_service_name"]),
      }));
    },
    cancel: async (invocationId: string) => {
      const url = `${adminUrl}/invocations/${part(invocationId)}/cancel`;
      await ask("a cancellation", url, { method: "PATCH", accepted: [404, 409] });
    },
    purge: async (invocationId: string) => {
      const url = `${adminUrl}/invocations/${part(invocationId)}/purge`;
      await ask("a purge", url, { method: "PATCH", accepted: [404, 409] });
    },
  };
}

/** A text in Restate's SQL. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
