/**
 * `npm test`: every suite on the platform its code runs on, and real totals over all of them.
 * `npm test -- <word>` runs only the suites whose name contains the word, `npm test -- concord-safety` one level of Concord's. Two run at a time; a line begins with its suite.
 * Many tests kill real processes on machines that are busy with others. A suite in which at most three tests fail is
 * therefore run once more, alone: what fails again has failed, what passes is listed as unsteady, to be mended.
 * `CI_REQUIRE_ALL=1` makes a skipped test a failure: there, everything it needs must be installed.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { type Report, readRun } from "./test-report.ts";

interface Suite {
  readonly name: string;
  readonly runner: "bun" | "vitest";
  /** A folder for Bun; a package with a vitest.config.ts for Vitest. */
  readonly path: string;
  /** One of the projects of that configuration; all without. */
  readonly project?: string;
}
const ROOT = join(import.meta.dir, "..");
/** Bun's own budget for one test that sets none. */
const TEST_TIMEOUT_MS = 30_000;
/** A suite with more failures than this is broken, not unsteady. */
const UNSTEADY_AT_MOST = 3;
const KEPT_OUTPUT_CHARS = 200_000;
const PIPE_GRACE_MS = 2_000;

/** The longest first, so that the lanes end together. */
const SUITES: readonly Suite[] = [
  { name: "concord", runner: "vitest", path: "packages/concord" },
  { name: "concordance", runner: "bun", path: "packages/concordance" },
  { name: "diminuendo", runner: "bun", path: "packages/diminuendo" },
  { name: "system", runner: "bun", path: "test" },
  { name: "cli", runner: "bun", path: "packages/cli" },
  { name: "examples", runner: "bun", path: "examples" },
  { name: "podium", runner: "bun", path: "packages/podium" },
  { name: "ensemble", runner: "bun", path: "packages/ensemble" },
  { name: "console", runner: "vitest", path: "packages/console" },
  { name: "postgres-host", runner: "bun", path: "packages/postgres-host" },
  { name: "sdk", runner: "vitest", path: "packages/sdk" },
  { name: "sdk-sockets", runner: "bun", path: "packages/sdk/test" },
  { name: "scripts", runner: "bun", path: "scripts" },
  { name: "service-kit", runner: "bun", path: "packages/service-kit" },
  { name: "console-server", runner: "bun", path: "packages/console/test" },
];
/** Parts of a suite, for who asks for one by its whole name: the levels of Concord's tests (TST-1). */
const PARTS: readonly Suite[] = ["unit", "boundary", "integration", "workflow", "safety"].map(
  (project) => ({
    name: `concord-${project}`,
    runner: "vitest",
    path: "packages/concord",
    project,
  }),
);
/** Suites side by side: much of what they do is waiting for processes, and for time to pass. */
const LANES = Math.min(2, availableParallelism());

const wanted = process.argv[2] ?? "";
const part = PARTS.filter((suite) => suite.name === wanted);
const chosen = part.length > 0 ? part : SUITES.filter((suite) => suite.name.includes(wanted));
if (chosen.length === 0) {
  process.stderr.write(
    `no suite is called "${wanted}"; there are ${[...SUITES, ...PARTS].map((suite) => suite.name).join(", ")}\n`,
  );
  process.exit(2);
}

const requireAll = process.env["CI_REQUIRE_ALL"] === "1";
const reports = mkdtempSync(join(tmpdir(), "concert-report-"));
interface Ran {
  readonly suite: Suite;
  report: Report;
  seconds: number;
}
const total = { passed: 0, failed: 0, skipped: 0 };
const unsteady: string[] = [];
const runs: Ran[] = [];
const waiting = [...chosen];
await Promise.all(Array.from({ length: LANES }, lane));
for (const ran of runs) await onceMore(ran);
const failed = runs.flatMap(({ suite, report }) => describe(suite, report));
const rows = chosen.map(({ name }) => {
  const ran = runs.find(({ suite }) => suite.name === name);
  if (ran === undefined) throw new Error(`${name} did not run`);
  const { passed, failed: bad, skipped } = ran.report;
  total.passed += passed;
  total.failed += bad;
  total.skipped += skipped;
  return `${name.padEnd(14)} ${passed} passed, ${bad} failed, ${skipped} skipped (${ran.seconds.toFixed(1)} s)`;
});
rmSync(reports, { recursive: true });
if (unsteady.length > 0)
  process.stdout.write(`\nUnsteady, passed only when run again:\n${unsteady.join("\n")}\n`);
