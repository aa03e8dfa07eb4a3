/** Owns how a service is asked for its health: over HTTP, or by a query. Never throws: no answer is an answer. */
import { Client } from "pg";
import type { ProbeResult } from "../supervisor/process-spec.ts";
import { withoutPassword } from "./addresses.ts";

const PROBE_TIMEOUT_MS = 2_000;
/** Every Postgres server has it; asking there does not fill the server's log before ours is made. */
const MAINTENANCE_DATABASE = "postgres";

/** Ready means status 200; otherwise says what the body of `/ready` names as missing. */
export function httpProbe(url: string): () => Promise<ProbeResult> {
  return async () => {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      const body = await response.text();
      return response.status === 200
        ? { ready: true }
        : { ready: false, missing: missingIn(body) ?? `status ${response.status}` };
    } catch (error) {
      return { ready: false, missing: isTimeout(error) ? "its answer" : "its port" };
    }
  };
}

/** Ready means that our own server answers and the database of `databaseUrl` is made. */
export function postgresProbe(databaseUrl: string): () => Promise<ProbeResult> {
  const server = new URL(databaseUrl);
  const name = decodeURIComponent(server.pathname.slice(1));
  server.pathname = `/${MAINTENANCE_DATABASE}`;
  return async () => {
    const asked = "SELECT 1 FROM pg_database WHERE datname = $1";
    const answer = await ask(server.href, asked, [name]);
    if (answer.missing !== undefined) return { ready: false, missing: answer.missing };
    return answer.rowCount === 1 ? { ready: true } : { ready: false, missing: "its database" };
  };
}

/** Somebody else's database: rejects with a sentence when a query is not answered now. */
export async function requireDatabase(databaseUrl: string): Promise<void> {
  const { missing } = await ask(databaseUrl, "SELECT 1", []);
  if (missing === undefined) return;
  throw new Error(
    `the database ${withoutPassword(databaseUrl)} does not answer a query (missing: ${missing}). ` +
      "Start or make it, or leave DATABASE_URL and --database-url away to use the embedded one",
  );
}

async function ask(
  databaseUrl: string,
  query: string,
  values: readonly string[],
): Promise<{ readonly rowCount: number; readonly missing?: string }> {
  const client = new Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: PROBE_TIMEOUT_MS,
    query_timeout: PROBE_TIMEOUT_MS,
  });
  try {
    await client.connect();
    const { rowCount } = await client.query(query, [...values]);
    return { rowCount: rowCount ?? 0 };
  } catch (error) {
    return { rowCount: 0, missing: postgresMissing(error) };
  } finally {
    await client.end();
  }
}

function postgresMissing(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ECONNREFUSED") return "its port";
  if (code === "57P03") return "its recovery";
  if (code === "3D000") return "its database";
  return `an answer (${error instanceof Error ? error.message : String(error)})`;
}

function missingIn(body: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== "object" || parsed === null || !("missing" in parsed)) return undefined;
    return [parsed.missing].flat().map(String).join(", ");
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // Not every health route speaks JSON.
    throw error;
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === "TimeoutError";
}
