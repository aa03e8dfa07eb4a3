import { expect, test } from "vitest";
import { mayAnswer, readOpenQuestions } from "./open-questions.ts";

test("open questions are read as Concord writes them, and anything else is refused", () => {
  const wire = {
    input_request_id: "inp_1",
    command_id: "cmd_1",
    task_name: "hotel.confirm",
    requested_by: "ana",
    questions: [{ text: "Who?", fields: ["name"] }],
    answer_schema: { type: "object" },
    expires_at: "2027-03-02T10:00:00.000Z",
    created_at: "2027-03-01T10:00:00.000Z",
  };
  expect(readOpenQuestions({ items: [wire] })).toEqual([
    {
      id: "inp_1",
      commandId: "cmd_1",
      taskName: "hotel.confirm",
      requestedBy: "ana",
      questions: wire.questions,
      answerSchema: { type: "object" },
      expiresAtMs: Date.parse("2027-03-02T10:00:00Z"),
      createdAtMs: Date.parse("2027-03-01T10:00:00Z"),
    },
  ]);
  expect(readOpenQuestions({ items: [{ ...wire, answer_schema: 7 }] })[0]?.answerSchema).toEqual(
    {},
  );
  expect(() => readOpenQuestions(null)).toThrow();
  expect(() => readOpenQuestions({})).toThrow("no questions");
});

test.each([
  ["ana", ["member"], true],
  ["bob", ["member"], false],
  ["bob", ["owner"], true],
])("%s in %o may answer what ana is asked: %s", (userId, roles, may) => {
  expect(mayAnswer({ requestedBy: "ana" }, { userId, roles })).toBe(may);
});
