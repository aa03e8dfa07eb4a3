/**
 * `bun scripts/requirements.ts`: which numbered requirements the names of tests claim, and which they do not (TST-9).
 * A claim is an id at the head of a test's name. It fails only when an id that was claimed before is claimed no
 * longer (`docs/requirements-claimed.txt`), or when a test claims an id that does not exist; a claim is not a proof.
 * `--update` keeps the claims of today; `--list` prints every id that nobody claims.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isTest, readProject } from "./tidy/project.ts";

export interface Group {
  readonly prefix: string;
  readonly last: number;
  readonly title: string;
}

const ROOT = join(import.meta.dir, "..");
const GROUPS = "docs/requirements.json";
const CLAIMED = "docs/requirements-claimed.txt";
/** Invariants of ARCHITECTURE.md stand in names of tests too; they are no numbered requirements. */
const NAME = /(["'`])((?:[A-Z]{1,3}-?\d+(?:\.\d+)?[ ,…]+)+)(?=[^\s"'`])/g;
const ID = /\b([A-Z]{1,3})-(\d+)\b/g;

export function idsOf(groups: readonly Group[]): readonly string[] {
  return groups.flatMap(({ prefix, last }) =>
    Array.from({ length: last }, (_unused, n) => `${prefix}-${n + 1}`),
  );
}

/** The ids at the heads of test names in `text`. */
export function claimsIn(text: string): ReadonlySet<string> {
  const claims = new Set<string>();
  for (const [, , head = ""] of text.matchAll(NAME)) {
    for (const [id] of head.matchAll(ID)) claims.add(id);
  }
  return claims;
}

export interface Coverage {
  readonly claimed: readonly string[];
  readonly unclaimed: readonly string[];
  /** Claimed, but no requirement. */
  readonly unknown: readonly string[];
  /** Claimed before, and no longer. */
  readonly dropped: readonly string[];
}

export function coverage(
  ids: readonly string[],
  claims: ReadonlySet<string>,
  before: readonly string[],
): Coverage {
  const known = new Set(ids);
  return {
    claimed: ids.filter((id) => claims.has(id)),
    unclaimed: ids.filter((id) => !claims.has(id)),
    unknown: [...claims].filter((id) => !known.has(id)).sort(),
    dropped: before.filter((id) => known.has(id) && !claims.has(id)),
  };
}

function main(flags: readonly string[]): number {
  const { groups } = JSON.parse(readFileSync(join(ROOT, GROUPS), "utf8")) as {
    readonly groups: readonly Group[];
  };
  const texts = readProject(ROOT)
    .sources.filter(({ path }) => isTest(path) && path !== "scripts/requirements.test.ts")
    .map(({ text }) => text);
  const claims = new Set(texts.flatMap((text) => [...claimsIn(text)]));
  const before = readFileSync(join(ROOT, CLAIMED), "utf8").split("\n").filter(Boolean);
  const found = coverage(idsOf(groups), claims, before);
  for (const { prefix, last, title } of groups) {
    const open = found.unclaimed.filter((id) => id.startsWith(`${prefix}-`));
    const share = `${last - open.length}/${last}`.padStart(7);
    const rest = flags.includes("--list") && open.length > 0 ? `\n          ${open.join(" ")}` : "";
    process.stdout.write(`${prefix.padEnd(4)}${share}  ${title}${rest}\n`);
  }
  const total = found.claimed.length + found.unclaimed.length;
  process.stdout.write(
    `${found.claimed.length} of ${total} requirements stand in names of tests\n`,
  );
  if (flags.includes("--update")) {
    writeFileSync(join(ROOT, CLAIMED), `${found.claimed.join("\n")}\n`);
    return 0;
  }
  for (const id of found.dropped) {
    process.stdout.write(`FAILED ${id}: a test claimed it before, and none does now\n`);
  }
  for (const id of found.unknown) {
    process.stdout.write(`FAILED ${id}: a test claims it, and there is no such requirement\n`);
  }
  return found.dropped.length + found.unknown.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(main(process.argv.slice(2)));
