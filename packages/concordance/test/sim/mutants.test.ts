import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MUTANTS, type Mutant } from "./mutants.ts";

const PACKAGE = join(import.meta.dir, "../..");
const MODULES = join(PACKAGE, "../../node_modules");
/** The program changes, and with it what a seed meets: then the next ones are tried. */
const MORE_SEEDS = 60;
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "concordance-mutants-"));
  cpSync(PACKAGE, join(folder, "package"), { recursive: true });
  symlinkSync(MODULES, join(folder, "node_modules"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the mistake leads to, in a process of its own that runs a copy of the source. */
async function consequenceOf({ file, find, replace, caughtBy }: Mutant): Promise<string> {
  const path = join(folder, "package", file);
  const source = readFileSync(path, "utf8");
  expect(source.split(find), `${file} holds it once: ${find}`).toHaveLength(2);
  writeFileSync(
    path,
    source.replace(find, () => replace),
  );
  try {
    if ("file" in caughtBy) return await run(["test", `./${caughtBy.file}`, "-t", caughtBy.test]);
    return await run(["-e", firstViolation(caughtBy.seed)]);
  } finally {
    writeFileSync(path, source);
  }
}

function firstViolation(seed: number): string {
  return `
    const { simulate } = await import("./test/sim/run.ts");
    const seeds = [${seed}, ...Array.from({ length: ${MORE_SEEDS} }, (_, i) => i + 1)];
    for (const seed of seeds) {
      try { simulate(seed); } catch (error) { console.log("seed", seed, String(error)); break; }
    }`;
}

async function run(args: readonly string[]): Promise<string> {
  const child = Bun.spawn([process.execPath, ...args], {
    cwd: join(folder, "package"),
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, CI_REQUIRE_ALL: "" },
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  return out + err;
}

describe("each pitfall, made on purpose, is caught", () => {
  for (const mutant of MUTANTS) {
    const { pitfall, mistake, caughtBy } = mutant;
    test(`pitfall ${pitfall}: ${mistake}`, async () => {
      const seen = await consequenceOf(mutant);
      if ("file" in caughtBy) {
        expect(seen).toMatch(/[1-9]\d* fail/);
        expect(seen).toContain("(fail)");
      } else expect(seen).toMatch(caughtBy.law);
      if (process.env["SHOW"] === "1") process.stdout.write(`  ${seen.split("\n")[0]}\n`);
    }, 120_000);
  }

  test("the table leaves none of the 40 out", () => {
    const numbers = new Set(MUTANTS.map(({ pitfall }) => pitfall));
    expect([...numbers].toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
  });
});
