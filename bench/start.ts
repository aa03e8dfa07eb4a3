/**
 * Measures a start as somebody waits for it: `concert up` as a process, from the command to the line that
 * names the console; first on no data, then on the data of the first run. Then the memory of every idle
 * process. Everything is installed and built before the clock starts.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freeAddresses, REPOSITORY, readRunState } from "@concert/cli/stack";
import { memoryOf } from "./support/memory.ts";
import { milliseconds, table } from "./support/table.ts";

const READY_LINE = "Concert is running:";
/** Long enough for start-up work and garbage to settle. */
const SETTLE_MS = 5_000;

/** The result as Markdown. */
export async function benchStart(): Promise<string> {
  const dataDir = mkdtempSync(join(tmpdir(), "concert-bench-"));
  try {
    const cold = await startOnce(dataDir, async () => "");
    const warm = await startOnce(dataDir, async (pid) => {
      await Bun.sleep(SETTLE_MS);
      return memoryTable(dataDir, pid);
    });
    const times = table(
      ["Start, command to console", "time"],
      [
        ["cold: no data", milliseconds(cold.startMs)],
        ["warm: existing data", milliseconds(warm.startMs)],
      ],
    );
    return `${times}\n\n${warm.result}`;
  } finally {
    rmSync(dataDir, { recursive: true });
  }
}

async function startOnce<T>(dataDir: string, whileRunning: (pid: number) => Promise<T>) {
  const addresses = await freeAddresses();
  const ports = Object.entries(addresses).map(([name, { port }]) => `--${name}-port=${port}`);
  const startedMs = performance.now();
  const child = Bun.spawn(
    [process.execPath, "packages/cli/src/main.ts", "up", `--data-dir=${dataDir}`, ...ports],
    { cwd: REPOSITORY, stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  try {
    await lineSeen(child.stdout, READY_LINE);
    const startMs = performance.now() - startedMs;
    return { startMs, result: await whileRunning(child.pid) };
  } finally {
    child.kill("SIGTERM");
    await child.exited;
  }
}

async function lineSeen(stream: ReadableStream<Uint8Array>, text: string): Promise<void> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let seen = "";
  while (!seen.includes(text)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`concert up ended early:\n${seen}`);
    seen += decoder.decode(value, { stream: true });
  }
  // Whatever else it prints must not fill the pipe.
  void (async () => {
    while (!(await reader.read()).done);
  })();
}

function memoryTable(dataDir: string, supervisorPid: number): string {
  const services = Object.entries(readRunState(dataDir)?.services ?? {});
  const rows = services.flatMap(([name, { pid }]) => (pid === null ? [] : [row(name, pid)]));
  return table(
    ["Idle process", "resident", "with its children, shared pages once"],
    // The supervisor's own children are the other rows.
    [["supervisor", mib(memoryOf(supervisorPid).rssMib), ""], ...rows],
  );
}

function row(name: string, pid: number): readonly string[] {
  const { rssMib, treePssMib } = memoryOf(pid);
  return [name, mib(rssMib), mib(treePssMib)];
}

function mib(value: number): string {
  return `${value.toFixed(0)} MiB`;
}
