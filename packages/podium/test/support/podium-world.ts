/** Podium as a process on a directory of its own, with the servers it speaks to beside it. One for each test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConcordServer } from "./concord-server.ts";
import { EnsembleServer } from "./ensemble-server.ts";
import { PodiumProcess } from "./podium-process.ts";

export class PodiumWorld {
  readonly concord = new ConcordServer();
  readonly ensemble = new EnsembleServer();
  readonly dataDir = mkdtempSync(join(tmpdir(), "podium-"));
  readonly #flags: readonly string[];
  #podium: PodiumProcess | null = null;

  private constructor(flags: readonly string[]) {
    this.#flags = flags;
  }

  static async start(...flags: readonly string[]): Promise<PodiumWorld> {
    const world = new PodiumWorld(flags);
    await world.#startPodium();
    return world;
  }

  get podium(): PodiumProcess {
    if (this.#podium === null) throw new Error("Podium has not started");
    return this.#podium;
  }

  /** Podium dies at once, unless it is dead, and starts again on what it left. */
  async killAndRestart(): Promise<PodiumProcess> {
    await this.podium.end("SIGKILL");
    return this.#startPodium();
  }

  async end(): Promise<void> {
    await this.#podium?.end("SIGKILL");
    this.concord.stop();
    this.ensemble.stop();
    rmSync(this.dataDir, { recursive: true });
  }

  async #startPodium(): Promise<PodiumProcess> {
    const { concord, ensemble } = this;
    this.#podium = await PodiumProcess.start(this.dataDir, { concord, ensemble }, ...this.#flags);
    return this.#podium;
  }
}
