/**
 * `bun scripts/tidy/main.ts [--extra-runtime=<package>…] [folder]`: prints every finding of the tidy rules as
 * `file:line: what and why [rule]`. An extra runtime is an engine that only adapters may import. Needs no installed
 * package. Ends with 0 when all is well, 1 with findings, 2 when it is asked wrongly.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { readProject } from "./project.ts";
import { extraRuntimes, inspect } from "./rules.ts";

const EXTRA_RUNTIME = /^--extra-runtime=(.+)$/;

function main(given: readonly string[]): number {
  const engines = given.flatMap((one) => EXTRA_RUNTIME.exec(one)?.[1] ?? []);
  const [folder = join(import.meta.dir, "../.."), ...rest] = given.filter(
    (one) => !EXTRA_RUNTIME.test(one),
  );
  if (rest.length > 0 || folder.startsWith("-") || !existsSync(join(folder, ".git"))) {
    process.stderr.write(
      "usage: bun scripts/tidy/main.ts [--extra-runtime=<package>] [folder of a git repository]\n",
    );
    return 2;
  }
  const project = readProject(resolve(folder));
  const findings = [...inspect(project), ...extraRuntimes(project, engines)];
  for (const { rule, path, line, message } of findings) {
    const at = line === undefined ? path : `${path}:${line}`;
    process.stdout.write(`${at}: ${message} [${rule}]\n`);
  }
  process.stdout.write(findings.length === 0 ? "tidy\n" : `${findings.length} things to mend\n`);
  return findings.length === 0 ? 0 : 1;
}

process.exit(main(process.argv.slice(2)));
