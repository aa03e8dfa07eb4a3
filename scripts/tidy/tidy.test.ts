/** The repository keeps its rules, and each rule refuses its failing example. */
import { expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Project, readImports, readProject } from "./project.ts";
import * as rules from "./rules.ts";

const OPENING = "/** Owns an example. */\n";

/** A project made of texts, with one manifest that declares `declared`. */
function project(files: Record<string, string>, declared: readonly string[] = []): Project {
  const entries = Object.entries(files);
  return {
    sources: entries
      .filter(([path]) => !path.endsWith(".md"))
      .map(([path, text]) => ({ path, text, ...readImports(path, text) })),
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
    "DBOS in a test of something else",
    "soleImporters",
    { "packages/concord/test/a.test.ts": 'import { DBOS } from "@dbos-inc/dbos-sdk";' },
  ],
  [
    "a connector that judges",
    "boundaries",
    {
      "packages/concord/src/adapters/connectors/a.ts": `${OPENING}import { judge } from "../../core/policy.ts";`,
    },
  ],
  [
    "the API knowing an engine's adapter",
    "boundaries",
    { "packages/concord/src/api/a.ts": `${OPENING}import { x } from "../runtime/dbos/index.ts";` },
  ],
  [
    "a kernel of the registry that knows what is registered",
    "boundaries",
    {
      "packages/concord/src/registry/kernel/a.ts": `${OPENING}import { x } from "../../domain/tasks.ts";`,
    },
  ],
  [
    "a timer in a pure room",
    "pure",
    { "packages/concord/src/core/a.ts": `${OPENING}export const later = () => setTimeout(f, 1);` },
  ],
  [
    "Node's files in a pure room",
    "pure",
    { "packages/concord/src/core/a.ts": `${OPENING}import { readFileSync } from "node:fs";` },
  ],
  [
    "a clock in the body of a workflow",
    "replayable",
    {
      "packages/concord/src/runtime/a.ts": `${OPENING}runtime.defineWorkflow("a", async () => { const now = Date.now(); });`,
    },
  ],
  [
    "a race in the file of the command's workflow",
    "replayable",
    {
      "packages/concord/src/runtime/run-command.ts": `${OPENING}export const first = () => Promise.race([]);`,
    },
  ],
  ["what is no program", "parsable", { "packages/podium/src/a.ts": `${OPENING}export const = ;` }],
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

test.each(FAILING)("BND-5 refuses %s", (_what, rule, files) => {
  expect(rules.RULES[rule](project(files))).not.toEqual([]);
});

test("BND-5 RUN-8 what a body says about time and chance is said outside of it, and comments are no code", () => {
  const files = {
    "packages/concord/src/runtime/a.ts": `${OPENING}const now = Date.now();\nruntime.defineWorkflow("a", async () => {\n  // not Date.now()\n  await step();\n});`,
  };
  expect(rules.replayable(project(files))).toEqual([]);
  const { sources } = readProject(`${import.meta.dir}/../..`);
  const defining = sources.filter(({ text }) => text.includes(".defineWorkflow("));
  expect(defining.map(({ path }) => path)).toContain("packages/concord/src/runtime/run-command.ts");
});

const SDK = "@dbos-inc/dbos-sdk";
test.each([
  [`import { DBOS } from "${SDK}";`, 1],
  [`import type { DBOSClient } from "${SDK}";`, 1],
  [`import "${SDK}";`, 1],
  [`export * from "${SDK}";`, 1],
  [`export type { DBOSClient } from "${SDK}";`, 1],
  [`const sdk = await import("${SDK}");`, 1],
  [`type Client = import("${SDK}").DBOSClient;`, 1],
  [`const required = require("${SDK}");`, 1],
  [`import sdk = require("${SDK}");`, 1],
  [`import {\n  DBOS,\n  DBOSClient,\n} from "${SDK}/client";`, 4],
  [`\nif (wanted) {\n  const sdk = () => import("${SDK}/deep/path");\n}`, 3],
] as const)("BND-4 seen, with its line: %s", (form, line) => {
  const path = "packages/concord/src/api/a.ts";
  const files = { [path]: `${OPENING}${form}` };
  const [finding, ...more] = rules.soleImporters(project(files));
  expect(more).toEqual([]);
  expect([finding?.path, finding?.line]).toEqual([path, line + 1]);
  expect(finding?.message).toContain(`may import ${SDK}`);
  const own = { "packages/concord/src/runtime/dbos/index.ts": `${OPENING}${form}` };
  expect(rules.soleImporters(project(own))).toEqual([]);
});

test.each([`const text = 'await import("${SDK}")';`, `// const required = require("${SDK}");`])(
  "BND-4 no import: %s",
  (text) => {
    expect(readImports("packages/concord/src/api/a.ts", text)).toEqual({ imports: [] });
  },
);

/** A repository of its own, with the checker in it and nothing installed. */
function checked(files: Record<string, string>, flags: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), "tidy-"));
  const all = { "package.json": '{ "name": "example" }', ...files };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  cpSync(import.meta.dir, join(folder, "scripts/tidy"), { recursive: true });
  Bun.spawnSync(["git", "init", "-q"], { cwd: folder });
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [process.execPath, "scripts/tidy/main.ts", ...flags],
    { cwd: folder },
  );
  rmSync(folder, { recursive: true });
  return { exitCode, said: stdout.toString(), complained: stderr.toString() };
}

