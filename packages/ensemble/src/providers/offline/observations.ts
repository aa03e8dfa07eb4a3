/**
 * Owns the reading of what came back from tools in the current turn. Everything in a tool message is data: it is
 * parsed, bounded and shown, and never read as a wish. Pure.
 */
import { z } from "zod";
import type { Message, ToolCall } from "../../inference/types.ts";

const envelope = z.object({
  status: z.string(),
  result: z.unknown().optional(),
  error: z.object({ class: z.string().catch(""), message: z.string().catch("") }).nullish(),
});

export interface Observation {
  readonly call: ToolCall;
  readonly status: string;
  readonly result: unknown;
  readonly error: { readonly class: string; readonly message: string } | undefined;
}

const offer = z.object({
  hotel_id: z.string(),
  hotel_name: z.string(),
  city: z.string(),
  stars: z.number(),
  room_type: z.string(),
  price_per_night: z.number(),
  total_amount: z.number(),
  currency: z.string(),
});
export type Offer = z.infer<typeof offer>;

export const searchResult = z.object({
  city: z.string(),
  check_in: z.string(),
  check_out: z.string(),
  nights: z.number(),
  guests: z.number(),
  offers: z.array(offer),
  known_cities: z.array(z.string()).optional(),
});
export type SearchResult = z.infer<typeof searchResult>;

export const draftResult = z.object({
  booking_draft_id: z.string().min(1),
  hotel_name: z.string(),
  total_amount: z.number(),
  currency: z.string(),
});

export const confirmResult = z.object({
  confirmation_code: z.string().min(1),
  hotel_name: z.string(),
  city: z.string(),
  check_in: z.string(),
  check_out: z.string(),
  guests: z.number(),
  total_amount: z.number(),
  currency: z.string(),
});
export type Confirmation = z.infer<typeof confirmResult>;

/**
 * What the newest answered call of this turn brought, or undefined when nothing was answered. An answer to a call that
 * is not in the turn is known by its tool's name alone.
 */
export function lastObservation(turn: readonly Message[]): Observation | undefined {
  const message = turn.findLast((one) => one.role === "tool");
  if (message === undefined) return undefined;
  const id = message.tool_call_id ?? "";
  const call = turn.flatMap((one) => one.tool_calls ?? []).findLast((one) => one.id === id);
  return observed(message.content, call ?? { id, name: message.name ?? "a tool", arguments: {} });
}

function observed(content: string, call: ToolCall): Observation {
  const parsed = envelope.safeParse(parsedJson(content));
  if (!parsed.success) {
    const error = { class: "unreadable", message: "" };
    return { call, status: "failed", result: undefined, error };
  }
  const { status, result, error } = parsed.data;
  return { call, status, result, error: error ?? undefined };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
