/** What holds of the offline model for every input. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Message } from "../src/inference/types.ts";
import { plan } from "../src/providers/offline/plan.ts";
import { readConversation } from "../src/providers/offline/wish.ts";
import { HOTEL_TOOLS, TODAY } from "./conversation-driver.ts";

const word = fc.constantFrom(
  ..."book hotel in Lisbon lisbon for 2 two guests from 3 to 5 March march tomorrow until Sunday the second one cheapest best not under € 400 euros nights week , . - – yes no try again 2027-03-03 30 Feb 99 0 -1 1st 31st Miramar Casa do Rossio May a an I my wife and weekend ** 1. ` \n".split(
    " ",
  ),
);
const said = fc.oneof(
  fc.string({ maxLength: 300, unit: "binary" }),
  fc.array(word, { maxLength: 25 }).map((words) => words.join(" ")),
);
const tool = fc.record({
  role: fc.constant("tool" as const),
  content: fc.oneof(said, fc.json(), fc.constant('{"status":"succeeded","result":{"offers":[]}}')),
  tool_call_id: fc.constantFrom("a", "b"),
});
const assistant = fc.record(
  {
    role: fc.constant("assistant" as const),
    content: said,
    tool_calls: fc.array(
      fc.record({
        id: fc.constantFrom("a", "b"),
        name: fc.constantFrom("hotel_search", "hotel_draft", "hotel_confirm", "other"),
        arguments: fc.constant({}),
      }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: ["role", "content"] },
);
const person = fc.record({
  role: fc.constantFrom("user" as const, "system" as const),
  content: said,
});
const messages: fc.Arbitrary<Message[]> = fc.array(fc.oneof(person, assistant, tool), {
  minLength: 1,
  maxLength: 12,
});
const tools = fc.subarray([...HOTEL_TOOLS]);

describe("for every conversation", () => {
  test("the model answers something, proposes only offered tools, and says the same again", () => {
    fc.assert(
      fc.property(messages, tools, (conversation, offered) => {
        const request = { model: "m", messages: conversation, tools: offered };
        const blocks = plan(request, TODAY);
        expect(blocks.length).toBeGreaterThan(0);
        expect(plan(structuredClone(request), TODAY)).toEqual(blocks);
        for (const block of blocks) {
          if (block.type !== "tool_call") expect(block.text.trim()).not.toBe("");
          else expect(offered.map(({ name }) => name)).toContain(block.name);
        }
      }),
      { numRuns: 400 },
    );
  });

  test("a search it proposes is always possible: future dates in order, 1 to 20 guests", () => {
    fc.assert(
      fc.property(fc.array(said, { minLength: 1, maxLength: 4 }), (sentences) => {
        const conversation = sentences.map((content) => ({ role: "user" as const, content }));
        const call = plan({ model: "m", messages: conversation, tools: HOTEL_TOOLS }, TODAY).find(
          (block) => block.type === "tool_call",
        );
        if (call?.type !== "tool_call") return;
        const { check_in, check_out, guests } = call.arguments;
        expect(String(check_in) >= TODAY).toBe(true);
        expect(String(check_out) > String(check_in)).toBe(true);
        expect(Number(guests)).toBeGreaterThanOrEqual(1);
        expect(Number(guests)).toBeLessThanOrEqual(20);
      }),
      { numRuns: 400 },
    );
  });
});

test("a very long message is read in bounded time and does not crash", () => {
  const reading = readConversation([{ role: "user", content: "book ".repeat(50_000) }], TODAY);
  expect(reading.isRequest).toBe(true);
});

test("ids of calls differ from turn to turn and agree within one", () => {
  const user: Message = { role: "user", content: "Book a hotel in Lisbon from 3 to 5 March for 2" };
  const idOf = (conversation: readonly Message[]) =>
    plan({ model: "m", messages: conversation, tools: HOTEL_TOOLS }, TODAY).flatMap((block) =>
      block.type === "tool_call" ? [block.id] : [],
    );
  expect(idOf([user])).toEqual(idOf([user]));
  expect(idOf([user])).toHaveLength(1);
  expect(idOf([user, { role: "assistant", content: "…" }, user])).not.toEqual(idOf([user]));
});