test("BND-3 alone, with nothing installed: 0 when all is well, 1 with file, line, module, rule and reason, 2 when asked wrongly", () => {
  expect(checked({})).toEqual({ exitCode: 0, said: "tidy\n", complained: "" });
  const wrong = `${OPENING}\nimport { DBOS } from "@dbos-inc/dbos-sdk";\n`;
  const { exitCode, said } = checked({ "packages/concord/src/core/main.ts": wrong });
  expect(exitCode).toBe(1);
  expect(said).toContain(
    "packages/concord/src/core/main.ts:3: only packages/concord/src/runtime/dbos may import @dbos-inc/dbos-sdk: the durable runtime is replaceable (spec §41) [sole-importer]\n",
  );
  for (const flags of [["--fix"], ["/nowhere"], [".", "more"]]) {
    expect(checked({}, flags)).toMatchObject({ exitCode: 2, said: "" });
  }
});

test("X-51 an engine that is tried out is named, and only adapters may import it; what is no program is a finding", () => {
  const files = {
    "package.json": '{ "name": "example", "dependencies": { "inngest": "1" } }',
    "packages/concord/src/domain/main.ts": `${OPENING}import { Inngest } from "inngest/node";\n`,
    "packages/concord/src/runtime/inngest/main.ts": `${OPENING}import { Inngest } from "inngest";\n`,
  };
  expect(checked(files).exitCode).toBe(0);
  const { exitCode, said } = checked(files, ["--extra-runtime=inngest"]);
  expect(exitCode).toBe(1);
  expect(said).toContain(
    "domain/main.ts:2: only packages/concord/src/runtime may import inngest/node",
  );
  expect(said).not.toContain("runtime/inngest/main.ts");
  const broken = checked({ "packages/podium/src/main.ts": `${OPENING}export const = ;` });
  expect([broken.exitCode, broken.said]).toEqual([1, expect.stringContaining("[parsable]")]);
  expect(checked(files, ["--extra-runtime="]).exitCode).toBe(2);
});

test("BND-3 it runs first of all that is checked with every commit", async () => {
  const text = await Bun.file(`${import.meta.dir}/../check.ts`).text();
  const [, first] = /const steps[^=]*= \[\s*\{ name: "([^"]+)"/.exec(text) ?? [];
  expect(first).toBe("boundaries and tidy");
  const ci = await Bun.file(`${import.meta.dir}/../../.ci/run`).text();
  expect(ci.indexOf("npm run --silent check")).toBeGreaterThan(0);
  expect(ci.indexOf("npm run --silent check")).toBeLessThan(ci.indexOf("npm test"));
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

test("this repository keeps its rules", () => {
  expect(rules.inspect(readProject(`${import.meta.dir}/../..`))).toEqual([]);
});
