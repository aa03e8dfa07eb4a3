/** Approved, tried, refused by the vendor's failure, and then Concord dies: the booking is made once, later. */
import { expect } from "bun:test";
import { cut } from "../support/cut.ts";
import { approve, askForBooking, expectWhole } from "../support/journey.ts";
import { eventually } from "../support/stack.ts";
import { vendorOf } from "../support/vendor.ts";

cut(
  "SIGKILL Concord after the approval, before the vendor holds a booking",
  async (stack, witness) => {
    const vendor = vendorOf(stack);
    await vendor.setFaults([{ operation: "book", mode: "error_before_commit", times: 1_000 }]);
    const sessionId = await askForBooking(witness);
    await approve(witness, sessionId);
    const stats = await eventually("a booking to be tried", async () => {
      const now = await vendor.stats();
      return (now.requests["book"] ?? 0) > 0 ? now : undefined;
    });
    expect(stats.bookings).toBe(0);
    await stack.kill("concord");
    await vendor.setFaults([]);
    await stack.waitHealthy("concord");
    await expectWhole(stack, witness, sessionId);
  },
);
