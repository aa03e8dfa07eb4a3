/** Owns the Concord server as a process of its own on Bun, so that tests can kill it the hard way. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { freePort } from "@concert/postgres-host";

const BUN = fileURLToPath(new URL("../../../../node_modules/.bin/bun", import.meta.url));
const MAIN = fileURLToPath(new URL("../../src/server/main.ts", import.meta.url));
const CONTRACTS = fileURLToPath(new URL("./contracts.ts", import.meta.url));

export const KEYS = { anna: "key-anna", fred: "key-fred", eve: "key-eve" };
const API_KEYS = `${KEYS.anna}=t1:anna::buy,${KEYS.fred}=t1:fred:finance,${KEYS.eve}=t2:eve:owner:buy`;

export interface ServerProcess {
  readonly url: string;
  start(): Promise<void>;
  /** SIGKILL: no goodbye, as a power cut. */
  kill(): Promise<void>;
}

export async function serverProcess(
  databaseUrl: string,
  env: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
  contracts: string = CONTRACTS,
): Promise<ServerProcess> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  let said = "";
  return {
    url,
    start: async () => {
      const all = [
        `--listen=127.0.0.1:${port}`,
        `--database-url=${databaseUrl}`,
        `--contracts=${contracts}`,
        `--api-keys=${API_KEYS}`,
        ...flags,
      ];
      child = spawn(BUN, [MAIN, ...all], {
        env: { ...process.env, ...env, LOG_LEVEL: "warn" },
        stdio: ["ignore", "ignore", "pipe"],
      });
      child.stderr?.on("data", (chunk) => {
        said += String(chunk);
      });
      await untilReady(
        url,
        () => child?.exitCode ?? null,
        () => said,
      );
    },
    kill: async () => {
      if (child === undefined || child.exitCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
      child = undefined;
    },
  };
}

async function untilReady(url: string, exited: () => number | null, said: () => string) {
  for (;;) {
    const ready = await fetch(`${url}/ready`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return;
    if (exited() !== null) throw new Error(`the server ended: ${said()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
