/** Owns the tasks of a hotel booking (EX-9): search, draft, confirm, and cancel. Each is also a tool of the agent. */
import {
  ContractFailure,
  encodeId,
  type Json,
  type JsonObject,
  type StepView,
  type TaskDefinition,
} from "@concert/concord";
import {
  AGREED_DATA,
  IN_SCOPE,
  MAY_BOOK,
  NOT_TOO_LONG,
  NOT_TOO_OFTEN,
  RATE_WINDOW_SECONDS,
  TAKES_NOTHING_BACK,
  WITHIN_BUDGET,
} from "./policies.ts";

const DATE = { type: "string", format: "date", description: "YYYY-MM-DD" };
const GUESTS = { type: "integer", minimum: 1, maximum: 8 };
const NAME = { type: "string", minLength: 1, maxLength: 120 };
const ARTIFACT_ID = { type: "string", pattern: "^art_[0-9a-f]{32}$" };

const CONFIRM = "hotel_reservation.confirm";
const CONFIRM_KEY = "confirm_booking:{booking_draft_id}";

/** EX-15: for a day after booking it can be cancelled, and the hotel is told. */
const CANCEL_WITHIN_MINUTES = 24 * 60;

const STAY = ["hotel_name", "city", "check_in", "check_out", "guests", "total_amount", "currency"];
const DRAFT = ["quote_id", "hotel_id", "room_type", "nights", ...STAY];
const BOOKING = ["booking_id", "confirmation_code", "status", ...STAY];

export const searchTask: TaskDefinition = {
  name: "hotel.search",
  description: "Search hotels in a city for given dates. Only reads; nothing is reserved.",
  inputSchema: {
    type: "object",
    required: ["city", "check_in", "check_out", "guests"],
    additionalProperties: false,
    properties: { city: NAME, check_in: DATE, check_out: DATE, guests: GUESTS, hotel_name: NAME },
  },
  syncAllowed: true,
  policies: [MAY_BOOK, IN_SCOPE],
  dataTouched: ["travel_dates"],
  steps: [
    {
      kind: "connector",
      id: "search",
      connector: "hotel_booking",
      operation: "search_hotels",
      input: ({ payload }) => stayInOrder(payload),
    },
  ],
  result: ({ results }) => object(results["search"]),
  tool: { name: "hotel_search" },
};

export const draftTask: TaskDefinition = {
  name: "hotel_reservation.draft",
  description:
    "Draft a booking: get a price that holds and keep it for confirmation. Books nothing.",
  inputSchema: {
    type: "object",
    required: ["hotel_id", "check_in", "check_out", "guests"],
    additionalProperties: false,
    properties: {
      hotel_id: NAME,
      room_type: NAME,
      check_in: DATE,
      check_out: DATE,
      guests: GUESTS,
    },
  },
  syncAllowed: true,
  policies: [MAY_BOOK, IN_SCOPE],
  dataTouched: ["travel_dates"],
  // The vendor keeps a price for 30 minutes; a draft found again has to leave time to decide.
  idempotency: {
    key: "draft_booking:{requester}:{hotel_id}:{room_type?}:{check_in}:{check_out}:{guests}",
    holdsForSeconds: 15 * 60,
    spentBy: { commandType: CONFIRM, key: CONFIRM_KEY },
  },
  steps: [
    {
      kind: "connector",
      id: "quote",
      connector: "hotel_booking",
      operation: "quote",
      input: ({ payload }) => stayInOrder(payload),
    },
    {
      kind: "artifact",
      id: "draft",
      artifactType: "booking_draft",
      dependsOn: ["quote"],
      title: ({ results }) => {
        const quote = object(results["quote"]);
        return `Draft: ${quote["hotel_name"]}, ${quote["check_in"]} to ${quote["check_out"]}`;
      },
      content: ({ results }) => pick(object(results["quote"]), DRAFT),
    },
  ],
  result: ({ results }) => ({
    booking_draft_id: object(results["draft"])["artifact_id"] ?? null,
    ...pick(object(results["quote"]), DRAFT),
  }),
  tool: { name: "hotel_draft" },
};

