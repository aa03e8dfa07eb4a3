/**
 * Owns reading what a test runner left behind: totals and failures from its JUnit report, and, when it broke outside
 * of every test, the lines of its output that say why. Pure: text in, facts out.
 */

export interface Failure {
  /** Path of the test's file, relative to what the runner calls its root. */
  readonly file: string;
  readonly test: string;
  /** First lines of what the test said. */
  readonly message: string;
}
export interface Report {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly Failure[];
}

const MESSAGE_LINES = 8;
const OUTPUT_LINES = 25;
const EMPTY: Report = { passed: 0, failed: 0, skipped: 0, failures: [] };

/**
 * What one run amounts to. `xml` is null when the runner wrote no report. A runner that ended badly although no test of its
 * failed (an error after a test, a worker that died) counts as one failure, and its output is quoted.
 */
export function readRun(xml: string | null, exitCode: number, output: string): Report {
  const report = xml === null ? EMPTY : readJUnit(xml);
  if (exitCode === 0 || report.failed > 0) return report;
  const broken = { file: "", test: "the runner itself", message: endOf(output) };
  return { ...report, failed: 1, failures: [broken] };
}

/** Totals from the attributes of the root `<testsuites>` element, failures from its test cases. */
function readJUnit(xml: string): Report {
  const root = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? "";
  const count = (name: string) => Number(attribute(root, name) ?? 0);
  const failed = count("failures") + count("errors");
  const skipped = count("skipped") || (xml.match(/<skipped\b/g)?.length ?? 0);
  return { passed: count("tests") - failed - skipped, failed, skipped, failures: failuresIn(xml) };
}

function failuresIn(xml: string): Failure[] {
  const cases = xml.matchAll(/<testcase\b([^>]*[^/])>([\s\S]*?)<\/testcase>/g);
  return [...cases].flatMap(([, attributes = "", body = ""]) => {
    const failure = /<(?:failure|error)\b([^>]*)>([\s\S]*?)<\/(?:failure|error)>/.exec(body);
    if (failure === null) return [];
    const message = (failure[2] ?? "").trim() || (attribute(failure[1] ?? "", "message") ?? "");
    return [
      {
        file: attribute(attributes, "file") ?? attribute(attributes, "classname") ?? "",
        test: attribute(attributes, "name") ?? "",
        message: text(message).trim().split("\n").slice(0, MESSAGE_LINES).join("\n"),
      },
    ];
  });
}

/** What a broken runner said of it: from its last heading of errors when it has one, otherwise its last words. */
function endOf(output: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours are control characters.
  const lines = output.replace(/\u001b\[[0-9;]*m/g, "").split("\n");
  const heading = lines.findLastIndex((line) =>
    /Unhandled Error|Worker .*(exited|error)/i.test(line),
  );
  const from = heading === -1 ? Math.max(0, lines.length - OUTPUT_LINES) : heading;
  return lines
    .slice(from, from + OUTPUT_LINES)
    .join("\n")
    .trim();
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
  return found === undefined ? undefined : text(found);
}

function text(xml: string): string {
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return xml.replace(/&(?:#(\d+)|(\w+));/g, (whole, code?: string, name?: string) =>
    code === undefined ? (entities[name ?? ""] ?? whole) : String.fromCodePoint(Number(code)),
  );
}
