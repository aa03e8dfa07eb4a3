/** Every process of the stack dies once while a person thinks it over; then all at once, as in a power cut. */
import { expect, test } from "bun:test";
import { cut, SLOW_MODEL } from "../support/cut.ts";
import { GatewayWitness } from "../support/GatewayWitness.ts";
import { approvalOf, approve, askForBooking, expectWhole } from "../support/journey.ts";
import { START_TIMEOUT_MS, startTestStack, TEST_TIMEOUT_MS } from "../support/stack.ts";

cut("SIGKILL every process in turn while the approval is pending", async (stack, witness) => {
  const sessionId = await askForBooking(witness);
  await approvalOf(witness);
  for (const service of stack.services) {
    await stack.kill(service);
    await stack.waitHealthy(service);
  }
  // What lost its connections has had to notice; every one must be able to serve again by itself.
  for (const service of stack.services) await stack.answers(service);
  await witness.reconnected(2);
  await approve(witness, sessionId);
  await expectWhole(stack, witness, sessionId);
  expect(stack.services.map((service) => stack.restarts(service))).toEqual(
    stack.services.map(() => 1),
  );
});

test(
  "SIGKILL everything at once, and start again on the same data",
  async () => {
    const first = await startTestStack(SLOW_MODEL);
    const witness = new GatewayWitness(first.urls.diminuendo);
    await witness.connect();
    const sessionId = await askForBooking(witness);
    await witness.event("streamed text", ({ type }) => type === "text_delta");
    first.killAll();
    await first.stop();
    const { dataDir, addresses } = first;
    const second = await startTestStack({ goOnWith: { dataDir, addresses } });
    try {
      await witness.reconnected(2);
      await approve(witness, sessionId);
      await expectWhole(second, witness, sessionId);
    } finally {
      witness.close();
      await second.dispose();
    }
  },
  2 * START_TIMEOUT_MS + TEST_TIMEOUT_MS,
);