if (failed.length > 0) process.stdout.write(`\nFailed:\n${failed.join("\n")}\n`);
process.stdout.write(`\n${rows.join("\n")}\n`);
if (requireAll && total.skipped > 0) {
  process.stdout.write(
    `${total.skipped} skipped tests count as failed: CI_REQUIRE_ALL=1 says that nothing may be missing here\n`,
  );
  total.failed += total.skipped;
}
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

async function lane(): Promise<void> {
  for (let suite = waiting.shift(); suite !== undefined; suite = waiting.shift()) {
    process.stdout.write(`── ${suite.name} begins\n`);
    const startedAt = performance.now();
    const report = await run(suite);
    const seconds = (performance.now() - startedAt) / 1000;
    runs.push({ suite, report, seconds });
    const { passed, failed: bad } = report;
    process.stdout.write(`── ${suite.name} ends: ${passed} passed, ${bad} failed\n`);
  }
}

/** After everything else, so that a suite that was only disturbed has the machine to itself. */
async function onceMore(ran: Ran): Promise<void> {
  const { suite, report } = ran;
  if (report.failed === 0 || report.failed > UNSTEADY_AT_MOST) return;
  process.stdout.write(`── ${suite.name}, once more: ${report.failed} failed\n`);
  const second = await run(suite);
  if (second.failed === 0) unsteady.push(...describe(suite, report));
  ran.report = second;
}

function describe(suite: Suite, report: Report): string[] {
  return report.failures.map(
    ({ file, test, message }) =>
      `  ${suite.name} ${file} > ${test}\n${message.replace(/^/gm, "      ")}`,
  );
}

async function run(suite: Suite): Promise<Report> {
  const path = join(reports, `${suite.name}.xml`);
  rmSync(path, { force: true });
  const runner = Bun.spawn(suite.runner === "bun" ? bunTest(suite, path) : vitest(suite, path), {
    cwd: ROOT,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, NODE_ENV: "test" },
  });
  const tails = [show(suite.name, runner.stdout), show(suite.name, runner.stderr)];
  const exitCode = await runner.exited;
  // A process that a test left behind keeps the pipe open; the verdict does not wait for it.
  await Promise.race([Promise.all(tails.map((tail) => tail.ended)), Bun.sleep(PIPE_GRACE_MS)]);
  const xml = existsSync(path) ? readFileSync(path, "utf8") : null;
  return readRun(xml, exitCode, tails.map((tail) => tail.text()).join("\n"));
}

/** Passes a runner's lines on as they come, with its name before each, and keeps its end. */
function show(
  name: string,
  stream: ReadableStream<Uint8Array>,
): { ended: Promise<void>; text: () => string } {
  const decoder = new TextDecoder();
  let kept = "";
  let line = "";
  const pass = async () => {
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true });
      kept = (kept + text).slice(-KEPT_OUTPUT_CHARS);
      const lines = (line + text).split("\n");
      line = lines.pop() ?? "";
      for (const one of lines) process.stdout.write(`${name.padEnd(14)} ${one}\n`);
    }
    if (line !== "") process.stdout.write(`${name.padEnd(14)} ${line}\n`);
  };
  return { ended: pass(), text: () => kept };
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
    ...(suite.project === undefined ? [] : ["--project", suite.project]),
    "--reporter=default",
    "--reporter=junit",
    `--outputFile.junit=${report}`,
  ];
}
