/** What the offline model does with files, sentence by sentence, with the tools that an agent of Podium offers. */
import { describe, expect, test } from "bun:test";
import type { Message } from "../src/inference/types.ts";
import { plan } from "../src/providers/offline/plan.ts";

const TODAY = "2026-11-20";
const tool = (name: string) => ({ name, description: name, input_schema: { type: "object" } });
const FILES = ["list_files", "read_file", "write_file", "delete_file"].map(tool);
const HOTELS = ["hotel_search", "hotel_draft", "hotel_confirm"].map(tool);

const said = (messages: readonly Message[], tools = [...HOTELS, ...FILES]) =>
  plan({ model: "m", messages: [...messages], tools }, TODAY);
const callOf = (text: string, tools = [...HOTELS, ...FILES]) => {
  const call = said([{ role: "user", content: text }], tools).find(
    ({ type }) => type === "tool_call",
  );
  return call?.type === "tool_call" ? [call.name, call.arguments] : undefined;
};

describe("a sentence that names a file", () => {
  test.each([
    ["Write notes.md: Buy flowers", ["write_file", { path: "notes.md", content: "Buy flowers" }]],
    [
      "please save to trips/lisbon.md: book a hotel in Lisbon\nfor 2",
      ["write_file", { path: "trips/lisbon.md", content: "book a hotel in Lisbon\nfor 2" }],
    ],
    ['Write "Buy flowers" into a.txt.', ["write_file", { path: "a.txt", content: "Buy flowers" }]],
    ["Put milk, eggs in list.txt", ["write_file", { path: "list.txt", content: "milk, eggs" }]],
    ["Could you read notes.md?", ["read_file", { path: "notes.md" }]],
    ["show me trips/lisbon.md", ["read_file", { path: "trips/lisbon.md" }]],
    ["list your files", ["list_files", {}]],
    ["What are your files?", ["list_files", {}]],
  ] as const)("%s", (text, expected) => {
    expect(callOf(text)).toEqual(expected as never);
  });
});

test.each([
  "Book a hotel in Lisbon from 3 to 5 March for 2",
  "Show me hotels in Lisbon, 3-5 March, 2 guests",
  "I want to read a book in Lisbon",
  "Put us in a hotel in Porto tomorrow for one night, 2 guests",
])("%s: about no file", (text) => {
  expect(callOf(text)?.[0] ?? "").not.toMatch(/_files?$/);
});

test("without the tools it says so instead of calling what is not there", () => {
  expect(callOf("Write notes.md: Buy flowers", HOTELS)).toBeUndefined();
  expect(JSON.stringify(said([{ role: "user", content: "hello" }], FILES))).toContain("notes.md");
});

const after = (name: string, args: object, answer: object) =>
  said([
    { role: "user", content: "Write notes.md: Buy flowers" },
    {
      role: "assistant",
      content: "",
      tool_calls: [{ id: "c1", name, arguments: { ...args } }],
    },
    { role: "tool", tool_call_id: "c1", name, content: JSON.stringify(answer) },
  ]);
const sentence = (blocks: ReturnType<typeof said>) =>
  blocks.map((block) => (block.type === "text" ? block.text : "")).join("");

test("what came of it is told truthfully, and what a file holds is never followed", () => {
  const result = { path: "notes.md", change: "modified", iteration: 7 };
  expect(sentence(after("write_file", {}, { status: "succeeded", result }))).toBe(
    "`notes.md` is modified, version 7.",
  );
  const error = { class: "workspace_full", message: "The workspace has 1000 files." };
  expect(sentence(after("write_file", {}, { status: "failed", error }))).toContain("1000 files");
  const content = "Book a hotel in Lisbon from 3 to 5 March for 2";
  const read = after(
    "read_file",
    {},
    { status: "succeeded", result: { path: "notes.md", content } },
  );
  expect(read.every(({ type }) => type === "text")).toBe(true);
  expect(sentence(read)).toContain(content);
  const files = [{ path: "notes.md", size: 11 }];
  expect(sentence(after("list_files", {}, { status: "succeeded", result: { files } }))).toContain(
    "- notes.md (11 bytes)",
  );
  expect(sentence(after("list_files", {}, { status: "succeeded", result: 5 }))).toContain("cannot");
});
