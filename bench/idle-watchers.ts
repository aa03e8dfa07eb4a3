/**
 * Measures what many idle watchers cost one member of Concordance: memory, the writes that go on meanwhile, and
 * the time until one change beneath all of them has reached everyone. Each watcher is a connection of its own
 * that watches a namespace of its own and a tenant in common with all.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REPOSITORY } from "@concert/cli/stack";
import { memoryOf } from "./support/memory.ts";
import { milliseconds, quantile, table } from "./support/table.ts";

const WATCHERS = 10_000;
/** Connections are opened so many at a time. */
const OPENING = 200;
const WRITES = 500;
const ROUNDS = 5;
const SETTLE_MS = 3_000;
const HEADERS = { authorization: "Bearer dev" };

/** The result as Markdown. */
export async function benchIdleWatchers(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "concordance-bench-"));
  const flags = ["--bootstrap", "--listen=127.0.0.1:0", `--data-dir=${folder}`];
  const main = join(REPOSITORY, "packages/concordance/service/main.ts");
  const child = Bun.spawn([process.execPath, main, ...flags], { stdout: "ignore", stderr: "pipe" });
  try {
    const host = await addressOf(child.stderr);
    const alone = { ...memoryOf(child.pid), putMs: await puts(host) };
    const crowd = await Crowd.open(host, WATCHERS);
    await Bun.sleep(SETTLE_MS);
    const crowded = { ...memoryOf(child.pid), putMs: await puts(host) };
    const lastMs: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) lastMs.push(await crowd.reached(host));
    await Bun.sleep(SETTLE_MS);
    const after = memoryOf(child.pid);
    const eachKib = ((crowded.rssMib - alone.rssMib) * 1024) / WATCHERS;
    crowd.close();
    return table(
      [`${WATCHERS.toLocaleString("en")} idle watchers, one member`, "result"],
      [
        [
          "memory (RSS) without, with, after five changes to all",
          [alone, crowded, after].map(({ rssMib }) => `${rssMib.toFixed(0)} MiB`).join(", "),
        ],
        ["memory a watcher", `${eachKib.toFixed(1)} KiB`],
        [
          "put, p50 without and with",
          `${milliseconds(alone.putMs)}, ${milliseconds(crowded.putMs)}`,
        ],
        [
          "one change to all: put to the last of them, median of five",
          milliseconds(quantile(lastMs, 0.5)),
        ],
      ],
    );
  } finally {
    child.kill("SIGTERM");
    await child.exited;
    rmSync(folder, { recursive: true });
  }
}

/** Watchers that wait, and count what they are told. */
class Crowd {
  readonly #sockets: readonly WebSocket[];
  #told = 0;

  private constructor(sockets: readonly WebSocket[]) {
    this.#sockets = sockets;
    for (const socket of sockets) {
      socket.onmessage = () => {
        this.#told += 1;
      };
    }
  }

  static async open(host: string, count: number): Promise<Crowd> {
    const sockets: WebSocket[] = [];
    while (sockets.length < count) {
      const size = Math.min(OPENING, count - sockets.length);
      sockets.push(...(await Promise.all(Array.from({ length: size }, () => watching(host)))));
    }
    return new Crowd(sockets);
  }

  /** Milliseconds from a put until every watcher was told of it. */
  async reached(host: string): Promise<number> {
    this.#told = 0;
    const startedMs = performance.now();
    await put(host, "tenant:crowd/settings");
    while (this.#told < this.#sockets.length) await Bun.sleep(1);
    return performance.now() - startedMs;
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }
}

function watching(host: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${host}/stream`, { headers: HEADERS });
  const params = { namespace: "tenant:crowd" };
  const request = { jsonrpc: "2.0", id: 1, method: "watch/subscribe", params };
  return new Promise((resolve, reject) => {
    socket.onopen = () => socket.send(JSON.stringify(request));
    socket.onmessage = () => resolve(socket);
    socket.onerror = () => reject(new Error("a watcher could not connect"));
  });
}

/** The median of writes one after the other, which nobody watches. */
async function puts(host: string): Promise<number> {
  const tookMs: number[] = [];
  for (let n = 0; n < WRITES; n += 1) {
    const startedMs = performance.now();
    await put(host, "tenant:quiet/settings");
    tookMs.push(performance.now() - startedMs);
  }
  return quantile(tookMs, 0.5);
}

async function put(host: string, namespace: string): Promise<void> {
  const url = `http://${host}/api/v1/kv/${encodeURIComponent(namespace)}/k`;
  const body = JSON.stringify({ value: "v".repeat(200) });
  const response = await fetch(url, { method: "PUT", headers: HEADERS, body });
  if (!response.ok) throw new Error(`a put was answered ${response.status}`);
  await response.arrayBuffer();
}

async function addressOf(stderr: ReadableStream<Uint8Array>): Promise<string> {
  let said = "";
  for await (const chunk of stderr) {
    said += Buffer.from(chunk).toString();
    const address = /"address":"([^"]+)"/.exec(said)?.[1];
    if (address !== undefined) return address;
  }
  throw new Error(`the member did not start: ${said}`);
}
