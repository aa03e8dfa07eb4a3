/** What the offline model understands of single sentences. Today is Friday 20 November 2026. */
import { describe, expect, test } from "bun:test";
import { readConversation, type Wish } from "../src/providers/offline/wish.ts";

const TODAY = "2026-11-20";
const MARCH = { checkIn: "2027-03-03", checkOut: "2027-03-05" };
const LISBON = { city: "Lisbon", guests: 2, ...MARCH };

type Expected = Partial<Omit<Wish, "picks">> & {
  readonly taste?: "cheapest" | "best";
  readonly named?: string;
};

const SENTENCES: readonly (readonly [string, Expected])[] = [
  ["Book a hotel in Lisbon from 3 to 5 March for 2", { ...LISBON, intent: "book" }],
  ["book a hotel in lisbon for two from march 3 to march 5", { ...LISBON, intent: "book" }],
  ["Please book us a room in Lisbon, 3-5 March, two guests", { ...LISBON, intent: "book" }],
  [
    "Book me the Grand Hotel Miramar in Lisbon, 3 to 5 March, two guests",
    { ...LISBON, intent: "book", named: "Grand Hotel Miramar" },
  ],
  [
    "reserve Casa do Rossio in lisbon for 2 from 3 march till 5 march",
    { ...LISBON, intent: "book", named: "Casa do Rossio" },
  ],
  [
    "Book Grand Hotel Miramar 3 to 5 March for 2",
    { guests: 2, ...MARCH, named: "Grand Hotel Miramar" },
  ],
  [
    "I need a hotel in Porto next Friday for two nights, just me",
    { city: "Porto", guests: 1, checkIn: "2026-11-27", checkOut: "2026-11-29", intent: "book" },
  ],
  [
    "My wife and I want to stay in Vienna from March 3rd to 5th",
    { city: "Vienna", guests: 2, ...MARCH, intent: "book" },
  ],
  [
    "cheapest hotel in berlin tomorrow until Sunday for 3 people",
    { city: "Berlin", guests: 3, checkIn: "2026-11-21", checkOut: "2026-11-22", taste: "cheapest" },
  ],
  [
    "What hotels are there in Madrid from 2027-03-03 to 2027-03-05 for 2 guests?",
    { city: "Madrid", guests: 2, ...MARCH, intent: "list" },
  ],
  [
    "show me hotels in Paris 3-5 March under 400 euros for 2",
    { city: "Paris", guests: 2, ...MARCH, intent: "list", budget: { amount: 400, per: "stay" } },
  ],
  [
    "book the best hotel in Rome, 10 April to 12 April, 2 adults and 1 child",
    { city: "Rome", guests: 3, checkIn: "2027-04-10", checkOut: "2027-04-12", taste: "best" },
  ],
  [
    "Hotel in Amsterdam, Dec 30 to Jan 2, family of four",
    { city: "Amsterdam", guests: 4, checkIn: "2026-12-30", checkOut: "2027-01-02" },
  ],
  [
    "Could you book a room in London this weekend for me?",
    { city: "London", guests: 1, checkIn: "2026-11-20", checkOut: "2026-11-22", intent: "book" },
  ],
  ["next weekend in Porto for two", { checkIn: "2026-11-27", checkOut: "2026-11-29", guests: 2 }],
  ["book a hotel in lisbon", { city: "Lisbon", intent: "book" }],
  ["I want to book a hotel", { intent: "book" }],
  [
    "I'd like to go to Barcelona with my husband from the 3rd to the 5th of March",
    { city: "Barcelona", guests: 2, ...MARCH },
  ],
  ["Book hotel Lisbon 03/03/2027 - 05/03/2027 2 people", LISBON],
  ["25.12.2026 - 27.12.2026 in Vienna for 2", { checkIn: "2026-12-25", checkOut: "2026-12-27" }],
  [
    "book in Lisbon from 5 March to 3 March for 2",
    { ...LISBON, checkIn: "2027-03-05", checkOut: "2027-03-03" },
  ],
  [
    "book a hotel in Lisbon for 2 from 5 to 3 March",
    { checkIn: "2027-03-05", checkOut: "2027-03-03" },
  ],
  [
    "book in Lisbon from 1 March 2020 to 3 March 2020 for 2",
    { checkIn: "2020-03-01", checkOut: "2020-03-03" },
  ],
  ["book in Lisbon 3 to 5 March for 0 guests", { ...LISBON, guests: 0 }],
  ["book in Lisbon 3 to 5 March for 40 guests", { ...LISBON, guests: 40 }],
  [
    "book in Lisbon on 30 February for 2 nights for 2",
    { city: "Lisbon", trouble: { kind: "impossible_day", text: "30 February" } },
  ],
  [
    "book in Lisbon from 2027-02-29 to 2027-13-01",
    { trouble: { kind: "impossible_day", text: "2027-13-01" } },
  ],
  ["Book a hotel in Atlantis from 3 to 5 March for 2", { ...LISBON, city: "Atlantis" }],
  ["hotel in timbuktu 3 to 5 march for 2", { ...LISBON, city: "Timbuktu" }],
  [
    "May I book a hotel in Lisbon from May 3 to May 5 for 2?",
    { city: "Lisbon", guests: 2, checkIn: "2027-05-03", checkOut: "2027-05-05", intent: "book" },
  ],
  [
    "under €150 per night in Porto, arriving 3 March, leaving 6 March, 2 guests, book it",
    {
      city: "Porto",
      checkIn: "2027-03-03",
      checkOut: "2027-03-06",
      budget: { amount: 150, per: "night" },
    },
  ],
  ["leaving 6 March, arriving 3 March, Porto", { checkIn: "2027-03-03", checkOut: "2027-03-06" }],
  ["Book a 4 star hotel in Vienna for 2", { stars: { count: 4, orMore: false }, guests: 2 }],
  [
    "at least four stars in Berlin, tomorrow for 3 nights, me and my girlfriend",
    { stars: { count: 4, orMore: true }, checkIn: "2026-11-21", checkOut: "2026-11-24", guests: 2 },
  ],
  ["book Lisbon 3 Mar - 5 Mar for 2, 5-star", { ...LISBON, stars: { count: 5, orMore: false } }],
  ["book between 3rd and 5th of March in Lisbon for me and my 2 kids", { ...LISBON, guests: 3 }],
  [
    "Need a room for one in Milano, checking in on 7 December and checking out on 9 December",
    { city: "Milan", guests: 1, checkIn: "2026-12-07", checkOut: "2026-12-09" },
  ],
  [
    "Find me somewhere to stay in Edinburgh for a week from 1 June, we're three",
    { city: "Edinburgh", guests: 3, checkIn: "2027-06-01", checkOut: "2027-06-08", intent: "list" },
  ],
  ["book a hotel in lisbon from 3 to 5 march for my wife", { ...LISBON, guests: 1 }],
  ["Book the Ritz in Paris from 3 to 5 March for 2", { city: "Paris", named: "Ritz" }],
  ["book the ritz in paris from 3 to 5 march for 2", { city: "Paris", named: "the ritz" }],
  [
    "Don't book anything yet, just show me options in Lisbon 3-5 March for 2",
    { ...LISBON, intent: "list" },
  ],
  [
    "i want a room with a bath in Nice from 3 to 5 March for two guests",
    { ...LISBON, city: "Nice" },
  ],
  [
    "two nights in Lisbon from next Monday for 2",
    { checkIn: "2026-11-23", checkOut: "2026-11-25" },
  ],
  ["Stay in Lisbon March 3rd through 6th, couple", { ...LISBON, checkOut: "2027-03-06" }],
  ["Lisbon tonight for one", { city: "Lisbon", guests: 1, checkIn: "2026-11-20" }],
  [
    "hotel in Munich 24 December for three nights, 2 adults",
    { city: "Munich", guests: 2, checkIn: "2026-12-24", checkOut: "2026-12-27" },
  ],
  ["We are 4, Lisbon, 3-6 March", { city: "Lisbon", guests: 4, checkOut: "2027-03-06" }],
  [
    "Lisbon, from Friday to Monday, me and two friends",
    { guests: 3, checkIn: "2026-11-20", checkOut: "2026-11-23" },
  ],
  [
    "2 guests, 5 nights, 12 January, Warsaw, max 500 eur",
    {
      city: "Warsaw",
      guests: 2,
      checkIn: "2027-01-12",
      checkOut: "2027-01-17",
      budget: { amount: 500, per: "stay" },
    },
  ],
  ["my budget is 1,200 euros for Rome", { budget: { amount: 1200, per: "stay" }, city: "Rome" }],
  ["Rome, 300 euros max", { budget: { amount: 300, per: "stay" } }],
  ["book a cheap hotel in lisbon for 2 people 3.-5. March", { ...LISBON, taste: "cheapest" }],
  [
    "I would like to book a hotel room for 2 adults in Lisbon, Portugal, check-in March 3, check-out March 5",
    { ...LISBON, intent: "book" },
  ],
  ["How much is a hotel in Lisbon 3 to 5 March for 2?", { ...LISBON, intent: "list" }],
  [
    "book for 2 under $400 in Lisbon 3 to 5 March",
    { ...LISBON, trouble: { kind: "foreign_currency", text: "" } },
  ],
  ["next week in Lisbon for 2", { city: "Lisbon", guests: 2 }],
  [
    "in two weeks for 3 nights in Lisbon, solo",
    { guests: 1, checkIn: "2026-12-04", checkOut: "2026-12-07" },
  ],
  ["from Berlin to Lisbon 3 to 5 March for two, book a hotel", LISBON],
  [
    "10 to 12 December 2026 in Prague for my partner and me, best price",
    { city: "Prague", guests: 2, checkIn: "2026-12-10", checkOut: "2026-12-12", taste: "cheapest" },
  ],
  [
    "book a hotel near Eiffel Tower in Paris 3 to 5 March for 2",
    { city: "Paris", ...MARCH, guests: 2 },
  ],
  ["Book a family room in Lisbon 3 to 5 March for 4", { ...LISBON, guests: 4 }],
  ["A hotel in Lisboa, 3 to 5 March, up to 4 guests", { city: "Lisbon", guests: 4 }],
  [
    "Find the nicest place to stay in New York for 2",
    { city: "New York", guests: 2, taste: "best" },
  ],
];

