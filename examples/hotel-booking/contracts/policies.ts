/** Owns who may book, with which operations, and from which amount on a person has to agree (EX-10, EX-11). */
import {
  approvalRequirementPolicy,
  connectorScopePolicy,
  dataRecipientsPolicy,
  destructiveActionPolicy,
  type Policy,
  permissionPolicy,
  rateLimitPolicy,
  spendingLimitPolicy,
} from "@concert/concord";

export const MAY_BOOK = "hotel.may_book_travel";
export const IN_SCOPE = "hotel.connector_scope";
export const WITHIN_BUDGET = "hotel.spending_limit";

export const NOT_TOO_OFTEN = "hotel.rate_limit";
export const NOT_TOO_LONG = "hotel.long_stay";
export const AGREED_DATA = "hotel.data_recipients";
export const TAKES_NOTHING_BACK = "hotel.destructive_action";

export const SPENDING_LIMIT = 500;
export const CURRENCY = "EUR";
/** EX-11. Raise it for demonstrations and measurements that book more often than a person would. */
const BOOKINGS_PER_HOUR = wholeNumber("HOTEL_BOOKINGS_PER_HOUR", 5);
/** What `recent_bookings` counts over. */
export const RATE_WINDOW_SECONDS = 3_600;
const APPROVAL_MINUTES = 48 * 60;
/** A longer stay is a relocation, and somebody has to know of it whatever it costs. */
export const NIGHTS_ALONE_MAX = 30;
/** What the vendor was agreed to be told. */
export const AGREED_WITH_VENDOR = ["travel_dates", "traveller_identity"] as const;

const FINANCE = {
  approvalType: "finance_approval",
  approver: { kind: "group", name: "finance_approvers" },
  expiresInMinutes: APPROVAL_MINUTES,
} as const;

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
      ...FINANCE,
      spendOf: ({ total_amount: amount, currency }) =>
        typeof amount === "number" && typeof currency === "string"
          ? { amount, currency }
          : undefined,
    }),
    approvalRequirementPolicy(NOT_TOO_LONG, `1+${NIGHTS_ALONE_MAX}`, {
      approval: FINANCE,
      needed: ({ facts: { nights } }) =>
        typeof nights === "number" && nights <= NIGHTS_ALONE_MAX
          ? undefined
          : `a stay of ${nights ?? "unknown"} nights is more than ${NIGHTS_ALONE_MAX}`,
    }),
    dataRecipientsPolicy(AGREED_DATA, { hotel_booking: AGREED_WITH_VENDOR }, FINANCE),
    destructiveActionPolicy(TAKES_NOTHING_BACK, ["hotel_booking.cancel"], FINANCE),
  ];
}

function wholeNumber(variable: string, otherwise: number): number {
  const value = Number(process.env[variable] ?? otherwise);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new Error(`${variable} needs a whole number from 1 on`);
}
