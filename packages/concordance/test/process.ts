/** Owns real nodes for tests: temporary directories, free ports, processes ended by their own handle. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClientOptions, ConcordanceClient } from "../shared/client.ts";

const MAIN = join(import.meta.dir, "../service/main.ts");

export interface Node {
  readonly url: string;
  readonly pid: number;
  readonly client: ConcordanceClient;
  /** Another client of it, with options of its own. */
  clientFor(options: Omit<Partial<ClientOptions>, "url">): ConcordanceClient;
  /** Everything it has said on standard error. */
  log(): string;
  /** Its exit code once it has ended, null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** Ends the process and waits; answers its exit code (null when a signal ended it). */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null>;
}
export interface Run {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A directory that disappears when `use` is over. */
export async function inTemporaryDirectory(use: (path: string) => Promise<void>): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), "concordance-"));
  try {
    await use(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

/** Starts a node and waits until it says where it listens. Throws its standard error when it refuses. */
export function startNode(dataDir: string, ...flags: readonly string[]): Promise<Node> {
  return listening(spawnNode([`--data-dir=${dataDir}`, "--listen=127.0.0.1:0", ...flags]));
}

/** A node that may write files of at most so many 512-byte blocks, as on a disk that is full beyond. */
export function startCramped(dataDir: string, blocks: number, ...flags: readonly string[]) {
  // Ignored, the signal of the limit becomes an error of the write, as from a disk.
  const script = `trap '' XFSZ; ulimit -f ${blocks}; exec "$0" "$@"`;
  const all = [`--data-dir=${dataDir}`, ...flags];
  return listening(spawnNode(all, {}, ["/bin/sh", "-c", script]));
}

/** A Unison process over the server at `url`. */
export function startUnison(url: string, ...flags: readonly string[]): Promise<Node> {
  return listening(spawnNode([`--engine=${url}`, "--listen=127.0.0.1:0", ...flags]));
}

async function listening(child: ReturnType<typeof spawnNode>): Promise<Node> {
  let said = "";
  const reader = child.stderr.getReader();
  const readOn = async () => {
    const { done, value } = await reader.read();
    said += value === undefined ? "" : Buffer.from(value).toString();
    return !done;
  };
  while (await readOn()) {
    const address = /"address":"([^"]+)"/.exec(said)?.[1];
    if (address === undefined) continue;
    const rest = (async () => {
      while (await readOn());
    })();
    const url = `http://${address}`;
    const exited = child.exited.then(() => rest).then(() => child.exitCode);
    const end = (signal: "SIGTERM" | "SIGKILL") => {
      child.kill(signal);
      return exited;
    };
    const clientFor = (options: Omit<Partial<ClientOptions>, "url">) =>
      new ConcordanceClient({ url, apiKey: "dev", ...options });
    const { pid } = child;
    return { url, pid, client: clientFor({}), clientFor, log: () => said, exited, end };
  }
  throw new Error(`the node did not start: ${said}`);
}

/** Runs the program to its end, as a person at a terminal would. */
export async function runNode(
  flags: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const child = spawnNode(flags, env);
  child.stdin.end();
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { exitCode: await child.exited, stdout, stderr };
}

export function spawnNode(
  flags: readonly string[],
  env: Readonly<Record<string, string>> = {},
  wrapper: readonly string[] = [],
) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("CONC"));
  return Bun.spawn([...wrapper, process.execPath, MAIN, ...flags], {
    env: { ...Object.fromEntries(inherited), ...env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** Waits for a condition that the code under test brings about; fails loudly when it never does. */
export async function eventually(what: string, holds: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 1_000; attempt += 1) {
    if (holds()) return;
    await Bun.sleep(10);
  }
  throw new Error(`never happened: ${what}`);
}
