/**
 * Owns the steps of the main journey as the whole-system tests take them, and what must hold at its end:
 * one booking, and a client that saw every durable event once, in order.
 */
import { expect } from "bun:test";
import type { GatewayWitness, WitnessedEvent } from "./GatewayWitness.ts";
import { eventually, type TestStack } from "./stack.ts";
import { vendorOf } from "./vendor.ts";

export const REQUEST = "Book the Grand Hotel Miramar in Lisbon from 3 to 5 March for 2 guests";

/** The gateway takes 60 messages in 10 s. */
const POLITELY = { everyMs: 500 };

/** Sends the request in a new session. */
export async function askForBooking(witness: GatewayWitness, request = REQUEST): Promise<string> {
  const sessionId = await witness.openSession();
  expect((await witness.runTurn(sessionId, request)).type).toBe("turn_accepted");
  return sessionId;
}

/** Resolves with the pending approval. */
export function approvalOf(witness: GatewayWitness): Promise<WitnessedEvent> {
  return witness.event("approval", ({ type }) => type === "permission_requested");
}

/** Approves; while the way to Concord is cut, tries again as a person would. */
export async function approve(witness: GatewayWitness, sessionId: string): Promise<void> {
  const { requestId } = await approvalOf(witness);
  await eventually(
    "the approval to be accepted",
    async () => {
      const answer = await witness.answer(sessionId, String(requestId), "approved");
      if (answer.type === "answer_accepted") return true;
      // The first answer may have been taken although its own answer was lost on the way back.
      if (answer["code"] === "ApprovalAlreadyDecided") return true;
      if (answer["code"] === "UpstreamUnavailable") return undefined;
      throw new Error(`the approval was refused: ${JSON.stringify(answer)}`);
    },
    POLITELY,
  );
}

/** A booking for somebody else, below what needs a decision: only the person knows whose name it is. */
export const FOR_A_COLLEAGUE =
  "Book Casa do Rossio in Lisbon from 3 to 5 March for my colleague, one guest";
export const GUEST = { guest_name: "Ada Lovelace", guest_email: "ada@example.org" };

/** Resolves with the open question. */
export function questionOf(witness: GatewayWitness): Promise<WitnessedEvent> {
  return witness.event("question", ({ type }) => type === "question_requested");
}

/** Answers; while the way to Concord is cut, tries again as a person would. */
export async function answerQuestion(
  witness: GatewayWitness,
  sessionId: string,
  input: Readonly<Record<string, unknown>> = GUEST,
): Promise<void> {
  const { requestId } = await questionOf(witness);
  await eventually(
    "the answer to be accepted",
    async () => {
      const answer = await witness.give(sessionId, String(requestId), { input });
      if (answer.type === "answer_accepted") return true;
      // The first answer may have been taken although its own answer was lost on the way back.
      if (answer["code"] === "QuestionClosed") return true;
      if (answer["code"] === "UpstreamUnavailable") return undefined;
      throw new Error(`the answer was refused: ${JSON.stringify(answer)}`);
    },
    POLITELY,
  );
}

export function completionOf(witness: GatewayWitness): Promise<WitnessedEvent> {
  return witness.event("the end of the turn", ({ type }) => type === "turn_complete");
}

/** What must hold at the end of every journey, however it was cut. */
export async function expectWhole(
  stack: TestStack,
  witness: GatewayWitness,
  sessionId: string,
  hotel = "Grand Hotel Miramar",
): Promise<void> {
  const done = await completionOf(witness);
  expect(done["status"]).toBe("succeeded");
  const bookings = await vendorOf(stack).bookings();
  expect(bookings.map(({ status, hotel_name }) => [status, hotel_name])).toEqual([
    ["confirmed", hotel],
  ]);
  expect(String(done["finalText"])).toContain(bookings[0]?.confirmation_code ?? "a code");
  await expectEveryEventOnce(witness, sessionId);
}

/**
 * The client saw the log itself: nothing twice, nothing missing, nothing different. A finished message has replaced
 * its deltas in the log, so those count for nothing, and their numbers alone may be missing.
 */
export async function expectEveryEventOnce(
  witness: GatewayWitness,
  sessionId: string,
): Promise<void> {
  await eventually("the session to rest", () => restsCaughtUp(witness, sessionId), POLITELY);
  const log = await witness.readLog(sessionId);
  const covered = log.flatMap((event) => coveredBy(event));
  const seqs = [...log.map(({ seq }) => seq), ...covered];
  const highest = Math.max(...seqs);
  expect(new Set(seqs)).toEqual(new Set(Array.from({ length: highest }, (_, index) => index + 1)));
  expect(witness.breaches).toEqual([]);
  expect(withoutReplacedDeltas(witness.events)).toEqual(log);
}

/** The numbers from the first to the last delta that a finished message replaced. */
function coveredBy({ type, coversSeq }: WitnessedEvent): readonly number[] {
  if (type !== "message_complete" || coversSeq === undefined) return [];
  const [first, last] = coversSeq as readonly [number, number];
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function withoutReplacedDeltas(events: readonly WitnessedEvent[]): readonly WitnessedEvent[] {
  const complete = new Set(
    events.flatMap(({ type, messageId }) => (type === "message_complete" ? [messageId] : [])),
  );
  return events.filter(({ type, messageId }) => type !== "text_delta" || !complete.has(messageId));
}

/** A gateway that was started again holds a session without a turn as `inactive`. */
async function restsCaughtUp(witness: GatewayWitness, sessionId: string) {
  const { sessions } = await witness.askPatiently({ type: "list_sessions" });
  const session = (sessions as { sessionId: string; status: string; lastSeq: number }[]).find(
    (one) => one.sessionId === sessionId,
  );
  const rests = session?.status === "ready" || session?.status === "inactive";
  return rests && session.lastSeq === witness.events.at(-1)?.seq ? true : undefined;
}

/**
 * Each complete message begins with exactly what its newest attempt streamed: text is never shown twice. It is all of
 * it unless the message was finished while the client was away.
 */
export function expectMessagesOfOneAttempt({ events }: GatewayWitness): void {
  const complete = events.filter(({ type }) => type === "message_complete");
  expect(complete.length).toBeGreaterThan(0);
  for (const message of complete) {
    const deltas = events.filter(
      (event) => event.type === "text_delta" && event["messageId"] === message["messageId"],
    );
    const newest = Math.max(...deltas.map((delta) => Number(delta["attempt"])));
    const text = deltas.filter(({ attempt }) => attempt === newest).map((delta) => delta["text"]);
    expect(String(message["text"])).toStartWith(text.join(""));
  }
}

export interface RecordEntry {
  readonly kind: string;
  readonly event_type: string;
  readonly title: string;
}

/** The record of a command and all that came of it, as the gateway shows it to the person. */
export async function recordOf(
  stack: TestStack,
  commandId: string,
): Promise<readonly RecordEntry[]> {
  const path = `/api/commands/${commandId}/timeline?descendants=true`;
  const response = await fetch(`${stack.urls.diminuendo}${path}`);
  expect(response.status).toBe(200);
  return ((await response.json()) as { entries: RecordEntry[] }).entries;
}
