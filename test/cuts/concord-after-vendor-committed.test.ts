/** The worst moment: the vendor has booked, and Concord dies before it could write that down. */
import { expect } from "bun:test";
import { cut } from "../support/cut.ts";
import type { GatewayWitness } from "../support/GatewayWitness.ts";
import { approve, askForBooking, expectWhole, recordOf } from "../support/journey.ts";
import { eventually, type TestStack } from "../support/stack.ts";
import { vendorOf } from "../support/vendor.ts";

const ANSWER_DELAY_MS = 20_000;

cut(
  "SIGKILL Concord after the vendor committed, before the effect says so",
  async (stack, witness) => {
    const vendor = vendorOf(stack);
    await vendor.setFaults([
      { operation: "book", mode: "slow_after_commit", times: 1, delay_ms: ANSWER_DELAY_MS },
    ]);
    const sessionId = await askForBooking(witness);
    await approve(witness, sessionId);
    const held = await eventually("the vendor to hold the booking", async () => {
      const bookings = await vendor.bookings();
      return bookings.length > 0 ? bookings : undefined;
    });
    await stack.kill("concord");
    await stack.waitHealthy("concord");
    await expectWhole(stack, witness, sessionId);
    const after = await vendor.bookings();
    expect(after.map(({ booking_id }) => booking_id)).toEqual(
      held.map(({ booking_id }) => booking_id),
    );
    expect(await bookingsWrittenDown(stack, witness)).toBe(1);
  },
);

/** How many booking effects Concord's record calls done. */
async function bookingsWrittenDown(stack: TestStack, witness: GatewayWitness): Promise<number> {
  const { commandId } = await witness.event("the turn", ({ type }) => type === "turn_started");
  const entries = await recordOf(stack, String(commandId));
  return entries.filter(
    ({ event_type, title }) => event_type === "task_succeeded" && title.includes("book"),
  ).length;
}
