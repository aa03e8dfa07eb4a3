/** The approval is a row, not a memory: Concord may die while a person thinks it over. */
import { expect } from "bun:test";
import { cut } from "../support/cut.ts";
import { approvalOf, approve, askForBooking, expectWhole } from "../support/journey.ts";

cut("SIGKILL Concord while the approval is pending", async (stack, witness) => {
  const sessionId = await askForBooking(witness);
  await approvalOf(witness);
  await stack.kill("concord");
  await stack.waitHealthy("concord");
  expect(stack.restarts("concord")).toBe(1);
  await approve(witness, sessionId);
  await expectWhole(stack, witness, sessionId);
});
