/**
 * Owns the gateway under measurement: the real process with full sync and authentication on, Podium's stand-in
 * behind it. Nothing else upstream is called here: no approvals, no configuration.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REPOSITORY } from "@concert/cli/stack";
import { freePorts } from "../concordance/processes.ts";
import { memoryOf } from "../support/memory.ts";
import type { CrowdApi } from "./load/crowd.ts";
import type { PodiumApi } from "./load/podium.ts";
import { Helper } from "./load/rpc.ts";

export const PODIUM_KEY = "pod_bench_key";
const INTERNAL_SECRET = "bench-internal-secret-0123456789";
const GATEWAY_MAIN = join(REPOSITORY, "packages/diminuendo/src/main.ts");
const START_TIMEOUT_MS = 120_000;

export interface WorldOptions {
  /** People are spread over so many tenants. */
  readonly tenants: number;
  readonly flags?: readonly string[];
}

/** A gateway, its Podium and its clients: four processes, one data directory. */
export class World {
  readonly podium = new Helper<PodiumApi>("./podium.ts");
  readonly crowd = new Helper<CrowdApi>("./crowd.ts");
  readonly tokens: readonly string[];
  readonly #dataDir = mkdtempSync(join(tmpdir(), "diminuendo-bench-"));
  readonly #flags: readonly string[];
  #podiumPort = 0;
  #gateway: Bun.Subprocess | null = null;
  port = 0;

  private constructor({ tenants, flags = [] }: WorldOptions) {
    this.tokens = Array.from({ length: tenants }, (_, index) => `bench-token-${index}`);
    this.#flags = flags;
  }

  /** Runs `use` with a world of its own, and leaves nothing behind. */
  static async with<T>(options: WorldOptions, use: (world: World) => Promise<T>): Promise<T> {
    const world = new World(options);
    try {
      world.#podiumPort = await world.podium.ask("port", undefined);
      [world.port = 0] = await freePorts(1);
      await world.start();
      return await use(world);
    } finally {
      await Promise.all([world.kill(), world.podium.end(), world.crowd.end()]);
      rmSync(world.#dataDir, { recursive: true, force: true });
    }
  }

  get pid(): number {
    return this.#gateway?.pid ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Milliseconds from the command to the first answer. */
  async start(): Promise<number> {
    const startedMs = performance.now();
    this.#gateway = this.#spawn();
    let gone = false;
    void this.#gateway.exited.then(() => {
      gone = true;
    });
    while (!(await this.#answers())) {
      if (gone) throw new Error("the gateway ended before it listened; set BENCH_SHOW_LOG=1");
      if (performance.now() - startedMs > START_TIMEOUT_MS) throw new Error("it never listened");
      await Bun.sleep(2);
    }
    return performance.now() - startedMs;
  }

  /** SIGKILL: nothing is said, nothing is flushed. */
  async kill(): Promise<void> {
    this.#gateway?.kill("SIGKILL");
    await this.#gateway?.exited;
  }

  rssMb(): number {
    return (memoryOf(this.pid).rssMib * 1_048_576) / 1e6;
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  }

  async #answers(): Promise<boolean> {
    const answer = await fetch(`${this.url}/health`).catch(() => null);
    await answer?.arrayBuffer();
    return answer?.ok === true;
  }

  #spawn(): Bun.Subprocess {
    const people = this.tokens.map((token, n) => `${token}=t${n}:u${n}:u${n}@bench.test:owner:`);
    const upstream = `http://127.0.0.1:${this.#podiumPort}`;
    const urls = ["podium", "concord", "concordance", "ensemble"].map(
      (name) => `--${name}-url=${upstream}`,
    );
    const log = process.env["BENCH_SHOW_LOG"] === "1" ? "inherit" : "ignore";
    return Bun.spawn(
      [
        process.execPath,
        GATEWAY_MAIN,
        `--listen=127.0.0.1:${this.port}`,
        `--data-dir=${this.#dataDir}`,
        ...urls,
        ...this.#flags,
      ],
      {
        // Supervised: it ends with our end of the pipe.
        stdin: "pipe",
        stdout: "ignore",
        stderr: log,
        env: {
          PATH: process.env["PATH"] ?? "",
          BUN_OPTIONS: process.env["BENCH_GATEWAY_BUN_OPTIONS"] ?? "",
          CONCERT_SUPERVISED: "1",
          DIMINUENDO_API_KEYS: people.join(","),
          PODIUM_API_KEY: PODIUM_KEY,
          CONCERT_INTERNAL_SECRET: INTERNAL_SECRET,
        },
      },
    );
  }
}
