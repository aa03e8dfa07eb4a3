import type { ThreadItem, ToolItem } from "@concert/sdk";
import { expect, test } from "vitest";
import { subjectsOf, toolSummary } from "./tool-summary.ts";

const tool = (outcome: ToolItem["outcome"]) =>
  ({ kind: "tool", id: "t", turnId: "1", outcome }) as unknown as ThreadItem;
const results = (...all: readonly unknown[]) =>
  subjectsOf(all.map((result) => tool({ kind: "result", result })));

test("an id reads as what an earlier result called it", () => {
  const subjects = results(
    { offers: [{ hotel_id: "htl_1", hotel_name: "Casa", total_amount: 280, currency: "EUR" }] },
    {
      booking_draft_id: "art_1",
      hotel_id: "htl_1",
      hotel_name: "Casa",
      total_amount: 280,
      currency: "EUR",
    },
  );
  expect(toolSummary({ hotel_id: "htl_1", guests: 2 }, subjects)).toBe("Casa · 2");
  expect(toolSummary({ booking_draft_id: "art_1" }, subjects)).toBe("Casa, 280.00 EUR");
});

test("an id that nothing has named is left out", () => {
  expect(toolSummary({ hotel_id: "htl_1", city: "Lisbon" }, results())).toBe("Lisbon");
  expect(toolSummary({ hotel_id: "htl_1" }, subjectsOf([tool({ kind: "none" })]))).toBe("");
});

test.each([undefined, null, "text", { toString: null }])(
  "no arguments or results break it: %o",
  (odd) => {
    expect(toolSummary(odd, results(odd, [odd], { x: odd }))).toBeTypeOf("string");
  },
);
