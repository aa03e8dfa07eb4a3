/** The gateway dies under a connected client, twice: the client resumes where it was. */
import { expect } from "bun:test";
import { cut } from "../support/cut.ts";
import { approvalOf, approve, askForBooking, expectWhole } from "../support/journey.ts";

cut("SIGKILL Diminuendo while the client is connected", async (stack, witness) => {
  const sessionId = await askForBooking(witness);
  await witness.event("the turn to begin", ({ type }) => type === "turn_started");
  await stack.kill("diminuendo");
  await stack.waitHealthy("diminuendo");
  await approvalOf(witness);
  await stack.kill("diminuendo");
  await stack.waitHealthy("diminuendo");
  await witness.reconnected(3);
  await approve(witness, sessionId);
  await expectWhole(stack, witness, sessionId);
  expect(stack.restarts("diminuendo")).toBe(2);
  expect(witness.connections).toBe(3);
});
