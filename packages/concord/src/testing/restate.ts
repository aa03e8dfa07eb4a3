/**
 * Owns a real Restate server for tests: a binary that is installed apart from the project, on free loopback ports, in a
 * temporary directory, telemetry off.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { freePort } from "@concert/postgres-host";

export interface TestRestate {
  readonly ingressUrl: string;
  readonly adminUrl: string;
  /** SIGKILL, then a start on the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const VARIABLE = "CONCORD_RESTATE_SERVER";
const READY_WITHIN_MS = 60_000;

/**
 * The server's binary: `CONCORD_RESTATE_SERVER`, else `restate-server` on the path, else undefined; tests then say so and
 * are skipped. Throws when the variable names no file.
 */
export function findRestateServer(): string | undefined {
  const named = process.env[VARIABLE];
  if (named !== undefined && !existsSync(named)) throw new Error(`${VARIABLE}: no file ${named}`);
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return named ?? folders.map((folder) => join(folder, "restate-server")).find(existsSync);
}

export async function startTestRestate(): Promise<TestRestate> {
  const binary = findRestateServer();
  if (binary === undefined) throw new Error(`no Restate server: set ${VARIABLE} to its binary`);
  const directory = await mkdtemp(join(tmpdir(), "concord-restate-"));
  const [ingress, admin, node] = [await freePort(), await freePort(), await freePort()];
  const [ingressUrl, adminUrl] = [`http://127.0.0.1:${ingress}`, `http://127.0.0.1:${admin}`];
  const env = {
    ...process.env,
    DO_NOT_TRACK: "1",
    RESTATE_DISABLE_TELEMETRY: "true",
    RESTATE_BASE_DIR: directory,
    RESTATE_NODE_NAME: "test",
    RESTATE_LISTEN_MODE: "tcp",
    RESTATE_BIND_IP: "127.0.0.1",
    RESTATE_BIND_PORT: String(node),
    RESTATE_INGRESS__BIND_PORT: String(ingress),
    RESTATE_ADMIN__BIND_PORT: String(admin),
    RESTATE_DEFAULT_NUM_PARTITIONS: "2",
    RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE: "256MB",
    RUST_LOG: "error",
  };
  const begin = async () => {
    const child = spawn(binary, ["--no-logo"], { env, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        said = `${said}${String(chunk)}`.slice(-4_000);
      });
    }
    await ready(child, [`${ingressUrl}/restate/health`, `${adminUrl}/health`], () => said);
    return child;
  };
  const end = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  let child = await begin();
  return {
    ingressUrl,
    adminUrl,
    restart: async () => {
      await end(child);
      child = await begin();
    },
    stop: async () => {
      await end(child);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function ready(
  child: ChildProcess,
  urls: readonly string[],
  said: () => string,
): Promise<void> {
  const deadlineMs = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const answers = await Promise.all(
      urls.map((url) =>
        fetch(url).then(
          (response) => response.ok,
          () => false,
        ),
      ),
    );
    if (answers.every(Boolean)) return;
    if (child.exitCode !== null || Date.now() > deadlineMs) {
      child.kill("SIGKILL");
      throw new Error(`the Restate server did not come up: ${said()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
