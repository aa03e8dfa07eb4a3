/** The repository keeps its rules, and each rule refuses its failing example. */
import { expect, test } from "bun:test";
import { type Project, readProject, scanImports } from "./project.ts";
import * as rules from "./rules.ts";

const OPENING = "/** Owns an example. */\n";

/** A project made of texts, with one manifest that declares `declared`. */
function project(files: Record<string, string>, declared: readonly string[] = []): Project {
  const entries = Object.entries(files);
  return {
    sources: entries
      .filter(([path]) => !path.endsWith(".md"))
      .map(([path, text]) => ({ path, text, imports: scanImports(path, text) })),
    documents: entries
      .filter(([path]) => path.endsWith(".md"))
      .map(([path, text]) => ({ path, text })),
    manifests: [{ path: "package.json", name: "example", dependencies: new Set(declared) }],
    exists: (path) => path in files,
  };
}

const FAILING: readonly [string, rules.RuleName, Record<string, string>][] = [
  [
    "a core that imports Postgres",
    "boundaries",
    { "packages/concord/src/core/a.ts": `${OPENING}import { pool } from "../postgres/pool.ts";` },
  ],
  [
    "a core that imports a package",
    "boundaries",
    { "packages/concord/src/core/a.ts": `${OPENING}import pg from "pg";` },
  ],
  [
    "a third-party package in Concordance",
    "boundaries",
    { "packages/concordance/service/a.ts": `${OPENING}import { z } from "zod";` },
  ],
  [
    "the protocol importing the gateway",
    "boundaries",
    { "packages/diminuendo/src/protocol/a.ts": `${OPENING}import { x } from "../session/x.ts";` },
  ],
  [
    "a package reaching into another",
    "noReachingIn",
    {
      "packages/podium/src/a.ts": `${OPENING}import { x } from "../../concord/src/core/types.ts";`,
    },
  ],
  [
    "one feature importing another",
    "featuresApart",
    {
      "packages/console/src/features/chat/a.ts": `${OPENING}import { x } from "../approvals/x.ts";`,
    },
  ],
  [
    "DBOS outside its adapter",
    "soleImporters",
    { "packages/concord/src/api/a.ts": `${OPENING}import { DBOS } from "@dbos-inc/dbos-sdk";` },
  ],
  [
    "a package that no manifest lists",
    "declared",
    { "packages/podium/src/a.ts": `${OPENING}import leftPad from "left-pad";` },
  ],
  [
    "a clock in a pure room",
    "pure",
    { "packages/concord/src/core/a.ts": `${OPENING}export const at = () => Date.now();` },
  ],
  [
    "randomness in the Raft core",
    "pure",
    {
      "packages/concordance/service/raft/election.ts": `${OPENING}export const r = () => Math.random();`,
    },
  ],
  [
    "a file without a purpose",
    "opensWithPurpose",
    { "packages/podium/src/a.ts": "export const a = 1;" },
  ],
  ["a file of 601 lines", "fileLength", { "packages/podium/src/a.ts": OPENING + "\n".repeat(601) }],
  ["a file nobody imports", "noOrphans", { "packages/podium/src/lonely.ts": OPENING }],
  ["a link to nowhere", "links", { "docs/a.md": "[see](missing.md)" }],
  ["a path of one machine", "portable", { "docs/a.md": "run it in /home/me/concert" }],
];

test.each(FAILING)("refuses %s", (_what, rule, files) => {
  expect(rules.RULES[rule](project(files))).not.toEqual([]);
});

test("accepts what the plan allows", () => {
  const files = {
    "packages/concord/src/domain/a.ts": `${OPENING}import type { Command } from "../core/commands.ts";\nimport type { Effect } from "./effects.ts";`,
    "packages/concord/src/runtime/dbos/a.ts": `${OPENING}import { DBOS } from "@dbos-inc/dbos-sdk";`,
    "packages/concord/src/core/clock.ts": `${OPENING}// Date.now() belongs to the shell.\nexport const later = (nowMs: number) => nowMs + 1;`,
    "docs/a.md": "[see](b.md#part) and [out](https://example.org)",
    "docs/b.md": "",
  };
  const checked = [
    rules.boundaries,
    rules.noReachingIn,
    rules.soleImporters,
    rules.pure,
    rules.links,
    rules.portable,
  ];
  expect(checked.flatMap((rule) => rule(project(files, ["@dbos-inc/dbos-sdk"])))).toEqual([]);
});

test("imports over several lines, re-exports and dynamic imports are all seen", () => {
  const text =
    'import {\n  a,\n  b,\n} from "./x.ts";\nexport * from "./y.ts";\nconst z = await import("./z.ts");\nimport "side";';
  expect(
    scanImports("packages/p/src/a.ts", text)
      .map((one) => one.specifier)
      .sort(),
  ).toEqual(["./x.ts", "./y.ts", "./z.ts", "side"]);
});

test("this repository keeps its rules", () => {
  expect(rules.inspect(readProject(`${import.meta.dir}/../..`))).toEqual([]);
});
