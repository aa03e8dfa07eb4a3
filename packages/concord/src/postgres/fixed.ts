/**
 * Owns statements whose text does not change from one call to the next: Kysely builds each once, with places instead of
 * values, and every call fills them in. Building takes as long as running for the statements that every command needs.
 */
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from "kysely";
import type { ClientBase, Pool } from "pg";
import type { Db, Tables } from "./schema.ts";
import { type Compiled, named, openTransaction, query } from "./transaction.ts";

/** Builds, and runs nothing. */
export const building: Db = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

interface Built {
  compile(): Compiled;
}

/** Where a value goes: which one of the row with that number. */
class Place {
  readonly row: number;
  readonly key: string;

  constructor(row: number, key: string) {
    this.row = row;
    this.key = key;
  }
}

/** A statement of the values that `build` is handed the places of. */
export function fixed<Values extends object>(
  build: (places: Values) => Built,
): (values: Values) => Compiled {
  const places = new Proxy({}, { get: (_, key) => new Place(0, String(key)) }) as Values;
  let made: Compiled | undefined;
  return (values) => {
    made ??= build(places).compile();
    return filled(made, [values]);
  };
}

const ROWS_MAX = 50;

/** A statement of a list of rows, each with all of `keys`: one text for each length. */
export function fixedRows<Row extends object>(
  keys: readonly (keyof Row & string)[],
  build: (rows: readonly Row[]) => Built,
): (rows: readonly Row[]) => Compiled {
  const made = new Map<number, Compiled>();
  const places = (row: number) =>
    Object.fromEntries(keys.map((key) => [key, new Place(row, key)])) as Row;
  return (rows) => {
    if (rows.length > ROWS_MAX) return build(rows).compile();
    const known = made.get(rows.length) ?? build(rows.map((_, index) => places(index))).compile();
    made.set(rows.length, known);
    return filled(known, rows);
  };
}

function filled({ sql, parameters }: Compiled, rows: readonly object[]): Compiled {
  const value = (parameter: unknown) =>
    parameter instanceof Place
      ? (rows[parameter.row] as Record<string, unknown>)[parameter.key]
      : parameter;
  return { sql, parameters: parameters.map(value) };
}

/** Runs it within the transaction that is open over `client`, if one is; its rows. */
export async function run<Row>(client: ClientBase, compiled: Compiled): Promise<readonly Row[]> {
  await openTransaction(client)?.before(compiled.sql);
  const { rows } = await query(client, compiled);
  return rows as Row[];
}

/** Runs it by itself; its rows. */
export async function runAlone<Row>(pool: Pool, compiled: Compiled): Promise<readonly Row[]> {
  const { rows } = await pool.query(named(compiled));
  return rows as Row[];
}