test("the table is as long as it claims to be", () => {
  expect(SENTENCES.length).toBeGreaterThanOrEqual(60);
  expect(new Set(SENTENCES.map(([sentence]) => sentence)).size).toBe(SENTENCES.length);
});

describe("a request for a hotel", () => {
  test.each(SENTENCES)("%s", (sentence, expected) => {
    const { wish, isRequest } = readConversation([{ role: "user", content: sentence }], TODAY);
    const { taste, named } = wish.picks[0] ?? {};
    expect(isRequest).toBe(true);
    expect({ ...wish, taste, named }).toMatchObject(expected);
    for (const slot of ["budget", "stars", "trouble"] as const) {
      expect(wish[slot]).toEqual(expected[slot]);
    }
  });
});

describe("no request for a hotel", () => {
  test.each([
    ["hello", "greeting"],
    ["Good morning!", "greeting"],
    ["What can you do?", "about"],
    ["who are you", "about"],
    ["are you a real person?", "about"],
    ["how are you?", "feelings"],
    ["thanks a lot", "thanks"],
    ["never mind", "drop"],
    ["I read a good book yesterday", "unknown"],
    ["tell me a joke", "unknown"],
    ["what is the capital of Mongolia?", "unknown"],
    ["see you tomorrow", "unknown"],
    ["Book me a flight to Lisbon", "other_booking"],
    ["book a table in Lisbon", "other_booking"],
    ["cancel my booking", "cancel_booking"],
    ["", "unknown"],
  ])("%s", (sentence, talk) => {
    const reading = readConversation([{ role: "user", content: sentence }], TODAY);
    expect(reading).toMatchObject({ isRequest: false, talk });
  });
});
