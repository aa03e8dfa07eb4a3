/**
 * `bun scripts/tidy/main.ts [folder]`: prints every finding of the tidy rules as `file:line: what and why [rule]`. Needs no
 * installed package. Ends with 0 when all is well, 1 with findings, 2 when it is asked wrongly.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { readProject } from "./project.ts";
import { inspect } from "./rules.ts";

function main(given: readonly string[]): number {
  const [folder = join(import.meta.dir, "../.."), ...rest] = given;
  if (rest.length > 0 || folder.startsWith("-") || !existsSync(join(folder, ".git"))) {
    process.stderr.write("usage: bun scripts/tidy/main.ts [folder of a git repository]\n");
    return 2;
  }
  const findings = inspect(readProject(resolve(folder)));
  for (const { rule, path, line, message } of findings) {
    const at = line === undefined ? path : `${path}:${line}`;
    process.stdout.write(`${at}: ${message} [${rule}]\n`);
  }
  process.stdout.write(findings.length === 0 ? "tidy\n" : `${findings.length} things to mend\n`);
  return findings.length === 0 ? 0 : 1;
}

process.exit(main(process.argv.slice(2)));
