/** Owns processes of a benchmark: spawned, measured through /proc, ended by their own handle. */
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { isAbsolute } from "node:path";
import type { Member } from "./subject.ts";

/** Of `/proc/<pid>/stat`; the same on every Linux that runs Bun. */
const TICKS_PER_SECOND = 100;

/** A benchmark that is interrupted takes its processes along. */
const running = new Set<Bun.Subprocess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

export function spawnMember(
  facts: Pick<Member, "name" | "url" | "dataDir">,
  command: readonly string[],
): Member {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  running.add(child);
  void child.exited.then(() => running.delete(child));
  return {
    ...facts,
    pid: child.pid,
    signal: (name) => child.kill(name),
    ended: child.exited,
  };
}

/** User and system time so far of all these processes, in milliseconds. */
export function cpuMsOf(members: readonly Pick<Member, "pid">[]): number {
  return members.reduce((sum, { pid }) => sum + cpuMs(pid), 0);
}

function cpuMs(pid: number): number {
  // The name in parentheses may hold anything; user and system time are the 12th and 13th field after it.
  const [, after = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(/\) (?=\S \d)/);
  const fields = after.split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
}

/** Ports nobody listens on now. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once("error", reject);
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            if (typeof address === "object" && address !== null) resolve(address.port);
            else reject(new Error("a TCP server has a port"));
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

/** Runs a tool to its end, with `settings` in its environment. Throws its standard error when it fails. */
export async function run(
  command: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<string> {
  const env = { ...process.env, ...settings };
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) === 0) return stdout;
  throw new Error(`${command[0]} failed: ${stderr || stdout}`);
}

/** Throws, with what to install, when a tool of the benchmark, or the file at a path, is not on this machine. */
export function assertInstalled(tools: Readonly<Record<string, string>>): void {
  const isThere = (tool: string) =>
    isAbsolute(tool) ? existsSync(tool) : Bun.which(tool) !== null;
  const missing = Object.entries(tools).filter(([tool]) => !isThere(tool));
  if (missing.length === 0) return;
  const names = missing.map(([tool]) => tool).join(", ");
  const packages = missing.map(([, name]) => name).join(" ");
  throw new Error(`bench: ${names} not found; on Debian: apt-get install ${packages}`);
}
