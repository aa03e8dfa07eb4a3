/**
 * Owns deciding from its text whether a statement only reads (SEC-10): PostgreSQL's own grammar parses it, it has to
 * be one SELECT without INTO, locks or writing CTEs, and what it calls is named for a look at the server's catalog.
 * Refuses to own: the transaction, which holds even if this were wrong (read-only.ts).
 */

export interface ReadStatement {
  /** Functions called anywhere in it, by their last name, in lower case unless quoted. */
  readonly functions: readonly string[];
  readonly operators: readonly string[];
}

type Node = Readonly<Record<string, unknown>>;
type Parser = { readonly parse: (sql: string) => Promise<unknown> };

const CHARACTERS_MAX = 20_000;

let parser: Promise<Parser> | undefined;

/** `libpg-query` is loaded on demand; throws when it is not installed. */
function loadParser(): Promise<Parser> {
  parser ??= import("libpg-query").then(({ parse }) => ({ parse }));
  return parser;
}

/** What the statement uses, or why it is not one that only reads. */
export async function readStatement(
  sql: string,
): Promise<ReadStatement | { readonly problem: string }> {
  if (sql.length > CHARACTERS_MAX)
    return { problem: `it is longer than ${CHARACTERS_MAX} characters` };
  const { parse } = await loadParser();
  let parsed: { readonly stmts?: readonly { readonly stmt?: Node }[] };
  try {
    parsed = (await parse(sql)) as typeof parsed;
  } catch (error) {
    return { problem: `it is not SQL: ${error instanceof Error ? error.message : String(error)}` };
  }
  const { stmts = [] } = parsed;
  const [only, ...more] = stmts;
  if (only?.stmt === undefined) return { problem: "it is empty" };
  if (more.length > 0) return { problem: `it is ${stmts.length} statements` };
  if (only.stmt["SelectStmt"] === undefined) {
    return { problem: `it is a ${Object.keys(only.stmt).join()}, not a SELECT` };
  }
  const functions = new Set<string>();
  const operators = new Set<string>();
  const problem = walk(only.stmt, functions, operators);
  return problem === undefined
    ? { functions: [...functions], operators: [...operators] }
    : { problem };
}

function walk(value: unknown, functions: Set<string>, operators: Set<string>): string | undefined {
  if (Array.isArray(value)) {
    return firstOf(value, (item) => walk(item, functions, operators));
  }
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, part] of Object.entries(value as Node)) {
    if (key === "intoClause") return "it writes INTO a table";
    if (key === "lockingClause") return "it locks rows";
    if (key === "ctequery" && (part as Node)["SelectStmt"] === undefined) {
      return `its WITH holds a ${Object.keys(part as Node).join()}`;
    }
    if (key === "FuncCall") functions.add(lastName((part as Node)["funcname"]));
    if (key === "A_Expr") operators.add(lastName((part as Node)["name"]));
    if (key === "operName" || key === "useOp") operators.add(lastName(part));
    const problem = walk(part, functions, operators);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function firstOf<T>(items: readonly T[], find: (item: T) => string | undefined) {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The last part of a possibly qualified name: whichever schema it is looked up in. */
function lastName(parts: unknown): string {
  const last = Array.isArray(parts) ? (parts.at(-1) as Node | undefined) : undefined;
  const { sval } = (last?.["String"] ?? {}) as { readonly sval?: unknown };
  return typeof sval === "string" ? sval : "";
}
