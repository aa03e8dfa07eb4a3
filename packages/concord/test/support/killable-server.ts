/** Owns a Concord server that can be told at which durable moment to die, and that comes back at once when it did. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { freePort } from "@concert/postgres-host";

const ROOT = new URL("../../../../", import.meta.url);
export const BUN = fileURLToPath(new URL("node_modules/.bin/bun", ROOT));
const MAIN = fileURLToPath(new URL("./killable-main.ts", import.meta.url));

export interface KillableServer {
  readonly url: string;
  /** How often it died since it was started. */
  readonly deaths: number;
  /** Forgets what it counted. `never` only counts. */
  arm(when: "before" | "after" | "never", at?: number): Promise<void>;
  /** The durable moments since it was armed, or since it came back. */
  moments(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export interface KillableOptions {
  readonly databaseUrl: string;
  readonly contracts: readonly string[];
  readonly apiKeys: string;
  readonly env: Readonly<Record<string, string>>;
}

export async function startKillableServer(options: KillableOptions): Promise<KillableServer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const flags = [
    `--listen=127.0.0.1:${port}`,
    `--database-url=${options.databaseUrl}`,
    `--contracts=${options.contracts.join(",")}`,
    `--api-keys=${options.apiKeys}`,
  ];
  const state = { deaths: 0, isStopping: false, said: "" };
  let child: ChildProcess;
  let lines: Interface;
  const launch = () => {
    child = spawn(BUN, [MAIN, ...flags], {
      env: { ...process.env, ...options.env, LOG_LEVEL: "fatal" },
      stdio: ["pipe", "pipe", "pipe"],
    });
    // A pipe to a process that just died breaks: that is what is tested.
    child.stdin?.on("error", () => undefined);
    child.stderr?.on("data", (chunk) => {
      state.said = `${state.said}${String(chunk)}`.slice(-4_000);
    });
    if (child.stdout === null) throw new Error("the server has no stdout");
    lines = createInterface({ input: child.stdout });
    child.once("exit", (code) => {
      if (state.isStopping) return;
      if (code !== null) throw new Error(`the server ended by itself (${code}): ${state.said}`);
      state.deaths += 1;
      launch();
    });
  };
  launch();
  await untilReady(url);
  const ask = async (order: string): Promise<readonly string[]> => {
    const answer = once(lines, "line");
    child.stdin?.write(`${order}\n`);
    const [text] = (await answer) as [string];
    return JSON.parse(text) as readonly string[];
  };
  return {
    url,
    get deaths() {
      return state.deaths;
    },
    arm: async (when, at = 0) => void (await ask(`arm ${when} ${at}`)),
    moments: () => ask("report"),
    stop: async () => {
      state.isStopping = true;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
}

const READY_WITHIN_MS = 60_000;

export async function untilReady(url: string): Promise<void> {
  const deadlineMs = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const isReady = await fetch(`${url}/ready`).then(
      (response) => response.ok,
      () => false,
    );
    if (isReady) return;
    if (Date.now() > deadlineMs) throw new Error(`${url} is not ready`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
