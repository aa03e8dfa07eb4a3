/**
 * Owns the policy that lets only reading SQL through (SEC-10), before any connector hears of it. It looks at words, so
 * it is stricter than the connector's parser: whoever has a column called "delete" quotes it. Pure.
 */
import { versionOf } from "../policies.ts";
import type { Policy } from "../policy.ts";

const BEGINNINGS: readonly string[] = ["select", "with", "values", "table"];
const WRITING: readonly string[] = [
  ...["insert", "update", "delete", "merge", "truncate", "into", "copy", "call", "do", "execute"],
  ...["create", "alter", "drop", "grant", "revoke", "comment", "security", "refresh", "reindex"],
  ...["set", "reset", "discard", "lock", "listen", "notify", "unlisten", "vacuum", "cluster"],
  ...["begin", "commit", "rollback", "savepoint", "prepare", "deallocate", "declare", "load"],
];

/** `connector_scope`: the payload's `field` is one reading statement. */
export function readOnlySqlPolicy(name: string, field: string): Policy {
  return {
    name,
    version: versionOf(field),
    category: "connector_scope",
    evaluate: ({ action }) => {
      const sql = action.payload[field];
      const problem = typeof sql === "string" ? writingProblem(sql) : `"${field}" is not a text`;
      return problem === undefined
        ? { decision: "allow", reasons: ["the statement only reads"] }
        : { decision: "deny", reasons: [problem] };
    },
  };
}

/** Why `sql` is not one statement that only reads; undefined when it seems to be. */
export function writingProblem(sql: string): string | undefined {
  const bare = withoutQuoted(sql);
  if (bare === undefined) return "a quote or a comment in the statement does not end";
  if (/;\s*\S/.test(bare)) return "there is more than one statement";
  const words = [...bare.matchAll(/[a-z_][\w$]*/gi)].map(([word]) => word.toLowerCase());
  const [first = ""] = words;
  if (!BEGINNINGS.includes(first)) return `a statement that begins with "${first}" may write`;
  const found = words.find((word) => WRITING.includes(word));
  return found === undefined ? undefined : `"${found}" may write; quote it if it is a name`;
}

const QUOTED =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*(?:\n|$)|\$([A-Za-z_]\w*)?\$[\s\S]*?\$\1\$|\/\*[\s\S]*?\*\//g;

/** The statement with texts, quoted names and comments taken out; undefined when one of them does not end. */
function withoutQuoted(sql: string): string | undefined {
  // A backslash may escape a quote in E'…', and comments nest: neither is worth the risk of reading it wrongly.
  if (/\be'/i.test(sql) || /\/\*(?:(?!\*\/)[\s\S])*\/\*/.test(sql)) return undefined;
  const bare = sql.replaceAll(QUOTED, " ");
  return /['"]|\/\*|\*\/|\$\$/.test(bare) ? undefined : bare;
}
