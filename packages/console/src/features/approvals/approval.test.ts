import { describe, expect, test } from "vitest";
import { readReview, urgencyOf } from "./approval.ts";

describe("a review packet", () => {
  test("is read whole", () => {
    const review = readReview({
      approvalType: "spend",
      reviewPacket: {
        action: "Book the Grand Hotel Miramar",
        requester: "ana@example.org",
        why: ["612.00 EUR is over the limit of 500.00 EUR."],
        affected: [
          { label: "Total amount", value: "612.00 EUR" },
          { label: "Nights", value: 2 },
        ],
        triggering_policy: "travel-spend",
        after_approval: "The hotel is booked at once.",
        risk_level: "high",
      },
    });
    expect(review).toEqual({
      action: "Book the Grand Hotel Miramar",
      requester: "ana@example.org",
      why: ["612.00 EUR is over the limit of 500.00 EUR."],
      rows: [
        { label: "Total amount", value: "612.00 EUR", prominent: true },
        { label: "Nights", value: "2", prominent: false },
      ],
      policy: "Travel spend (travel-spend)",
      after: ["The hotel is booked at once."],
      risk: "high",
    });
  });

  test("that lacks everything still says what is asked", () => {
    const review = readReview({
      approvalType: "finance_spend",
      reviewPacket: { affected: [null, 3] },
    });
    expect(review).toMatchObject({ action: "Finance spend", rows: [], why: [], requester: null });
  });
});

test.each([
  [null, "never"],
  [999, "over"],
  [1_000 + 60_000, "soon"],
  [1_000 + 3_600_000, "calm"],
] as const)("an approval until %s is %s", (expiresAt, urgency) => {
  expect(urgencyOf(expiresAt, 1_000)).toBe(urgency);
});
