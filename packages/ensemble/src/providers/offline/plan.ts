/**
 * Owns the offline model's next move: from a conversation and the tools at hand to blocks. Pure and deterministic:
 * no clock, no randomness, no network; the same request on the same day gives the same blocks.
 * It proposes only tools that were offered, and takes only the person's messages for wishes: what tools return is data.
 */
import { createHash } from "node:crypto";
import type { z } from "zod";
import type { Block, InferenceRequest, Message, Tool } from "../../inference/types.ts";
import { ASK_TOOL, afterAnswer, askCall } from "./asking.ts";
import { choose, shortlist } from "./choice.ts";
import { explainFailure } from "./failures.ts";
import {
  confirmResult,
  draftResult,
  lastObservation,
  type Observation,
  type SearchResult,
  searchResult,
} from "./observations.ts";
import * as say from "./sentences.ts";
import { answerTalk } from "./small-talk.ts";
import { complete, impossibility, missing } from "./stay.ts";
import { type Reading, readConversation, type Wish } from "./wish.ts";
import { fileAnswer, fileCall } from "./workspace.ts";

/** What every move may look at. */
interface Scene {
  /** The newest message of the person. */
  readonly asked: string;
  readonly reading: Reading;
  readonly tools: readonly Tool[];
  readonly todayIso: string;
  /** Makes the ids of calls differ from turn to turn and agree when a turn is thought again. */
  readonly position: number;
}

/** The next move of the conversation in `request`, on the day `todayIso` (`YYYY-MM-DD`). Never empty. */
export function plan(request: InferenceRequest, todayIso: string): readonly Block[] {
  const { messages } = request;
  const asked = messages.findLastIndex((message) => message.role === "user");
  const scene: Scene = {
    asked: messages[asked]?.content ?? "",
    reading: readConversation(messages.slice(0, asked + 1), todayIso),
    tools: request.tools ?? [],
    todayIso,
    position: messages.length,
  };
  const turn = messages.slice(asked + 1);
  const observation = lastObservation(turn);
  return observation === undefined ? opening(scene, turn) : following(scene, observation);
}

function opening(scene: Scene, turn: readonly Message[]): readonly Block[] {
  const { reading, tools, todayIso } = scene;
  if (turn.some((message) => (message.tool_calls ?? []).length > 0)) {
    return text("I am still waiting for the result of what I asked for.");
  }
  const ask = askCall(scene.asked, tools);
  if (ask !== undefined) return call(scene, ask.say, ASK_TOOL, ask.arguments);
  const file = fileCall(scene.asked, tools);
  if (file !== undefined) return call(scene, file.say, file.tool, file.arguments);
  if (!reading.isRequest) return text(answerTalk(reading.talk, tools));
  if (!has(tools, "hotel_search")) {
    return text(
      "I would need a tool to search for hotels, and there is none in this conversation.",
    );
  }
  const problem = impossibility(reading.wish, todayIso);
  if (problem !== undefined) return text(problem);
  const stay = complete(reading.wish);
  if (stay === undefined) return text(say.askFor(missing(reading.wish), reading.wish.city));
  return call(scene, say.searching(stay), "hotel_search", {
    city: stay.city,
    check_in: stay.checkIn,
    check_out: stay.checkOut,
    guests: stay.guests,
  });
}

function following(scene: Scene, observation: Observation): readonly Block[] {
  const next = afterAnswer(observation, scene.asked, scene.tools);
  if (next !== undefined) {
    return "tool" in next ? call(scene, next.say, next.tool, next.arguments) : text(next.say);
  }
  const file = fileAnswer(observation);
  if (file !== undefined) return text(file);
  if (observation.status !== "succeeded") return text(explainFailure(observation));
  switch (observation.call.name) {
    case "hotel_search":
      return read(observation, searchResult, (result) => afterSearch(scene, result));
    case "hotel_draft":
      return read(observation, draftResult, (draft) =>
        has(scene.tools, "hotel_confirm")
          ? call(scene, say.confirming(draft), "hotel_confirm", {
              booking_draft_id: draft.booking_draft_id,
              ...(scene.reading.wish.forOther === true ? { for_somebody_else: true } : {}),
            })
          : text(
              `The booking for **${say.safe(draft.hotel_name)}** is prepared, but I have no tool to confirm it.`,
            ),
      );
    case "hotel_confirm":
      return read(observation, confirmResult, (booking) => text(say.confirmed(booking)));
    default:
      return text(
        `${say.safe(observation.call.name)} is done, but I don't know how to read its result.`,
      );
  }
}

function afterSearch(scene: Scene, result: SearchResult): readonly Block[] {
  const { wish } = scene.reading;
  const { offers, nights } = result;
  if (offers.length === 0) {
    return text(
      result.known_cities === undefined ? say.nothingFree(result) : say.noSuchCity(result),
    );
  }
  const canBook = has(scene.tools, "hotel_draft");
  const list = say.offerList(result, shortlist(offers, wish, nights), canBook);
  if (wish.intent !== "book" || !canBook) return text(list);
  const choice = choose(offers, wish, nights);
  if (choice.kind !== "chosen") return text(`${whyNot(choice, wish, result)}\n\n${list}`);
  const { hotel_id, room_type } = choice.offer;
  return call(scene, say.drafting(choice.offer, nights), "hotel_draft", {
    hotel_id,
    room_type,
    check_in: result.check_in,
    check_out: result.check_out,
    guests: result.guests,
  });
}

function whyNot(
  choice: Exclude<ReturnType<typeof choose>, { kind: "chosen" }>,
  { budget, stars }: Wish,
  { city }: SearchResult,
): string {
  switch (choice.kind) {
    case "not_offered":
      return say.notOffered(choice.name, city);
    case "over_budget":
      return say.overBudget(choice.cheapest, budget?.amount ?? 0, budget?.per ?? "stay");
    case "no_such_stars":
      return say.noSuchStars(stars?.count ?? 0);
    case "nothing":
      return "Nothing is left of what you would accept, so I have booked nothing.";
  }
}

/** Hands `use` the result in its expected shape, or says that it could not be read. */
function read<S extends z.ZodType>(
  { call: { name }, result }: Observation,
  shape: S,
  use: (result: z.output<S>) => readonly Block[],
): readonly Block[] {
  const parsed = shape.safeParse(result);
  if (parsed.success) return use(parsed.data);
  return text(
    `${name} answered in a form I cannot read, so I stop here. The record of this request shows its answer.`,
  );
}

function text(sentence: string): readonly Block[] {
  return [{ type: "text", text: sentence }];
}

function call(
  scene: Scene,
  sentence: string,
  name: string,
  args: Readonly<Record<string, unknown>>,
): readonly Block[] {
  const content = JSON.stringify([scene.position, name, args]);
  const id = `call_${createHash("sha256").update(content).digest("hex").slice(0, 24)}`;
  return [...text(sentence), { type: "tool_call", id, name, arguments: args }];
}

function has(tools: readonly Tool[], name: string): boolean {
  return tools.some((tool) => tool.name === name);
}
