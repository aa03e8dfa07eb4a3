import { describe, expect, test } from "vitest";
import { readAnswer, readForm } from "./question-form.ts";

const GUEST = {
  questions: [
    { text: "Who will stay there?", fields: ["guest_name", "guest_email"] },
    { text: "How?", fields: ["beds", "breakfast", "floor", "arrival"] },
  ],
  answerSchema: {
    type: "object",
    required: ["guest_name", "beds"],
    properties: {
      beds: { type: "integer" },
      guest_name: { type: "string", title: "Name of the guest", maxLength: 120 },
      guest_email: { type: "string", format: "email", description: "For the confirmation." },
      breakfast: { type: "boolean" },
      floor: { enum: ["ground_floor", 2] },
      arrival: { type: "string", format: "date" },
      extra: { type: "array" },
    },
  },
};

describe("a question as a form", () => {
  const form = readForm(GUEST);

  test("keeps the order in which it is asked, and puts what nobody named at the end", () => {
    expect(form.map((one) => [one.text, one.fields.map((field) => field.name)])).toEqual([
      ["Who will stay there?", ["guest_name", "guest_email"]],
      ["How?", ["beds", "breakfast", "floor", "arrival", "extra"]],
    ]);
    expect(form[0]?.fields).toMatchObject([
      { label: "Name of the guest", kind: "text", required: true, charactersMax: 120 },
      { label: "Guest email", kind: "email", required: false, hint: "For the confirmation." },
    ]);
    expect(form[1]?.fields.map((field) => field.kind)).toEqual([
      "number",
      "yes_no",
      "choice",
      "date",
      "json",
    ]);
  });

  test("answers in the types of the schema, without what was left empty", () => {
    const typed = { guest_name: " Ada ", beds: "2", breakfast: "no", floor: "1", extra: "[1]" };
    expect(readAnswer(form, typed)).toEqual({
      input: { guest_name: "Ada", beds: 2, breakfast: false, floor: 2, extra: [1] },
    });
  });

  test("names every field that is not right", () => {
    expect(readAnswer(form, { beds: "two", floor: "9", extra: "{" })).toEqual({
      problems: {
        guest_name: "This is needed.",
        beds: "This needs a number.",
        floor: "Choose one of these.",
        extra: expect.stringContaining("JSON"),
      },
    });
  });
});

test("a question that another system garbled still can be read", () => {
  expect(readForm({ questions: null, answerSchema: {} })).toEqual([
    { text: "Something is missing.", fields: [] },
  ]);
  expect(readForm({ questions: [7], answerSchema: { properties: { a: null } } })).toMatchObject([
    { text: "", fields: [{ name: "a", label: "A", kind: "json" }] },
  ]);
});
