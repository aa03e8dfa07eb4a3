/** The supervisor over real processes: order, crash and restart, hopeless starts, stopping by force. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { httpProbe } from "../src/stack/probes.ts";
import { type PhaseChange, type ProcessSpec, StartFailed } from "../src/supervisor/process-spec.ts";
import { Supervisor } from "../src/supervisor/Supervisor.ts";

const TIMEOUT_MS = 60_000;
let folder: string;
let changes: PhaseChange[];
let supervisor: Supervisor | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "concert-supervisor-"));
  changes = [];
});

afterEach(async () => {
  supervisor?.killAll();
  await supervisor?.stop();
  rmSync(folder, { recursive: true });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}

async function small(name: string, extra: Partial<ProcessSpec> & { args?: string[] } = {}) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const { args = [], ...rest } = extra;
  const entry = join(import.meta.dirname, "small-service.ts");
  const spec: ProcessSpec = {
    name,
    command: [process.execPath, entry, `--listen=127.0.0.1:${port}`, ...args],
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "" },
    dependsOn: [],
    probe: httpProbe(`${url}/health`),
    startTimeoutMs: 20_000,
    ...rest,
  };
  return { spec, url };
}

function supervise(specs: ProcessSpec[]): Supervisor {
  supervisor = new Supervisor(specs, {
    logDir: join(folder, "logs"),
    onChange: (change) => void changes.push(change),
  });
  return supervisor;
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const firstAt = (name: string, phase: string) =>
  changes.findIndex((change) => change.name === name && change.phase === phase);

test(
  "starts what is needed first, and stops in the reverse order",
  async () => {
    const [base, upper] = [await small("base"), await small("upper", { dependsOn: ["base"] })];
    const running = supervise([base.spec, upper.spec]);
    await running.start();
    expect(firstAt("upper", "starting")).toBeGreaterThan(firstAt("base", "healthy"));
    const pids = running.all().map((one) => one.pid);
    await running.stop();
    expect(firstAt("base", "stopping")).toBeGreaterThan(firstAt("upper", "stopped"));
    expect(pids.map(isAlive)).toEqual([false, false]);
  },
  TIMEOUT_MS,
);

test(
  "a crashed child comes back as another process, and waits longer the second time",
  async () => {
    const { spec, url } = await small("fragile");
    const running = supervise([spec]);
    await running.start();
    const one = running.process("fragile");
    const firstPid = one.pid;
    // It dies instead of answering.
    await fetch(`${url}/crash`).catch(() => undefined);
    await one.waitHealthy();
    while (one.restarts < 1) await Bun.sleep(10);
    await one.waitHealthy();
    expect(one.pid).not.toBe(firstPid);
    expect(isAlive(firstPid)).toBe(false);
    await one.kill("SIGKILL");
    await one.waitHealthy();
    const told = changes.filter(({ phase }) => phase === "backing_off").map(({ detail }) => detail);
    expect(told).toEqual([
      "exit code 7; starting again in 0.2 s",
      "ended by SIGKILL; starting again in 0.4 s",
    ]);
  },
  TIMEOUT_MS,
);

test(
  "R3 a start that never becomes healthy ends with the last log lines, and leaves nothing running",
  async () => {
    const good = await small("good");
    const bad = await small("bad", { args: [`--start-file=${join(folder, "missing")}`] });
    const running = supervise([good.spec, bad.spec]);
    const failure = await running.start().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(StartFailed);
    expect(String(failure)).toContain("small-service: the start file is missing");
    expect(String(failure)).toContain(join(folder, "logs", "bad.log"));
    const failures = changes.filter(({ name, phase }) => name === "bad" && phase === "backing_off");
    expect(failures).toHaveLength(5);
    expect(running.all().map((one) => one.pid)).toEqual([undefined, undefined]);
  },
  TIMEOUT_MS,
);

test(
  "a start may fail a few times and still succeed",
  async () => {
    const startFile = join(folder, "late");
    const { spec } = await small("late", { args: [`--start-file=${startFile}`] });
    const running = supervise([spec]);
    const started = running.start();
    while (firstAt("late", "backing_off") < 0) await Bun.sleep(10);
    writeFileSync(startFile, "");
    await started;
    expect(running.process("late").phase).toBe("healthy");
  },
  TIMEOUT_MS,
);

test(
  "an attempt that does not answer in time is ended by force and tried again",
  async () => {
    let answers = 0;
    const { spec, url } = await small("deaf", { args: ["--ignore-term"], startTimeoutMs: 2_000 });
    const probe = httpProbe(`${url}/health`);
    const hears = () => changes.some(({ phase }) => phase === "backing_off");
    const running = supervise([
      {
        ...spec,
        probe: async () => {
          answers += 1;
          return hears() ? probe() : { ready: false, missing: "patience" };
        },
      },
    ]);
    await running.start();
    expect(answers).toBeGreaterThan(1);
    expect(running.process("deaf").restarts).toBe(1);
    expect(changes.some(({ detail }) => detail === "patience")).toBe(true);
  },
  TIMEOUT_MS,
);

test(
  "what does not end when asked is ended by force",
  async () => {
    const { spec } = await small("stubborn", { args: ["--ignore-term"] });
    const running = supervise([spec]);
    await running.start();
    const { pid } = running.process("stubborn");
    await running.process("stubborn").stop(500);
    expect(isAlive(pid)).toBe(false);
  },
  TIMEOUT_MS,
);
