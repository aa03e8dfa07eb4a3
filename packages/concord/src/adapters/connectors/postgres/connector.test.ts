import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JsonObject } from "../../../core/json.ts";
import { writingProblem } from "../../../core/policy/read-only-sql.ts";
import { startTestPostgres, type TestPostgres, testContext } from "../../../testing/index.ts";
import { postgresConnector } from "./connector.ts";
import { readOnly } from "./read-only.ts";

const READER = `reader_${Math.random().toString(36).slice(2)}`;
let postgres: TestPostgres;
let owner: pg.Client;
let readerUrl: string;
beforeAll(async () => {
  postgres = await startTestPostgres();
  owner = new pg.Client({ connectionString: postgres.databaseUrl });
  await owner.connect();
  await owner.query(`
    CREATE TABLE sales (id INT PRIMARY KEY, amount NUMERIC, day DATE, note JSONB, at TIMESTAMPTZ);
    INSERT INTO sales SELECT i, i * 1.5, DATE '2026-03-01' + i % 28, '{"a": [1]}', '2026-03-01T10:00:00Z'
      FROM generate_series(1, 5000) i;
    CREATE SEQUENCE counter;
    CREATE FUNCTION sell() RETURNS INT LANGUAGE sql AS 'INSERT INTO sales VALUES (0, 0) RETURNING 1';
    CREATE FUNCTION sell_quietly() RETURNS INT LANGUAGE plpgsql STABLE AS
      'BEGIN PERFORM sell(); RETURN 1; END';
    CREATE FUNCTION twice(n INT) RETURNS INT LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
    CREATE FUNCTION join_them(a INT, b INT) RETURNS INT LANGUAGE sql AS 'SELECT a + b';
    CREATE OPERATOR <+> (LEFTARG = INT, RIGHTARG = INT, FUNCTION = join_them);
    CREATE ROLE ${READER} LOGIN PASSWORD 'reading-only' NOSUPERUSER;
    GRANT SELECT ON sales TO ${READER};
    GRANT ALL ON SEQUENCE counter TO ${READER};
    GRANT INSERT, UPDATE, DELETE ON sales TO ${READER};`);
  const url = new URL(postgres.databaseUrl);
  url.username = READER;
  url.password = "reading-only";
  readerUrl = url.href;
});
afterAll(async () => {
  await owner.query(`DROP OWNED BY ${READER}; DROP ROLE ${READER}`);
  await owner.end();
  await postgres.stop();
});

const connector = postgresConnector({
  name: "warehouse",
  secretRef: "env:W",
  rowsMax: 1_000,
  timeoutMs: 3_000,
});
const ask = async (
  sql: string,
  params: readonly unknown[] = [],
  secret = readerUrl,
  made = connector,
) => {
  const context = testContext({ secret, signal: AbortSignal.timeout(20_000) });
  const found = await made.operations["query"]?.call({ sql, params } as JsonObject, context);
  if (found === undefined) throw new Error("the connector has no query");
  return found;
};
const state = async () =>
  (await owner.query("SELECT count(*), sum(amount), (SELECT last_value FROM counter) FROM sales"))
    .rows;

