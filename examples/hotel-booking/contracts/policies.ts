/** Owns who may book, with which operations, and from which amount on a person has to agree (EX-10, EX-11). */
import {
  connectorScopePolicy,
  type Policy,
  permissionPolicy,
  rateLimitPolicy,
  spendingLimitPolicy,
} from "@concert/concord";

export const MAY_BOOK = "hotel.may_book_travel";
export const IN_SCOPE = "hotel.connector_scope";
export const WITHIN_BUDGET = "hotel.spending_limit";

export const NOT_TOO_OFTEN = "hotel.rate_limit";

export const SPENDING_LIMIT = 500;
export const CURRENCY = "EUR";
/** EX-11. Raise it for demonstrations and measurements that book more often than a person would. */
const BOOKINGS_PER_HOUR = wholeNumber("HOTEL_BOOKINGS_PER_HOUR", 5);
/** What `recent_bookings` counts over. */
export const RATE_WINDOW_SECONDS = 3_600;
const APPROVAL_MINUTES = 48 * 60;

export function hotelPolicies(operations: readonly string[]): readonly Policy[] {
  return [
    permissionPolicy(MAY_BOOK, "book_travel"),
    connectorScopePolicy(
      IN_SCOPE,
      operations.map((operation) => ({ connector: "hotel_booking", operation })),
    ),
    rateLimitPolicy(NOT_TOO_OFTEN, {
      commandsMax: BOOKINGS_PER_HOUR,
      perSeconds: RATE_WINDOW_SECONDS,
      countOf: ({ recent_bookings: count }) => (typeof count === "number" ? count : undefined),
    }),
    spendingLimitPolicy(WITHIN_BUDGET, {
      limit: SPENDING_LIMIT,
      currency: CURRENCY,
      approvalType: "finance_approval",
      approver: { kind: "group", name: "finance_approvers" },
      expiresInMinutes: APPROVAL_MINUTES,
      spendOf: ({ total_amount: amount, currency }) =>
        typeof amount === "number" && typeof currency === "string"
          ? { amount, currency }
          : undefined,
    }),
  ];
}

function wholeNumber(variable: string, otherwise: number): number {
  const value = Number(process.env[variable] ?? otherwise);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new Error(`${variable} needs a whole number from 1 on`);
}
