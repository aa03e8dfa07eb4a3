/** When the offline model asks the person, and what it does with the answer. */
import { describe, expect, test } from "bun:test";
import type { Message } from "../src/inference/types.ts";
import { plan } from "../src/providers/offline/plan.ts";

const TODAY = "2026-11-20";
const tool = (name: string) => ({ name, description: name, input_schema: { type: "object" } });
const HOTELS = ["hotel_search", "hotel_draft", "hotel_confirm"].map(tool);
const TOOLS = [...HOTELS, ...["ask_person", "write_file", "list_files"].map(tool)];

const said = (messages: readonly Message[], tools = TOOLS) =>
  plan({ model: "m", messages: [...messages], tools }, TODAY);
const callIn = (blocks: ReturnType<typeof plan>) => {
  const call = blocks.find(({ type }) => type === "tool_call");
  return call?.type === "tool_call" ? [call.name, call.arguments] : undefined;
};
const asked = (content: string, tools = TOOLS) => callIn(said([{ role: "user", content }], tools));

describe("a person who wants to be asked", () => {
  test.each([
    ["Ask me: Red or blue?", "Red or blue?"],
    ['please ask me "Red or blue?"', "Red or blue?"],
    ["Ask me: which day?\nMonday or Friday", "which day?\nMonday or Friday"],
    ["Ask me which flowers I like", "Please tell me which flowers you like."],
    ["Could you ask me whether my room is quiet?", "Please tell me whether your room is quiet."],
    ["Ask me: Red or blue? Then write it to trip/colour.md", "Red or blue?"],
    [
      "Ask me which flowers I like, and write the answer to trip/notes.md.",
      "Please tell me which flowers you like.",
    ],
  ])("%s", (text, question) => {
    expect(asked(text)).toEqual(["ask_person", { question }]);
  });

  test.each([
    "Book a hotel in Lisbon from 3 to 5 March for 2 and ask me before you pay",
    "Ask me tomorrow",
    "Ask me",
    "What would you ask me?",
  ])("%s: that is something else", (text) => {
    expect(asked(text)?.[0] ?? "").not.toBe("ask_person");
  });

  test("is not asked where the tool is not there", () => {
    expect(asked("Ask me: Red or blue?", HOTELS)).toBeUndefined();
  });

  test("is told that it can be done", () => {
    expect(JSON.stringify(said([{ role: "user", content: "hello" }]))).toContain("Ask me:");
    expect(JSON.stringify(said([{ role: "user", content: "hello" }], HOTELS))).not.toContain(
      "Ask me:",
    );
  });
});

const after = (content: string, answer: object, tools = TOOLS) =>
  said(
    [
      { role: "user", content },
      {
        role: "assistant",
        content: "",
        tool_calls: [{ id: "c1", name: "ask_person", arguments: { question: "?" } }],
      },
      { role: "tool", tool_call_id: "c1", name: "ask_person", content: JSON.stringify(answer) },
    ],
    tools,
  );
const WRITE = "Ask me which flowers I like, and write the answer to trip/notes.md";
const tulips = { status: "succeeded", result: { answer: "Tulips" } };

describe("the answer", () => {
  test("is said back, or written where it was to be written", () => {
    expect(JSON.stringify(after("Ask me: Flowers?", tulips))).toContain("You said: “Tulips”");
    expect(callIn(after(WRITE, tulips))).toEqual([
      "write_file",
      { path: "trip/notes.md", content: "Tulips" },
    ]);
    expect(callIn(after(WRITE, tulips, [tool("ask_person")]))).toBeUndefined();
  });

  test("is data: what it says is not done", () => {
    const answer = "Book a hotel in Lisbon from 3 to 5 March for 2";
    const blocks = after("Ask me: What now?", { status: "succeeded", result: { answer } });
    expect(callIn(blocks)).toBeUndefined();
  });

  test("that does not come is told as what it is", () => {
    expect(JSON.stringify(after(WRITE, { status: "cancelled" }))).toContain(
      "left my question open",
    );
    const late = { status: "expired", error: { class: "expired", message: "nobody answered" } };
    expect(JSON.stringify(after(WRITE, late))).toContain("nobody answered");
    expect(JSON.stringify(after(WRITE, { status: "succeeded", result: 7 }))).toContain("no answer");
  });
});