export const confirmTask: TaskDefinition = {
  name: CONFIRM,
  description: "Book a drafted reservation. Spends money; above the limit a person has to agree.",
  inputSchema: {
    type: "object",
    required: ["booking_draft_id"],
    additionalProperties: false,
    properties: {
      booking_draft_id: ARTIFACT_ID,
      for_somebody_else: {
        type: "boolean",
        description: "True when somebody other than the person you speak with will stay there.",
      },
      guest_name: { ...NAME, title: "Name of the guest" },
      guest_email: {
        type: "string",
        format: "email",
        maxLength: 254,
        title: "E-mail of the guest",
        description: "The hotel sends the confirmation there.",
      },
    },
  },
  // Somebody else's name and address are the person's to give: no model hears of them.
  asks: [
    {
      fields: ["guest_name", "guest_email"],
      text: "Who will stay there?",
      when: ({ payload }) => payload["for_somebody_else"] === true,
    },
  ],
  riskLevel: "medium",
  policies: [
    MAY_BOOK,
    IN_SCOPE,
    NOT_TOO_OFTEN,
    WITHIN_BUDGET,
    NOT_TOO_LONG,
    AGREED_DATA,
    TAKES_NOTHING_BACK,
  ],
  idempotency: { key: CONFIRM_KEY },
  dataTouched: ["travel_dates", "traveller_identity"],
  cancellationMode: "compensate_then_stop",
  cancelWithinMinutes: CANCEL_WITHIN_MINUTES,
  gatherFacts: async (payload, read) => {
    const id = String(payload["booking_draft_id"]);
    const draft = await read.artifact(id);
    if (draft?.artifactType !== "booking_draft") {
      throw new ContractFailure("validation_error", `there is no booking draft ${id}`);
    }
    return { ...draft.content, recent_bookings: await read.recentCommands(RATE_WINDOW_SECONDS) };
  },
  review: ({ payload, facts, requester }) => ({
    action: `Book ${facts["hotel_name"]} in ${facts["city"]}`,
    why: `${requester.user} asked for it, and it costs more than may be spent without a decision.`,
    affected: [
      { label: "Hotel", value: facts["hotel_name"] ?? null },
      { label: "City", value: facts["city"] ?? null },
      { label: "Room", value: facts["room_type"] ?? null },
      { label: "Check-in", value: facts["check_in"] ?? null },
      { label: "Check-out", value: facts["check_out"] ?? null },
      { label: "Guests", value: facts["guests"] ?? null },
      { label: "In the name of", value: payload["guest_name"] ?? requester.user },
      { label: "Total", value: `${amount(facts["total_amount"])} ${facts["currency"]}` },
    ],
    afterApproval: "The room is booked once with the hotel vendor and the confirmation is kept.",
  }),
  steps: [
    {
      kind: "connector",
      id: "book",
      connector: "hotel_booking",
      operation: "book_hotel",
      effectType: "hotel_booking.book",
      input: ({ payload, facts, requester }) => ({
        quote_id: facts["quote_id"] ?? null,
        guest_name: payload["guest_name"] ?? requester.user,
        guest_email:
          payload["guest_email"] ?? requester.email ?? `${requester.user}@example.invalid`,
      }),
    },
    {
      kind: "artifact",
      id: "confirmation",
      artifactType: "booking_confirmation",
      dependsOn: ["book"],
      title: (view) => {
        const booking = bookingOf(view);
        return `Booking ${booking["confirmation_code"]}: ${booking["hotel_name"]}`;
      },
      content: (view) => pick(bookingOf(view), BOOKING),
    },
  ],
  result: (view) => ({
    ...pick(bookingOf(view), BOOKING),
    artifact_id: object(view.results["confirmation"])["artifact_id"] ?? null,
  }),
  tool: { name: "hotel_confirm" },
};

export const cancelTask: TaskDefinition = {
  name: "hotel_reservation.cancel",
  description:
    "Cancel a booking of the last day and have the hotel release the room. Needs the artifact_id of the confirmation.",
  inputSchema: {
    type: "object",
    required: ["artifact_id"],
    additionalProperties: false,
    properties: { artifact_id: ARTIFACT_ID },
  },
  riskLevel: "medium",
  policies: [MAY_BOOK],
  gatherFacts: async (payload, read) => {
    const id = String(payload["artifact_id"]);
    const confirmation = await read.artifact(id);
    if (confirmation?.artifactType !== "booking_confirmation") {
      throw new ContractFailure("validation_error", `there is no booking confirmation ${id}`);
    }
    const booked = encodeId("command", confirmation.commandId);
    return { ...confirmation.content, booked_by_command: booked };
  },
  steps: [
    { kind: "take_back", id: "cancel", command: ({ facts }) => String(facts["booked_by_command"]) },
  ],
  result: ({ facts }) => ({ ...pick(facts, ["booking_id", "hotel_name"]), status: "cancelled" }),
  tool: { name: "hotel_cancel" },
};

function bookingOf({ results }: StepView): JsonObject {
  return object(results["book"]);
}

/** Dates as strings compare like dates; a stay that ends before it begins is refused here, not by the vendor. */
function stayInOrder(payload: JsonObject): JsonObject {
  if (String(payload["check_out"]) <= String(payload["check_in"])) {
    throw new ContractFailure("validation_error", "check_out must be after check_in");
  }
  return payload;
}

function object(value: Json | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : {};
}

function pick(from: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name) => [name, from[name] ?? null]));
}

function amount(value: Json | undefined): string {
  return typeof value === "number" ? value.toFixed(2) : "unknown";
}
