/** Several real gateways over one real broadcast engine and one real Concordance, with the store of either kind. */
import { type GatewayProcess, World } from "./gateway-process.ts";
import { Program } from "./programs.ts";
import { CONCORDANCE_KEY } from "./test-concordance.ts";

export interface FleetOptions {
  readonly engine?: () => Promise<Program>;
  /** `embedded`: on one folder. `delegated`: each gateway as on a machine of its own. */
  readonly store?: "embedded" | "delegated";
}

export class Fleet {
  readonly world = new World();
  readonly engine: Program;
  readonly #concordance: Program;
  readonly #store: string;

  private constructor(engine: Program, concordance: Program, store: "embedded" | "delegated") {
    this.engine = engine;
    this.#concordance = concordance;
    this.#store = store;
    this.world.concordanceUrl = concordance.url;
    this.world.isSpread = store === "delegated";
  }

  static async start({ engine = () => Program.redis(), store = "embedded" }: FleetOptions = {}) {
    return new Fleet(await engine(), await Program.concordance(CONCORDANCE_KEY), store);
  }

  gateway(...flags: string[]): Promise<GatewayProcess> {
    const fleet = [`--broadcast=${this.engine.url}`, "--lease-seconds=2", `--store=${this.#store}`];
    return this.world.start(...fleet, ...flags);
  }

  async stop(): Promise<void> {
    await this.world.stop();
    await this.engine.end();
    await this.#concordance.end();
  }
}