/** Everything here would write, wait, leave the transaction, or act outside of it. */
const ATTEMPTS: readonly string[] = [
  "INSERT INTO sales VALUES (-1)",
  "UPDATE sales SET amount = 0",
  "DELETE FROM sales",
  "MERGE INTO sales USING sales s ON false WHEN NOT MATCHED THEN INSERT VALUES (1)",
  "TRUNCATE sales",
  "DROP TABLE sales",
  "CREATE TABLE stolen AS SELECT * FROM sales",
  "CREATE TEMP TABLE stolen (id INT)",
  "SELECT * INTO stolen FROM sales",
  "WITH gone AS (DELETE FROM sales RETURNING *) SELECT * FROM gone",
  "WITH a AS (SELECT 1), b AS (INSERT INTO sales VALUES (-2) RETURNING 1) SELECT * FROM a, b",
  "SELECT 1; DELETE FROM sales",
  "SELECT 1; COMMIT; DELETE FROM sales",
  "SELECT * FROM sales FOR UPDATE",
  "SELECT * FROM (SELECT * FROM sales FOR SHARE) s",
  "COPY sales TO STDOUT",
  "COPY (SELECT * FROM sales) TO '/tmp/stolen'",
  "COPY sales FROM PROGRAM 'true'",
  "SET ROLE postgres",
  "SET SESSION AUTHORIZATION DEFAULT",
  "RESET ROLE",
  "SET TRANSACTION READ WRITE",
  "COMMIT",
  "ROLLBACK",
  "DO $$ BEGIN DELETE FROM sales; END $$",
  "CALL nothing()",
  "EXPLAIN ANALYZE DELETE FROM sales",
  "PREPARE p AS DELETE FROM sales",
  "DECLARE c CURSOR FOR SELECT 1",
  "LOCK TABLE sales",
  "LISTEN anything",
  "NOTIFY anything",
  "VACUUM sales",
  "SELECT sell()",
  "SELECT (SELECT sell())",
  "SELECT * FROM sell()",
  "SELECT 1 WHERE sell() = 1",
  'SELECT public."sell"()',
  "SELECT 1 <+> 2",
  "SELECT 1 OPERATOR(public.<+>) 2",
  "SELECT nextval('counter')",
  "SELECT setval('counter', 99)",
  "SELECT pg_notify('anything', 'x')",
  "SELECT set_config('transaction_read_only', 'off', false)",
  "SELECT set_config('role', 'postgres', false)",
  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
  "SELECT pg_sleep(1)",
  "SELECT pg_advisory_lock(1)",
  "SELECT lo_create(1)",
  "SELECT pg_read_file('/etc/passwd')",
  "SELECT pg_ls_dir('/')",
  "SELECT pg_logical_emit_message(false, 'a', 'b')",
  "SELECT query_to_xml('DELETE FROM sales', true, true, '')",
  "SELECT currval('counter') + nextval('counter')",
];

