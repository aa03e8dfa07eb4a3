import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isConnectionLost } from "../src/postgres/connection.ts";
import {
  inTransaction,
  type LaterWrite,
  laterOver,
  openTransaction,
  query,
} from "../src/postgres/transaction.ts";
import { startTestPostgres, type TestPostgres } from "../src/testing/index.ts";
import { recordStatements } from "./support/statements.ts";

let postgres: TestPostgres;
let pool: pg.Pool;

beforeAll(async () => {
  postgres = await startTestPostgres();
  pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 1 });
});
afterAll(async () => {
  await pool.end();
  await postgres.stop();
});
beforeEach(async () => {
  await pool.query("DROP TABLE IF EXISTS notes, tags");
  await pool.query("CREATE TABLE notes (id int PRIMARY KEY, text text NOT NULL)");
  await pool.query("CREATE TABLE tags (id int REFERENCES notes, tag text NOT NULL)");
});

const note = (id: number, text: string): LaterWrite => ({
  table: "notes",
  kind: "insert",
  compile: () => ({ sql: "INSERT INTO notes VALUES ($1, $2)", parameters: [id, text] }),
});
const tag = (id: number, text: string): LaterWrite => ({
  table: "tags",
  kind: "insert",
  compile: () => ({ sql: "INSERT INTO tags VALUES ($2, $1)", parameters: [text, id] }),
});
const append = (id: number, text: string): LaterWrite => ({
  table: "notes",
  kind: "update",
  compile: () => ({
    sql: "UPDATE notes SET text = text || $1 WHERE id = $2",
    parameters: [text, id],
  }),
});
const notes = async () => (await pool.query("SELECT * FROM notes ORDER BY id")).rows;

describe("writes that are kept back", () => {
  test("go with the commit, as one statement, each with its own values", async () => {
    const statements = recordStatements();
    await inTransaction(pool, async (client) => {
      const later = laterOver(client);
      await later(note(1, "a"));
      await later(tag(1, "b"));
      await later(note(2, "c"));
    });
    statements.stop();
    expect(statements.naming("a").map((batch) => batch.length)).toEqual([3]);
    expect(await notes()).toEqual([
      { id: 1, text: "a" },
      { id: 2, text: "c" },
    ]);
    expect((await pool.query("SELECT * FROM tags")).rows).toEqual([{ id: 1, tag: "b" }]);
  });

  test("are gone with a transaction that fails, and with one that its database refuses", async () => {
    const broken = inTransaction(pool, async (client) => {
      await laterOver(client)(note(1, "a"));
      throw new Error("no");
    });
    await expect(broken).rejects.toThrow("no");
    const refused = inTransaction(pool, async (client) => {
      await laterOver(client)(note(1, "a"));
      await laterOver(client)(tag(7, "of nothing"));
    });
    await expect(refused).rejects.toThrow("foreign key");
    expect(await notes()).toEqual([]);
  });

  test("are there for whatever names their table, and for no less", async () => {
    await inTransaction(pool, async (client) => {
      await laterOver(client)(note(1, "a"));
      const seen = async (sql: string) => {
        await openTransaction(client)?.before(sql);
        return (await query(client, { sql, parameters: [] })).rows;
      };
      expect(await seen("SELECT count(*)::int AS n FROM tags")).toEqual([{ n: 0 }]);
      const unsent = (await client.query("SELECT id FROM notes")).rows;
      expect(unsent).toEqual([]);
      expect(await seen("SELECT id FROM notes")).toEqual([{ id: 1 }]);
    });
  });

  test("happen one after the other where a row is changed more than once", async () => {
    await inTransaction(pool, async (client) => {
      const later = laterOver(client);
      await later(note(1, "a"));
      await later(append(1, "b"));
      await later(append(1, "c"));
    });
    expect(await notes()).toEqual([{ id: 1, text: "abc" }]);
  });

  test("are sent at once where nobody began a transaction here", async () => {
    const client = await pool.connect();
    await laterOver(client)(note(1, "a"));
    client.release();
    expect(await notes()).toEqual([{ id: 1, text: "a" }]);
  });
});

test("ERR-4: a connection whose statements are older than the schema is given up; the next one goes on", async () => {
  const read = () =>
    inTransaction(pool, async (client) => {
      return (await query(client, { sql: "SELECT * FROM notes", parameters: [] })).rows;
    });
  expect(await read()).toEqual([]);
  const other = new pg.Client({ connectionString: postgres.databaseUrl });
  await other.connect();
  await other.query("ALTER TABLE notes ADD COLUMN more int");
  await other.end();
  const failure: unknown = await read().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Error);
  expect(isConnectionLost(failure)).toBe(true);
  expect(await read()).toEqual([]);
});
