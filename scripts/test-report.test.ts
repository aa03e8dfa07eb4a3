import { describe, expect, test } from "bun:test";
import { readRun } from "./test-report.ts";

const BUN = `<testsuites name="bun test" tests="3" assertions="2" failures="1" skipped="1" time="0.1">
  <testsuite name="a.test.ts" file="a.test.ts" tests="3">
    <testcase name="holds" classname="" time="0.1" file="a.test.ts" line="1" assertions="1" />
    <testcase name="is &lt;less&gt;" classname="" file="a.test.ts" line="2">
      <failure type="AssertionError" message="expected&#10;2">Expected: 2&#10;Received: 1</failure>
    </testcase>
    <testcase name="waits" file="a.test.ts"><skipped /></testcase>
  </testsuite></testsuites>`;
const VITEST = `<testsuites name="vitest tests" tests="2" failures="0" errors="0" time="0.1">
  <testsuite name="x.test.ts" tests="2"><testcase classname="x.test.ts" name="one" time="0"></testcase>
  <testcase classname="x.test.ts" name="two" time="0"></testcase></testsuite></testsuites>`;

describe("a runner's report", () => {
  test("totals and the failing test with what it said", () => {
    expect(readRun(BUN, 1, "")).toEqual({
      passed: 1,
      failed: 1,
      skipped: 1,
      failures: [{ file: "a.test.ts", test: "is <less>", message: "Expected: 2\nReceived: 1" }],
    });
  });

  test("a clean run has no failures", () => {
    expect(readRun(VITEST, 0, "")).toEqual({ passed: 2, failed: 0, skipped: 0, failures: [] });
  });

  test("a runner that broke outside of its tests has failed, and is quoted from its heading", () => {
    const output = "\u001b[31mmuch\u001b[39m\n⎯ Unhandled Errors ⎯\nError: late\n";
    expect(readRun(VITEST, 1, output)).toEqual({
      passed: 2,
      failed: 1,
      skipped: 0,
      failures: [
        { file: "", test: "the runner itself", message: "⎯ Unhandled Errors ⎯\nError: late" },
      ],
    });
  });

  test("no report at all is a failure, quoted by its last words", () => {
    const report = readRun(null, 137, `${"line\n".repeat(100)}killed`);
    expect(report.failed).toBe(1);
    expect(report.failures[0]?.message.endsWith("killed")).toBe(true);
  });
});
