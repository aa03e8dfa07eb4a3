/**
 * `npm test`: every suite on the platform its code runs on, and real totals over all of them.
 * `npm test -- <word>` runs only the suites whose name contains the word.
 * `CI_REQUIRE_ALL=1` makes a skipped test a failure: there, everything it needs must be installed.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Suite {
  readonly name: string;
  readonly runner: "bun" | "vitest";
  /** A folder for Bun; a package with a vitest.config.ts for Vitest. */
  readonly path: string;
}
interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const ROOT = join(import.meta.dir, "..");
/** Bun's own budget for one test that sets none. */
const TEST_TIMEOUT_MS = 30_000;

const SUITES: readonly Suite[] = [
  { name: "scripts", runner: "bun", path: "scripts" },
  { name: "service-kit", runner: "bun", path: "packages/service-kit" },
  { name: "concordance", runner: "bun", path: "packages/concordance" },
  { name: "concord", runner: "vitest", path: "packages/concord" },
  { name: "ensemble", runner: "bun", path: "packages/ensemble" },
  { name: "podium", runner: "bun", path: "packages/podium" },
  { name: "diminuendo", runner: "bun", path: "packages/diminuendo" },
  { name: "sdk", runner: "vitest", path: "packages/sdk" },
  { name: "sdk-sockets", runner: "bun", path: "packages/sdk/test" },
  { name: "console", runner: "vitest", path: "packages/console" },
  { name: "console-server", runner: "bun", path: "packages/console/test" },
  { name: "cli", runner: "bun", path: "packages/cli" },
  { name: "examples", runner: "bun", path: "examples" },
  { name: "system", runner: "bun", path: "test" },
];

const wanted = process.argv[2] ?? "";
const chosen = SUITES.filter((suite) => suite.name.includes(wanted));
if (chosen.length === 0) {
  process.stderr.write(
    `no suite is called "${wanted}"; there are ${SUITES.map((suite) => suite.name).join(", ")}\n`,
  );
  process.exit(2);
}

const requireAll = process.env["CI_REQUIRE_ALL"] === "1";
const reports = mkdtempSync(join(tmpdir(), "concert-report-"));
let total: Totals = { passed: 0, failed: 0, skipped: 0 };
const rows: string[] = [];
for (const suite of chosen) {
  process.stdout.write(`\n── ${suite.name}\n`);
  const startedAt = performance.now();
  const totals = run(suite);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  rows.push(
    `${suite.name.padEnd(14)} ${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped (${seconds} s)`,
  );
  total = {
    passed: total.passed + totals.passed,
    failed: total.failed + totals.failed,
    skipped: total.skipped + totals.skipped,
  };
}
rmSync(reports, { recursive: true });
process.stdout.write(`\n${rows.join("\n")}\n`);
if (requireAll && total.skipped > 0) {
  process.stdout.write(
    `${total.skipped} skipped tests count as failed: CI_REQUIRE_ALL=1 says that nothing may be missing here\n`,
  );
  total = { passed: total.passed, failed: total.failed + total.skipped, skipped: 0 };
}
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

function run(suite: Suite): Totals {
  const report = join(reports, `${suite.name}.xml`);
  const command = suite.runner === "bun" ? bunTest(suite, report) : vitest(suite, report);
  const { exitCode } = Bun.spawnSync(command, {
    cwd: ROOT,
    stdout: "inherit",
    stderr: "inherit",
    env: { ...process.env, NODE_ENV: "test" },
  });
  const totals = existsSync(report)
    ? readReport(readFileSync(report, "utf8"))
    : { passed: 0, failed: 0, skipped: 0 };
  // A runner that broke before or after its tests has failed, whatever it counted.
  return exitCode !== 0 && totals.failed === 0 ? { ...totals, failed: 1 } : totals;
}

function bunTest(suite: Suite, report: string): string[] {
  return [
    process.execPath,
    "test",
    `--timeout=${TEST_TIMEOUT_MS}`,
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    `./${suite.path}/`,
  ];
}

function vitest(suite: Suite, report: string): string[] {
  return [
    "node",
    "node_modules/vitest/vitest.mjs",
    "run",
    "--root",
    suite.path,
    "--reporter=default",
    "--reporter=junit",
    `--outputFile.junit=${report}`,
  ];
}

/** Totals from the attributes of the root `<testsuites>` element of a JUnit report. */
function readReport(xml: string): Totals {
  const root = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? "";
  const attribute = (name: string) =>
    Number(new RegExp(`\\b${name}="(\\d+)"`).exec(root)?.[1] ?? 0);
  const failed = attribute("failures") + attribute("errors");
  const skipped = attribute("skipped") || (xml.match(/<skipped\b/g)?.length ?? 0);
  return { passed: attribute("tests") - failed - skipped, failed, skipped };
}
