/** `npm run check`: format, lint, types, boundaries and tidy rules, in one word. Stops at nothing: every finding is shown. */
import { Glob } from "bun";

const ROOT = `${import.meta.dir}/..`;
const projects = [
  ...new Glob("{packages,examples}/*/tsconfig.json").scanSync(ROOT),
  ...new Glob("{bench,test,scripts}/tsconfig.json").scanSync(ROOT),
].sort();

const steps: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: "boundaries and tidy", command: [process.execPath, "scripts/tidy/main.ts"] },
  {
    name: "format and lint",
    command: ["node", "node_modules/@biomejs/biome/bin/biome", "ci", "."],
  },
  ...projects.map((project) => ({
    name: `types ${project}`,
    command: ["node", "node_modules/typescript/bin/tsc", "-p", project],
  })),
  { name: "requirements in tests", command: [process.execPath, "scripts/requirements.ts"] },
];

let failed = 0;
for (const { name, command } of steps) {
  const startedAt = performance.now();
  const { exitCode } = Bun.spawnSync([...command], {
    cwd: ROOT,
    stdout: "inherit",
    stderr: "inherit",
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(`${exitCode === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)\n`);
  if (exitCode !== 0) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);
