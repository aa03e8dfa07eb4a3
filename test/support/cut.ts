/** Owns the frame of a cut: a stack of its own, a connected witness, and cleaning up whatever happened. */
import { test } from "bun:test";
import { GatewayWitness } from "./GatewayWitness.ts";
import {
  START_TIMEOUT_MS,
  startTestStack,
  TEST_TIMEOUT_MS,
  type TestStack,
  type TestStackOptions,
} from "./stack.ts";

/** A model that writes slowly, so that a cut in the middle of its text is in the middle on any machine. */
export const SLOW_MODEL: TestStackOptions = { env: { ENSEMBLE_OFFLINE_TOKEN_DELAY_MS: "100" } };

/** One test on a fresh stack. */
export function cut(
  name: string,
  run: (stack: TestStack, witness: GatewayWitness) => Promise<void>,
  options: TestStackOptions = {},
): void {
  test(
    name,
    async () => {
      const stack = await startTestStack(options);
      const witness = new GatewayWitness(stack.urls.diminuendo);
      try {
        await witness.connect();
        await run(stack, witness);
      } finally {
        witness.close();
        await stack.dispose();
      }
    },
    START_TIMEOUT_MS + TEST_TIMEOUT_MS,
  );
}
