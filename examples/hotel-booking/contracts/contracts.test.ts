import { describe, expect, test } from "bun:test";
import { loadCatalog, type PolicyInput } from "@concert/concord";
import contracts from "./index.ts";
import {
  AGREED_DATA,
  NOT_TOO_LONG,
  NOT_TOO_OFTEN,
  TAKES_NOTHING_BACK,
  WITHIN_BUDGET,
} from "./policies.ts";

const catalog = loadCatalog([contracts]);
const INPUT: PolicyInput = {
  requester: { tenant: "t", user: "u", roles: [], permissions: ["book_travel"] },
  action: {
    taskName: "hotel_reservation.confirm",
    commandType: "hotel_reservation.confirm",
    ingress: "agent_action",
    payload: {},
    riskLevel: "medium",
  },
  connectors: [],
  dataTouched: [],
  sideEffects: [],
  approvalAlwaysRequired: false,
  facts: {},
};

describe("hotel contracts", () => {
  test("EX-9 three tasks and one that takes the last back, each a tool under its agreed name", () => {
    expect(catalog.tools().map((tool) => [tool.name, tool.taskName, tool.sideEffect])).toEqual([
      ["hotel_search", "hotel.search", false],
      ["hotel_draft", "hotel_reservation.draft", false],
      ["hotel_confirm", "hotel_reservation.confirm", true],
      ["hotel_cancel", "hotel_reservation.cancel", true],
      ["ask_person", "agent.ask_person", false],
    ]);
  });

  test.each([
    [499.99, "allow"],
    [500, "allow"],
    [500.01, "require_approval"],
  ])("EX-10 %p EUR: %s", (total_amount, decision) => {
    const facts = { total_amount, currency: "EUR" };
    const found = catalog.policy(WITHIN_BUDGET).evaluate({ ...INPUT, facts });
    expect(found.decision).toBe(decision as typeof found.decision);
    if (decision === "allow") return;
    expect(found.requiredApprovals).toEqual([
      {
        approvalType: "finance_approval",
        approver: { kind: "group", name: "finance_approvers" },
        expiresInMinutes: 48 * 60,
      },
    ]);
  });

  test.each([
    [4, "allow"],
    [5, "deny"],
    [null, "deny"],
  ])("EX-11 POL-16 after %p bookings within the hour the next one: %s", (recent, decision) => {
    const facts = { recent_bookings: recent };
    const found = catalog.policy(NOT_TOO_OFTEN).evaluate({ ...INPUT, facts });
    expect(found.decision).toBe(decision as typeof found.decision);
  });

  test.each([
    [30, "allow"],
    [31, "require_approval"],
    [null, "require_approval"],
  ])("EX-11 a stay of %p nights: %s", (nights, decision) => {
    const found = catalog.policy(NOT_TOO_LONG).evaluate({ ...INPUT, facts: { nights } });
    expect(found.decision).toBe(decision as typeof found.decision);
  });

  test("EX-11 the vendor is told dates and names, and anything else is asked about first", () => {
    const judged = (...dataTouched: string[]) =>
      catalog.policy(AGREED_DATA).evaluate({
        ...INPUT,
        connectors: [{ connector: "hotel_booking", operation: "book_hotel", sideEffect: true }],
        dataTouched,
      }).decision;
    const touched = catalog.task("hotel_reservation.confirm")?.dataTouched ?? [];
    expect(judged(...touched)).toBe("allow");
    expect(judged(...touched, "passport_number")).toBe("require_approval");
  });

  test("EX-11 cancelling is not taken back, so a person decides; booking is", () => {
    const judged = (...sideEffects: string[]) =>
      catalog.policy(TAKES_NOTHING_BACK).evaluate({ ...INPUT, sideEffects }).decision;
    expect([judged("hotel_booking.book"), judged("hotel_booking.cancel")]).toEqual([
      "allow",
      "require_approval",
    ]);
  });

  test("EX-11 the whole stack stands before a booking, each in its category", () => {
    const task = catalog.task("hotel_reservation.confirm");
    const categories = task?.policies.map((name) => catalog.policy(name).category);
    expect(categories?.sort()).toEqual([
      "approval_requirement",
      "connector_scope",
      "cost",
      "destructive_action",
      "external_sharing",
      "permission",
      "rate_limit",
    ]);
  });

  test("EX-9 what a double tap is recognised by", () => {
    expect(catalog.task("hotel_reservation.confirm")?.idempotency).toEqual({
      key: "confirm_booking:{booking_draft_id}",
    });
    const draft = catalog.task("hotel_reservation.draft");
    // Whatever the payload may hold is in the key, so that another wish never meets a conflict.
    const fields = Object.keys(draft?.inputSchema["properties"] ?? {});
    for (const field of fields) expect(draft?.idempotency?.key).toMatch(`{${field}`);
  });

  test("CON-12 the vendor is asked at most a hundred times a second", () => {
    expect(catalog.connector("hotel_booking").rateLimit).toEqual({
      requestsMax: 100,
      perSeconds: 1,
    });
  });

  test("EX-12 X-28 X-29 the booking has its key and its way back", () => {
    const { keyTemplate, sideEffect } = catalog.operation("hotel_booking", "book_hotel");
    expect([sideEffect, keyTemplate]).toEqual([true, "book_hotel:{booking_draft_id}"]);
    expect(catalog.compensationOf("hotel_booking.book")?.name).toBe("cancel_reservation");
  });

  test("EX-15 CAN-12 a booking can be taken back for a day, at the hotel that made it", () => {
    const task = catalog.task("hotel_reservation.confirm");
    expect([task?.cancellationMode, task?.cancelWithinMinutes]).toEqual([
      "compensate_then_stop",
      1_440,
    ]);
    const undo = catalog.compensationOf("hotel_booking.book");
    const effect = { effectType: "hotel_booking.book", result: { booking_id: "bkg_1" } };
    const view = { payload: {}, facts: {}, results: {}, requester: INPUT.requester, effect };
    expect(undo?.input?.(view)).toEqual({ booking_id: "bkg_1" });
  });

  test("EX-13 the waits of book and cancel", () => {
    const retry = (operation: string) => catalog.operation("hotel_booking", operation).retry;
    expect(retry("book_hotel")).toMatchObject({ attemptsMax: 4, waitsSeconds: [2, 6, 18] });
    expect(retry("cancel_reservation").waitsSeconds).toEqual([1, 3, 9, 27, 60]);
  });

  test("a payload with a made-up draft id does not fit", () => {
    const task = catalog.task("hotel_reservation.confirm");
    expect(task?.validate({ booking_draft_id: "draft-1" })).toHaveLength(1);
    expect(task?.validate({ booking_draft_id: `art_${"0".repeat(32)}` })).toEqual([]);
  });

  test("a stay that ends before it begins is refused before the vendor hears of it", () => {
    const step = catalog.task("hotel.search")?.steps[0];
    const payload = { check_in: "2026-02-02", check_out: "2026-02-01" };
    const view = { payload, facts: {}, results: {}, requester: INPUT.requester };
    expect(() => (step?.kind === "connector" ? step.input(view) : undefined)).toThrow("check_out");
  });
});
