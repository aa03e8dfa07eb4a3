import type { AutomationDefinition } from "@concert/sdk";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Draft, draftWith, emptyDraft, readDraft } from "./automation-draft.ts";

const zone = "Europe/Berlin";
const cron = (text: string) => ({ kind: "cron", cron: text, timeZone: zone }) as const;
const definitionOf = (more: Partial<Draft>) => {
  const read = readDraft({ ...emptyDraft(zone), ...more });
  if ("problems" in read) throw new Error(JSON.stringify(read.problems));
  return read.definition;
};

describe("what was typed", () => {
  test("is a definition of the gateway's", () => {
    expect(definitionOf({ name: " Morning ", prompt: "What is new?" })).toEqual({
      name: "Morning",
      prompt: "What is new?",
      variables: {},
      schedule: cron("0 9 * * *"),
      execution: { mode: "isolated", agentType: "concierge" },
      delivery: { inbox: "always" },
      retries: { max: 2, backoffSeconds: 60 },
      missed: { policy: "run_once" },
      overlap: "skip",
      limits: { runMinutes: 60, runsPerDay: 1_440, failuresInARow: 5 },
    });
    expect(definitionOf({ sessionId: "s1" }).execution).toEqual({ mode: "main", sessionId: "s1" });
    expect(definitionOf({ toolsAre: "some", tools: "hotel_search, write_file" }).tools).toEqual([
      "hotel_search",
      "write_file",
    ]);
  });

  test("knows every rhythm, and leaves it to the gateway to refuse what is half typed", () => {
    const scheduleOf = (more: Partial<Draft>) => definitionOf(more).schedule;
    expect(scheduleOf({ rhythm: "weekdays", time: "17:05" })).toEqual(cron("5 17 * * 1-5"));
    expect(scheduleOf({ rhythm: "weekly", weekday: "0" })).toEqual(cron("0 9 * * 0"));
    expect(scheduleOf({ rhythm: "cron", cron: " 1 2 3 4 5 " })).toEqual(cron("1 2 3 4 5"));
    const beat = { kind: "heartbeat", everyMinutes: 15 };
    expect(scheduleOf({ rhythm: "interval", everyMinutes: "15" })).toEqual(beat);
    expect(scheduleOf({ time: "" })).toEqual(cron("? ? * * *"));
    expect(definitionOf({ retriesMax: "", backoffSeconds: "x" }).retries).toEqual({
      backoffSeconds: Number.NaN,
    });
  });

  test("is refused at its field where it could not even be sent", () => {
    const read = (taskPayload: string) =>
      readDraft({ ...emptyDraft(zone), taskName: "tell_person", taskPayload });
    for (const text of ["", "{", "[]", "7", "null"]) {
      expect(read(text)).toHaveProperty("problems");
    }
    expect(read('{"recipient":"anna"}')).toMatchObject({
      definition: { delivery: { task: { payload: { recipient: "anna" } } } },
    });
  });
});

const word = fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/);
const when = fc.constantFrom("always" as const, "problems" as const);
const definition: fc.Arbitrary<AutomationDefinition> = fc.record(
  {
    name: word,
    prompt: word,
    variables: fc.dictionary(word, fc.string({ maxLength: 5 })),
    schedule: fc.oneof(
      fc.record({
        kind: fc.constant("cron" as const),
        cron: fc.constantFrom("0 9 * * *", "5 17 * * 1-5", "0 8 * * 0", "*/5 * * * *", "0 9 1 * *"),
        timeZone: fc.constantFrom("UTC", zone),
      }),
      fc.record({
        kind: fc.constant("heartbeat" as const),
        everyMinutes: fc.integer({ min: 1, max: 99 }),
      }),
    ),
    execution: fc.oneof(
      fc.record({ mode: fc.constant("main" as const), sessionId: word }),
      fc.record({ mode: fc.constant("isolated" as const), agentType: word }),
    ),
    tools: fc.array(word),
    delivery: fc.record(
      {
        inbox: fc.constantFrom("always" as const, "problems" as const, "never" as const),
        sessionId: fc.option(word),
        webhook: fc.record({ url: word, secretRef: word, when }),
        task: fc.record({ name: word, payload: fc.dictionary(word, fc.string()), when }),
      },
      { requiredKeys: ["inbox", "sessionId"] },
    ),
    retries: fc.record({ max: fc.nat(10), backoffSeconds: fc.nat(99) }),
    missed: fc.oneof(
      fc.record({ policy: fc.constant("catch_up" as const), max: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ policy: fc.constant("skip" as const), max: fc.constant(10) }),
    ),
    overlap: fc.constantFrom("skip" as const, "queue" as const),
    limits: fc.record({
      runMinutes: fc.nat(9),
      runsPerDay: fc.nat(9),
      failuresInARow: fc.nat(9),
    }),
  },
  {
    requiredKeys: [
      "name",
      "prompt",
      "variables",
      "schedule",
      "execution",
      "delivery",
      "retries",
      "missed",
      "overlap",
      "limits",
    ],
  },
);

test("a definition that is edited and saved untouched says what it said", () => {
  fc.assert(
    fc.property(definition, (one) => {
      const read = readDraft(draftWith(emptyDraft("Asia/Tokyo"), one));
      if ("problems" in read) throw new Error(JSON.stringify(read.problems));
      const { delivery, missed, ...rest } = one;
      const { sessionId, ...told } = delivery;
      expect(read.definition).toEqual({
        ...rest,
        // Left out means none, and the number belongs to one policy only.
        delivery: { ...told, ...(sessionId === null ? {} : { sessionId }) },
        missed: missed.policy === "catch_up" ? missed : { policy: missed.policy },
      });
    }),
  );
});

test("a blueprint's template says some of it, the rest stays as it was", () => {
  const draft = draftWith(emptyDraft(zone), {
    prompt: "What is new?",
    retries: { max: 1 } as never,
  });
  expect(draft).toEqual({ ...emptyDraft(zone), prompt: "What is new?", retriesMax: "1" });
});
