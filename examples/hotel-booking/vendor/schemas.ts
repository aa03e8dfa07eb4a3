/** Owns the shapes the vendor accepts and their limits. Refuses to own what they mean: see `stay.ts`, `store.ts`. */
import { ApiError } from "@concert/service-kit";
import { z } from "zod";
import { isDay } from "./stay.ts";

const GUESTS_MAX = 20;
const DELAY_MAX_MS = 600_000;

const day = z.string().refine(isDay, "must be an existing day as YYYY-MM-DD");
const guests = z.number().int().min(1).max(GUESTS_MAX);
const shortText = z.string().trim().min(1).max(200);

export const searchQuery = z.object({
  city: shortText,
  check_in: day,
  check_out: day,
  guests: z.coerce.number().pipe(guests),
  hotel_name: z.string().trim().max(200).optional(),
});

export const quoteBody = z.strictObject({
  hotel_id: shortText,
  room_type: shortText.optional(),
  check_in: day,
  check_out: day,
  guests,
});
export type QuoteBody = z.infer<typeof quoteBody>;

export const bookingBody = z.strictObject({
  quote_id: shortText,
  guest_name: shortText,
  guest_email: z.email().max(320),
});
export type BookingBody = z.infer<typeof bookingBody>;

export const bookingsQuery = z.object({
  idempotency_key: z.string().min(1).max(200).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(1_000),
  after: z.coerce.number().int().min(0).default(0),
});
export type BookingsQuery = z.infer<typeof bookingsQuery>;

export const idempotencyKey = z
  .string({ error: "this operation needs the header Idempotency-Key" })
  .min(1)
  .max(200);

export const OPERATIONS = ["search", "quote", "book", "cancel"] as const;
export type Operation = (typeof OPERATIONS)[number];

const faultRule = z.strictObject({
  operation: z.enum(OPERATIONS),
  mode: z.enum([
    "error_before_commit",
    "error_after_commit",
    "slow_before_commit",
    "slow_after_commit",
    "rate_limited",
  ]),
  times: z.number().int().min(0).max(1_000_000),
  delay_ms: z.number().int().min(0).max(DELAY_MAX_MS).optional(),
});
export type FaultRule = z.infer<typeof faultRule>;

export const faultsBody = z.strictObject({ rules: z.array(faultRule).max(100) });

/** The value in its parsed shape. Throws `ApiError` 400 `invalid_request` naming every field that is wrong. */
export function parsed<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => ({
    path: issue.path.join("."),
    message: issue.message,
  }));
  const sentence = issues.map((issue) =>
    issue.path === "" ? issue.message : `${issue.path}: ${issue.message}`,
  );
  throw new ApiError(
    400,
    "invalid_request",
    `The request is not valid: ${sentence.join("; ")}.`,
    issues,
  );
}
