/** Owns a real Redis server for tests: its own folder and port, killed, frozen and restarted by handle. */
import { connect, createServer, type Server, type Socket } from "node:net";
import { RedisClient } from "bun";

export const REDIS = Bun.which("redis-server") ?? Bun.which("valkey-server");

export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  #child: Bun.Subprocess | null = null;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
  }

  static async start(folder: string, ...settings: readonly string[]): Promise<RedisServer> {
    const server = new RedisServer(folder, await freePort());
    await server.restart(...settings);
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}/0`;
  }

  /** Starts it again on what it left on disk. */
  async restart(...settings: readonly string[]): Promise<void> {
    if (REDIS === null) throw new Error("there is no redis-server here");
    const where = ["--bind", "127.0.0.1", "--port", String(this.port), "--dir", this.#folder];
    const kept = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
    const command = [REDIS, ...where, ...kept, ...settings];
    this.#child = Bun.spawn(command, { stdout: "ignore", stderr: "ignore" });
    for (let attempt = 0; attempt < 500; attempt += 1) {
      if (await this.command("PING").catch(() => null)) return;
      await Bun.sleep(20);
    }
    throw new Error("redis-server did not start");
  }

  /** One command on a connection of its own. */
  async command(name: string, ...args: readonly string[]): Promise<unknown> {
    const client = new RedisClient(this.url, { autoReconnect: false });
    try {
      await client.connect();
      return await client.send(name, [...args]);
    } finally {
      client.close();
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
}

/** An address that a failover moves from one server to another, as a load balancer's does. */
export class ServiceAddress {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #port: number;

  private constructor(to: RedisServer) {
    this.#port = to.port;
    this.#server = createServer((client) => this.#relay(client));
  }

  static async of(to: RedisServer): Promise<ServiceAddress> {
    const address = new ServiceAddress(to);
    await new Promise<void>((resolve) => void address.#server.listen(0, "127.0.0.1", resolve));
    return address;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("it is not listening");
    return `redis://127.0.0.1:${address.port}/0`;
  }

  /** New connections lead there; those that are open end. */
  move(to: RedisServer): void {
    this.#port = to.port;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #relay(client: Socket): void {
    const server = connect(this.#port, "127.0.0.1");
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.pipe(other);
      // Either end may go at any time, and takes the other with it.
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => void server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}

/** Whether tests over Redis can run; says so when they cannot. `CI_REQUIRE_ALL=1` lets them fail instead. */
export function needsRedis(what: string): boolean {
  if (REDIS !== null || process.env["CI_REQUIRE_ALL"] === "1") return true;
  process.stderr.write(`${what}: skipped, there is no redis-server here (Debian: redis-server).\n`);
  return false;
}
