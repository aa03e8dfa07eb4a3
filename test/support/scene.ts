/** A stack for all tests of a file, and one witness who is connected throughout. */
import { afterAll, beforeAll } from "bun:test";
import { GatewayWitness } from "./GatewayWitness.ts";
import { START_TIMEOUT_MS, startTestStack, type TestStack } from "./stack.ts";

export class Scene {
  #stack: TestStack | null = null;
  #witness: GatewayWitness | null = null;

  /** Call at the top of a file: it starts before the first test and is gone after the last. */
  constructor() {
    beforeAll(() => this.#start(), START_TIMEOUT_MS);
    afterAll(() => this.#end(), START_TIMEOUT_MS);
  }

  get stack(): TestStack {
    if (this.#stack === null) throw new Error("the stack starts before the first test");
    return this.#stack;
  }

  get witness(): GatewayWitness {
    if (this.#witness === null) throw new Error("the witness comes before the first test");
    return this.#witness;
  }

  async #start(): Promise<void> {
    this.#stack = await startTestStack();
    this.#witness = new GatewayWitness(this.#stack.urls.diminuendo);
    await this.#witness.connect();
  }

  async #end(): Promise<void> {
    this.#witness?.close();
    await this.#stack?.dispose();
  }
}
