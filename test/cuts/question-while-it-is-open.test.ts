/** Every process of the stack dies once while the agent waits for what only the person knows. */
import { expect } from "bun:test";
import { cut } from "../support/cut.ts";
import {
  answerQuestion,
  askForBooking,
  expectWhole,
  FOR_A_COLLEAGUE,
  GUEST,
  questionOf,
} from "../support/journey.ts";
import { vendorOf } from "../support/vendor.ts";

cut("SIGKILL every process in turn while a question is open", async (stack, witness) => {
  const sessionId = await askForBooking(witness, FOR_A_COLLEAGUE);
  await questionOf(witness);
  for (const service of stack.services) {
    await stack.kill(service);
    await stack.waitHealthy(service);
  }
  for (const service of stack.services) await stack.answers(service);
  await witness.reconnected(2);
  await answerQuestion(witness, sessionId);
  await expectWhole(stack, witness, sessionId, "Casa do Rossio");
  expect(vendorOf(stack).guests()).toEqual([GUEST]);
  expect(witness.events.filter(({ type }) => type === "question_requested")).toHaveLength(1);
});
