/** Which level of tests covers which subject, read from the requirement ids in the names of tests. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import config from "../vitest.config.ts";
import { LEVELS, type Level, levelOf, testFiles } from "./support/levels.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

interface TestFile {
  readonly path: string;
  readonly text: string;
  /** Ids at the heads of the names of its tests. */
  readonly ids: ReadonlySet<string>;
}

function testsUnder(folder: string): readonly TestFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && one.name.endsWith(".test.ts"))
    .map((one) => join(one.parentPath, one.name))
    .filter((path) => !path.includes("node_modules"))
    .map((path) => {
      const text = readFileSync(path, "utf8");
      const heads = [...text.matchAll(/["'`]((?:[A-Z]{1,3}-\d+ )+)/g)].map(([, head = ""]) => head);
      return { path, text, ids: new Set(heads.flatMap((head) => head.trim().split(" "))) };
    });
}

/** The subjects of `wanted` that no file of `files` has in the name of a test. */
function uncovered(files: readonly TestFile[], wanted: Readonly<Record<string, string>>) {
  return Object.entries(wanted).filter(([, id]) => !files.some(({ ids }) => ids.has(id)));
}

test("TST-1 X-34 five levels, every test file on one of them, and each can be run by itself", () => {
  const files = testFiles();
  const projects = config.test?.projects as readonly {
    readonly test: { readonly name: Level; readonly include: readonly string[] };
  }[];
  expect(projects.map(({ test: { name } }) => name)).toEqual([
    "unit",
    "boundary",
    "integration",
    "workflow",
    "safety",
  ]);
  for (const { test: project } of projects) expect(project.include).not.toEqual([]);
  const all = projects.flatMap(({ test: { include } }) => include);
  expect([...all].sort()).toEqual([...files].sort());
  const runner = readFileSync(join(ROOT, "scripts/test.ts"), "utf8");
  for (const level of LEVELS) expect(runner).toContain(`"${level}"`);
  // What needs a database or an engine is no unit test.
  const units = files.filter((one) => levelOf(one) === "unit");
  for (const path of units) {
    const text = readFileSync(join(ROOT, "packages/concord", path), "utf8");
    expect([path, /startTestPostgres|startHarness|createConcord\(/.test(text)]).toEqual([
      path,
      false,
    ]);
  }
});

test("TST-2 pure tests cover transitions, mapping, policy decisions, plans and keys", () => {
  const pure = ["core", "domain"].flatMap((room) => testsUnder(`packages/concord/src/${room}`));
  for (const { path, text } of pure) {
    expect([path, /startTestPostgres|startHarness/.test(text)]).toEqual([path, false]);
  }
  const wanted = {
    transitions: "STM-1",
    mapping: "PLN-1",
    decisions: "POL-5",
    plans: "PLN-3",
    keys: "CMD-16",
  };
  expect(uncovered(pure, wanted)).toEqual([]);
});

test("TST-3 tests over a real Postgres cover rows, queues, repeated attempts, resuming after a decision, and calls", () => {
  const integrated = testsUnder("packages/concord/test").filter(({ text }) =>
    /startTestPostgres|startHarness/.test(text),
  );
  const wanted = {
    rows: "CMD-25",
    queues: "X-10",
    attempts: "RTY-4",
    resuming: "APR-6",
    calls: "CON-6",
  };
  expect(uncovered(integrated, wanted)).toEqual([]);
});

test("TST-4 whole ways are walked: a report, a publication behind a gate, a webhook twice, an agent that has to ask", () => {
  const agents = testsUnder("packages/concord/test").filter(({ path }) => /agent-turn/.test(path));
  const whole = [...testsUnder("examples"), ...testsUnder("packages/concord/test")];
  expect(uncovered(whole, { report: "EX-1", publication: "EX-3", webhook: "API-9" })).toEqual([]);
  expect(uncovered(agents, { asking: "APR-6" })).toEqual([]);
});
