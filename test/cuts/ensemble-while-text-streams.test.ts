/** The model's gateway dies in mid-sentence: the thought is asked again, and no text is shown twice. */
import { expect } from "bun:test";
import { cut, SLOW_MODEL } from "../support/cut.ts";
import {
  approve,
  askForBooking,
  expectMessagesOfOneAttempt,
  expectWhole,
} from "../support/journey.ts";

cut(
  "SIGKILL Ensemble while text is streaming",
  async (stack, witness) => {
    const sessionId = await askForBooking(witness);
    await witness.event("streamed text", ({ type }) => type === "text_delta");
    await stack.kill("ensemble");
    await stack.waitHealthy("ensemble");
    expect(stack.restarts("ensemble")).toBe(1);
    await approve(witness, sessionId);
    await expectWhole(stack, witness, sessionId);
    expectMessagesOfOneAttempt(witness);
  },
  SLOW_MODEL,
);
