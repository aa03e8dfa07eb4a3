/** Prints every finding of the tidy rules and exits 1 if there is one. */
import { readProject } from "./project.ts";
import { inspect } from "./rules.ts";

const findings = inspect(readProject(`${import.meta.dir}/../..`));
for (const { rule, path, message } of findings)
  process.stdout.write(`${path}: ${message} [${rule}]\n`);
process.stdout.write(findings.length === 0 ? "tidy\n" : `${findings.length} things to mend\n`);
process.exit(findings.length === 0 ? 0 : 1);
