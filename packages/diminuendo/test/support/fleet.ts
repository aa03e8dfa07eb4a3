/** Several real gateways over one folder of data, one real Redis and one real Concordance. */
import { type GatewayProcess, World } from "./gateway-process.ts";
import { Program } from "./programs.ts";
import { CONCORDANCE_KEY } from "./test-concordance.ts";

export class Fleet {
  readonly world = new World();
  readonly engine: Program;
  readonly #concordance: Program;

  private constructor(engine: Program, concordance: Program) {
    this.engine = engine;
    this.#concordance = concordance;
    this.world.concordanceUrl = concordance.url;
  }

  static async start(engine: () => Promise<Program> = () => Program.redis()): Promise<Fleet> {
    return new Fleet(await engine(), await Program.concordance(CONCORDANCE_KEY));
  }

  gateway(...flags: string[]): Promise<GatewayProcess> {
    return this.world.start(`--broadcast=${this.engine.url}`, "--lease-seconds=2", ...flags);
  }

  async stop(): Promise<void> {
    await this.world.stop();
    await this.engine.end();
    await this.#concordance.end();
  }
}
