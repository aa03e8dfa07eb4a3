/** An agent dies in mid-sentence: the message starts again, and nobody reads a word of it twice. */
import { expect } from "bun:test";
import { cut, SLOW_MODEL } from "../support/cut.ts";
import {
  approve,
  askForBooking,
  expectMessagesOfOneAttempt,
  expectWhole,
} from "../support/journey.ts";

cut(
  "SIGKILL Podium while text is streaming",
  async (stack, witness) => {
    const sessionId = await askForBooking(witness);
    const delta = await witness.event("streamed text", ({ type }) => type === "text_delta");
    await stack.kill("podium");
    await stack.waitHealthy("podium");
    expect(stack.restarts("podium")).toBe(1);
    await approve(witness, sessionId);
    await expectWhole(stack, witness, sessionId);
    const again = witness.events.filter(({ type }) => type === "message_restarted");
    expect(again.map(({ messageId }) => messageId)).toEqual([delta["messageId"]]);
    expectMessagesOfOneAttempt(witness);
  },
  SLOW_MODEL,
);
