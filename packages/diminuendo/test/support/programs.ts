/** Real programs that gateways are tested over: Redis, NATS, Concordance, Unison. Each on a port of its own, killed and started again by handle. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a machine may lack: Debian brings both. */
const REDIS = Bun.which("redis-server") ?? Bun.which("valkey-server");
const NATS = Bun.which("nats-server") ?? process.env["NATS_SERVER"] ?? null;
const CONCORDANCE = new URL("../../../concordance/service/main.ts", import.meta.url).pathname;

export class Program {
  readonly port: number;
  readonly url: string;
  readonly #command: readonly string[];
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  #child: Bun.Subprocess | null = null;

  private constructor(
    scheme: string,
    port: number,
    command: readonly string[],
    { folder, env = {} }: { folder: string; env?: Readonly<Record<string, string>> },
  ) {
    this.port = port;
    this.url = `${scheme}://127.0.0.1:${port}`;
    this.#command = command;
    this.#folder = folder;
    this.#env = env;
  }

  static async redis({ keeps = false } = {}): Promise<Program> {
    const [port, folder] = [await freePort(), mkdtempSync(join(tmpdir(), "diminuendo-redis-"))];
    const where = ["--bind", "127.0.0.1", "--port", String(port), "--dir", folder, "--save", ""];
    const kept = keeps
      ? ["--appendonly", "yes", "--appendfsync", "always"]
      : ["--appendonly", "no"];
    const command = [REDIS ?? "redis-server", ...where, ...kept];
    return started(new Program("redis", port, command, { folder }));
  }

  static async nats(): Promise<Program> {
    const [port, folder] = [await freePort(), mkdtempSync(join(tmpdir(), "diminuendo-nats-"))];
    const command = [NATS ?? "nats-server", "-a", "127.0.0.1", "-p", String(port)];
    return started(new Program("nats", port, command, { folder }));
  }

  static concordance(apiKey: string): Promise<Program> {
    return Program.#configured(apiKey, (folder) => [
      "--bootstrap",
      `--data-dir=${join(folder, "data")}`,
    ]);
  }

  /** Concordance's surface on a Redis that `keeps`. */
  static unison(apiKey: string, redis: Program): Promise<Program> {
    return Program.#configured(apiKey, () => [`--engine=${redis.url}/0`]);
  }

  static async #configured(apiKey: string, flagsIn: (folder: string) => readonly string[]) {
    const [port, folder] = [await freePort(), mkdtempSync(join(tmpdir(), "diminuendo-kv-"))];
    mkdirSync(join(folder, "data"));
    const listen = `--listen=127.0.0.1:${port}`;
    const command = [process.execPath, CONCORDANCE, listen, ...flagsIn(folder)];
    const env = { CONCORDANCE_API_KEY: apiKey, LOG_LEVEL: "warn" };
    return started(new Program("http", port, command, { folder, env }));
  }

  async start(): Promise<void> {
    const env = { PATH: process.env["PATH"] ?? "", ...this.#env };
    this.#child = Bun.spawn([...this.#command], { stdout: "ignore", stderr: "ignore", env });
    const deadline = Date.now() + 20_000;
    while (!(await this.#listens())) {
      if (Date.now() > deadline) throw new Error(`${this.#command[0]} did not start`);
      await Bun.sleep(20);
    }
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(signal);
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.exited;
    this.#child = null;
  }

  /** Ends it for good. */
  async end(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Concordance listens before it has a leader. */
  async #listens(): Promise<boolean> {
    try {
      if (this.url.startsWith("http")) return (await fetch(`${this.url}/api/v1/ready`)).ok;
      const socket = await Bun.connect({
        hostname: "127.0.0.1",
        port: this.port,
        socket: { data() {} },
      });
      socket.end();
      return true;
    } catch {
      return false;
    }
  }
}

async function started(program: Program): Promise<Program> {
  await program.start();
  return program;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => void server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}

/** Whether tests over a program can run; says so when they cannot. `CI_REQUIRE_ALL=1` lets them fail instead. */
export function has(program: "redis-server" | "nats-server", what: string): boolean {
  const found = program === "redis-server" ? REDIS : NATS;
  if (found !== null || process.env["CI_REQUIRE_ALL"] === "1") return true;
  process.stderr.write(`${what}: skipped, there is no ${program} here (Debian: ${program}).\n`);
  return false;
}
