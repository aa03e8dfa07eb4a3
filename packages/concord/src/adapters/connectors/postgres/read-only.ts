/**
 * Owns running one query such that nothing it does can stay: a read-only transaction that is always rolled back, on a
 * connection of its own, as a role that may not write, through a cursor (whose grammar takes nothing but a SELECT) and
 * the extended protocol (which takes nothing but one statement). Time, rows and bytes are bounded.
 */
import pg from "pg";
import type { Json } from "../../../core/json.ts";

export interface ReadLimits {
  readonly rowsMax: number;
  readonly bytesMax: number;
  readonly statementTimeoutMs: number;
}

export interface ReadRequest extends ReadLimits {
  readonly sql: string;
  readonly params: readonly (string | number | boolean | null)[];
  /** Taken before the query runs; absent: the login's own. */
  readonly role: string | undefined;
  readonly functions: readonly string[];
  readonly operators: readonly string[];
}

export interface Rows {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Json[])[];
  /** There was more than the limits let through. */
  readonly truncated: boolean;
}

/** The query was refused; the message says why. */
export class NotReadOnly extends Error {}

/** Volatile by declaration, and yet without an effect. */
const HARMLESS: readonly string[] = ["random", "clock_timestamp", "timeofday", "gen_random_uuid"];
const BATCH_ROWS = 200;

export async function readOnly(client: pg.Client, request: ReadRequest): Promise<Rows> {
  const { statementTimeoutMs, role } = request;
  await client.query("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
  try {
    const ms = String(Math.round(statementTimeoutMs));
    await client.query(
      "SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $1, true)",
      [ms],
    );
    if (role !== undefined) await client.query(`SET LOCAL ROLE ${pg.escapeIdentifier(role)}`);
    await refusePower(client);
    await refuseEffects(client, request);
    return await fetchRows(client, request);
  } finally {
    // Whatever it did, a notification or a setting, ends here.
    await client.query("ROLLBACK");
  }
}

/** A role that stands above the privileges is none to hand to an agent. */
async function refusePower(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string; mighty: boolean }>(
    `SELECT current_user AS name, rolsuper OR rolreplication
       OR pg_has_role(current_user, 'pg_write_server_files', 'MEMBER')
       OR pg_has_role(current_user, 'pg_read_server_files', 'MEMBER')
       OR pg_has_role(current_user, 'pg_execute_server_program', 'MEMBER')
       OR pg_has_role(current_user, 'pg_signal_backend', 'MEMBER') AS mighty
     FROM pg_roles WHERE rolname = current_user`,
  );
  const [user] = rows;
  if (user?.mighty === false) return;
  throw new NotReadOnly(
    `the role ${user?.name ?? "of the login"} may do more than read; name one that may not`,
  );
}

/** A volatile function may do anything its author wrote, some of it outside the transaction. */
async function refuseEffects(
  client: pg.Client,
  { functions, operators }: ReadRequest,
): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT proname AS name FROM pg_catalog.pg_proc
       WHERE proname = ANY ($1::text[]) AND provolatile = 'v' AND NOT proname = ANY ($2::text[])
     UNION
     SELECT oprname FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
       WHERE oprname = ANY ($3::text[]) AND p.provolatile = 'v'
     ORDER BY 1`,
    [functions, HARMLESS, operators],
  );
  if (rows.length === 0) return;
  const names = rows.map(({ name }) => name).join(", ");
  throw new NotReadOnly(`it calls ${names}, which may do more than read`);
}

async function fetchRows(client: pg.Client, request: ReadRequest): Promise<Rows> {
  const { sql, params, rowsMax, bytesMax } = request;
  await client.query({
    // A line of its own: the text may end in a comment.
    text: `DECLARE reading NO SCROLL CURSOR WITHOUT HOLD FOR\n${sql}\n`,
    values: [...params],
    // Without it the driver sends a query that has no parameters as text, which may hold several statements.
    queryMode: "extended",
  } as pg.QueryConfig);
  const rows: (readonly Json[])[] = [];
  let columns: readonly string[] = [];
  let bytes = 0;
  for (;;) {
    const wanted = Math.min(BATCH_ROWS, rowsMax + 1 - rows.length);
    const batch = await client.query<unknown[]>({
      text: `FETCH FORWARD ${wanted} FROM reading`,
      rowMode: "array",
      types: TYPES,
    });
    columns = batch.fields.map(({ name }) => name);
    for (const raw of batch.rows) {
      const row = raw.map(jsonOf);
      bytes += JSON.stringify(row).length;
      if (rows.length >= rowsMax || bytes > bytesMax) return { columns, rows, truncated: true };
      rows.push(row);
    }
    if (batch.rows.length < wanted) return { columns, rows, truncated: false };
  }
}

const { builtins } = pg.types;
const AS_TEXT: readonly number[] = [
  builtins.DATE,
  builtins.TIMESTAMP,
  builtins.TIMESTAMPTZ,
  builtins.INTERVAL,
  builtins.BYTEA,
];
/** Times stay what the database wrote: a day must not move with the machine's time zone. */
const TYPES = {
  getTypeParser: ((oid: number, format?: "text" | "binary") =>
    AS_TEXT.includes(oid)
      ? (text: string) => text
      : pg.types.getTypeParser(oid, format as "text")) as typeof pg.types.getTypeParser,
};

function jsonOf(value: unknown): Json {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  const text = JSON.stringify(value);
  return text === undefined ? null : (JSON.parse(text) as Json);
}