describe("SEC-10 read-only by construction", () => {
  test.each(ATTEMPTS)("CON-15 SEC-10 %s is refused and changes nothing", async (sql) => {
    const before = await state();
    const found = await ask(sql);
    expect(found).toMatchObject({ ok: false, errorClass: "permission_denied" });
    expect(await state()).toEqual(before);
  });

  test("SEC-10 even past the parser and the look at functions, the transaction and the cursor hold", async () => {
    const before = await state();
    const limits = { rowsMax: 10, bytesMax: 10_000, statementTimeoutMs: 1_000 };
    const kept: string[] = [];
    for (const sql of ATTEMPTS) {
      const client = new pg.Client({ connectionString: readerUrl });
      await client.connect();
      const request = { sql, params: [], role: undefined, functions: [], operators: [], ...limits };
      await readOnly(client, request).then(
        () => kept.push(sql),
        () => undefined,
      );
      const { rows } = await client.query(
        "SELECT current_user AS who, current_setting('transaction_read_only') AS ro, count(*) FROM pg_locks WHERE locktype = 'relation' AND mode LIKE '%Exclusive%' AND pid = pg_backend_pid()",
      );
      expect([sql, rows[0]?.who]).toEqual([sql, READER]);
      await client.end();
    }
    expect(await state()).toEqual(before);
    // What got through did something that ends with the transaction or the connection.
    for (const sql of kept) expect(sql).toMatch(/^SELECT (1 |pg_|set_config|\* FROM \(SELECT|lo_)/);
  });

  test("SEC-10 a function that hides its writing is stopped by the transaction", async () => {
    const before = await state();
    expect(await ask("SELECT sell_quietly()")).toMatchObject({
      ok: false,
      errorClass: "permission_denied",
    });
    expect(await state()).toEqual(before);
  });

  test("SEC-10 a login that may do more than read is refused, unless it takes a role that may not", async () => {
    expect(await ask("SELECT 1", [], postgres.databaseUrl)).toMatchObject({
      ok: false,
      message: expect.stringContaining("may do more than read"),
    });
    const careful = postgresConnector({ name: "w", secretRef: "env:W", role: READER });
    expect(await ask("SELECT current_user", [], postgres.databaseUrl, careful)).toMatchObject({
      ok: true,
      output: { rows: [[READER]] },
    });
  });

  test("SEC-10 the policy before it lets none of the writing statements through, and the ordinary ones", () => {
    // What only a look at the server tells is the connector's to refuse.
    const byWords = ATTEMPTS.filter(
      (sql) => !/^SELECT .*(\(|<\+>|FOR)/.test(sql) || /;|INTO/.test(sql),
    );
    expect(byWords.filter((sql) => writingProblem(sql) === undefined)).toEqual([]);
    for (const sql of [
      "SELECT 'DROP TABLE x; --' AS \"delete\" FROM sales -- update",
      "WITH a AS (SELECT 1) SELECT * FROM a;",
      "VALUES (1), (2)",
      "select /* insert */ $q$ delete; $q$",
    ]) {
      expect([sql, writingProblem(sql)]).toEqual([sql, undefined]);
    }
    for (const sql of [
      "",
      "SELECT 'open",
      "SELECT E'\\' ; DROP TABLE x; --'",
      "SELECT /* a /* b */ ; DROP */ 1",
      "SELECT $$ open",
    ]) {
      expect(writingProblem(sql)).toEqual(expect.any(String));
    }
  });
});

describe("reading", () => {
  test("CON-1 CON-3 columns, parameters, and values as the database wrote them", async () => {
    const found = await ask(
      "SELECT id, amount, day, note, at, NULL AS none, true AS yes, 'NaN'::float8 AS odd FROM sales WHERE id = $1",
      [7],
    );
    expect(found).toEqual({
      ok: true,
      output: {
        columns: ["id", "amount", "day", "note", "at", "none", "yes", "odd"],
        rows: [
          [
            7,
            "10.5",
            "2026-03-08",
            { a: [1] },
            expect.stringMatching(/^2026-03-01/),
            null,
            true,
            "NaN",
          ],
        ],
        row_count: 1,
        truncated: false,
      },
    });
  });

  test("CON-1 two columns of one name stay two, and a comment at the end does no harm", async () => {
    expect(await ask("SELECT 1 AS a, 2 AS a -- the end")).toMatchObject({
      output: { columns: ["a", "a"], rows: [[1, 2]] },
    });
    expect(await ask("SELECT twice(21), random() < 2;")).toMatchObject({
      output: { rows: [[42, true]] },
    });
    expect(await ask("VALUES (1), (2)")).toMatchObject({ output: { row_count: 2 } });
  });

  test("CON-4 rows and bytes are capped, in the order that was asked for, and it is told", async () => {
    const many = await ask("SELECT id FROM sales ORDER BY id DESC");
    expect(many).toMatchObject({ output: { row_count: 1_000, truncated: true } });
    expect(many.ok && (many.output["rows"] as number[][])[999]).toEqual([4_001]);
    const small = postgresConnector({ name: "w", secretRef: "env:W", bytesMax: 1_000 });
    const wide = await ask("SELECT repeat('x', 400) FROM sales", [], readerUrl, small);
    expect(wide).toMatchObject({ output: { row_count: 2, truncated: true } });
    expect(await ask("SELECT 1 FROM sales LIMIT 1000")).toMatchObject({
      output: { truncated: false },
    });
  });

  test("CON-4 what takes too long is stopped by the database", async () => {
    const quick = postgresConnector({ name: "w", secretRef: "env:W", timeoutMs: 200 });
    const endless = "SELECT count(*) FROM sales a, sales b, sales c, sales d";
    expect(await ask(endless, [], readerUrl, quick)).toMatchObject({
      ok: false,
      errorClass: "timeout",
    });
  });

  test.each([
    ["nonsense", "SELEC 1", "permission_denied"],
    ["an unknown table", "SELECT * FROM nowhere", "validation_error"],
    ["a wrong parameter", "SELECT 1 WHERE $1::int = 1", "validation_error"],
    ["what the role may not see", "SELECT * FROM pg_authid", "permission_denied"],
  ])("CON-4 ERR-4 %s is a value with a class", async (_what, sql, errorClass) => {
    expect(await ask(sql, sql.includes("$1") ? ["x"] : [])).toMatchObject({
      ok: false,
      errorClass,
    });
  });

  test("ERR-4 a database that is away, and a login that is wrong", async () => {
    const away = new URL(readerUrl);
    away.port = "1";
    expect(await ask("SELECT 1", [], away.href)).toMatchObject({
      errorClass: "temporary_database_error",
    });
    const nobody = new URL(readerUrl);
    nobody.username = "nobody_there";
    expect(await ask("SELECT 1", [], nobody.href)).toMatchObject({
      errorClass: "permission_denied",
    });
  });
});
