/**
 * Plays the part of Podium around the pure planner: keeps history as plain text, carries out tool calls through a
 * desk that answers like the hotel tools, and records what was proposed. Not a test itself.
 */
import type { Block, Message, Tool, ToolCall } from "../src/inference/types.ts";
import { plan } from "../src/providers/offline/plan.ts";

export const TODAY = "2026-11-20";

export const HOTEL_TOOLS: readonly Tool[] = ["hotel_search", "hotel_draft", "hotel_confirm"].map(
  (name) => ({ name, description: name, input_schema: { type: "object" } }),
);

export interface Answer {
  readonly status: string;
  readonly result?: unknown;
  readonly error?: { readonly class: string; readonly message: string };
}

/** Answers one call, or leaves it to the hotels below by returning undefined. */
export type Desk = (call: ToolCall) => Answer | undefined;

interface Hotel {
  readonly city: string;
  readonly name: string;
  readonly stars: number;
  readonly cents: number;
}

const HOTELS: readonly Hotel[] = [
  { city: "Lisbon", name: "Grand Hotel Miramar", stars: 5, cents: 32_000 },
  { city: "Lisbon", name: "Casa do Rossio", stars: 3, cents: 14_000 },
  { city: "Lisbon", name: "Tejo Garden Hotel", stars: 4, cents: 21_000 },
  { city: "Porto", name: "Hotel Douro Vista", stars: 4, cents: 18_500 },
];

export class Conversation {
  readonly calls: ToolCall[] = [];
  readonly #desk: Desk;
  readonly #tools: readonly Tool[];
  #history: readonly Message[] = [];

  constructor(desk: Desk = () => undefined, tools: readonly Tool[] = HOTEL_TOOLS) {
    this.#desk = desk;
    this.#tools = tools;
  }

  /** One turn: what the person says to the final text. */
  say(content: string, today = TODAY): string {
    let turn: readonly Message[] = [{ role: "user", content }];
    for (let thought = 0; thought < 12; thought += 1) {
      const blocks = plan(
        { model: "m", messages: [...this.#history, ...turn], tools: this.#tools },
        today,
      );
      const text = textOf(blocks);
      const calls = blocks.filter((block) => block.type === "tool_call");
      if (calls.length === 0) {
        this.#history = [
          ...this.#history,
          { role: "user", content },
          { role: "assistant", content: text },
        ];
        return text;
      }
      this.calls.push(...calls);
      const tool_calls = calls.map(({ id, name, arguments: args }) => ({
        id,
        name,
        arguments: args,
      }));
      turn = [
        ...turn,
        { role: "assistant", content: text, tool_calls },
        ...calls.map((call) => this.#observe(call)),
      ];
    }
    throw new Error("the model never came to an end");
  }

  /** Names of the tools proposed since the last look. */
  taken(): readonly string[] {
    return this.calls.splice(0).map((call) => call.name);
  }

  #observe(call: ToolCall): Message {
    const answer = this.#desk(call) ?? answerCall(call);
    return {
      role: "tool",
      tool_call_id: call.id,
      name: call.name,
      content: JSON.stringify(answer),
    };
  }
}

export function textOf(blocks: readonly Block[]): string {
  return blocks.map((block) => (block.type === "text" ? block.text : "")).join("");
}

function answerCall({ name, arguments: args }: ToolCall): Answer {
  if (name === "hotel_search") return { status: "succeeded", result: search(args) };
  const hotel = HOTELS.find(
    (one) => one.name === args["hotel_id"] || `art_${one.name}` === args["booking_draft_id"],
  );
  if (hotel === undefined)
    return { status: "failed", error: { class: "validation", message: "unknown hotel" } };
  const booking = {
    hotel_name: hotel.name,
    city: hotel.city,
    check_in: "2027-03-03",
    check_out: "2027-03-05",
    guests: 2,
  };
  const price = { total_amount: (hotel.cents * 2) / 100, currency: "EUR" };
  const result =
    name === "hotel_draft"
      ? { ...booking, ...price, booking_draft_id: `art_${hotel.name}`, quote_id: "quo_1" }
      : {
          ...booking,
          ...price,
          booking_id: "bkg_1",
          confirmation_code: "K7XQ2M",
          status: "confirmed",
        };
  return { status: "succeeded", result };
}

function search(args: ToolCall["arguments"]) {
  const nights = Math.round(
    (Date.parse(String(args["check_out"])) - Date.parse(String(args["check_in"]))) / 86_400_000,
  );
  const offers = HOTELS.filter((hotel) => hotel.city === args["city"]).flatMap((hotel) =>
    [["double", 1] as const, ["family", 1.5] as const].map(([room_type, factor]) => ({
      hotel_id: hotel.name,
      hotel_name: hotel.name,
      city: hotel.city,
      stars: hotel.stars,
      room_type,
      price_per_night: (hotel.cents * factor) / 100,
      total_amount: (hotel.cents * factor * nights) / 100,
      currency: "EUR",
    })),
  );
  const known = offers.length === 0 ? { known_cities: ["Lisbon", "Porto"] } : {};
  return { ...args, nights, offers, ...known };
}
