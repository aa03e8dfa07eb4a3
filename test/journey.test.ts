/** The main journey, end to end over every process: ask, see, approve, done, and a record that explains it all. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { GatewayWitness } from "./support/GatewayWitness.ts";
import {
  approvalOf,
  approve,
  askForBooking,
  completionOf,
  expectWhole,
  recordOf,
} from "./support/journey.ts";
import {
  START_TIMEOUT_MS,
  startTestStack,
  TEST_TIMEOUT_MS,
  type TestStack,
} from "./support/stack.ts";
import { vendorOf } from "./support/vendor.ts";

let stack: TestStack;
let witness: GatewayWitness;

beforeAll(async () => {
  stack = await startTestStack();
  witness = new GatewayWitness(stack.urls.diminuendo);
  await witness.connect();
}, START_TIMEOUT_MS);

afterAll(async () => {
  witness?.close();
  await stack?.dispose();
}, START_TIMEOUT_MS);

test(
  "a request becomes an approval, an approval one booking, and the record tells each step",
  async () => {
    const sessionId = await askForBooking(witness);
    const asked = await approvalOf(witness);
    const packet = asked["reviewPacket"] as Record<string, unknown>;
    for (const field of ["action", "requester", "why", "affected", "risk_level", "payload_hash"]) {
      expect(packet).toHaveProperty(field);
    }
    expect(JSON.stringify(packet["affected"])).toContain("Grand Hotel Miramar");
    expect(await vendorOf(stack).bookings()).toEqual([]);
    await approve(witness, sessionId);
    await expectWhole(stack, witness, sessionId);
    const done = await completionOf(witness);
    const entries = await recordOf(stack, String(done["commandId"]));
    const kinds = new Set(entries.map(({ kind }) => kind));
    for (const kind of ["status", "policy", "approval", "effect", "artifact"]) {
      expect(kinds).toContain(kind);
    }
    expect(entries.every(({ title }) => title.length > 0)).toBe(true);
  },
  TEST_TIMEOUT_MS,
);

test(
  "a rejected approval books nothing and says so",
  async () => {
    const other = new GatewayWitness(stack.urls.diminuendo);
    await other.connect();
    const before = await vendorOf(stack).bookings();
    const sessionId = await askForBooking(other);
    const { requestId } = await approvalOf(other);
    await other.answer(sessionId, String(requestId), "rejected");
    const done = await completionOf(other);
    expect(done["finalText"]).toBeString();
    expect(await vendorOf(stack).bookings()).toEqual(before);
    const resolved = other.events.find(({ type }) => type === "approval_resolved");
    expect(resolved?.["decision"]).toBe("rejected");
    other.close();
  },
  TEST_TIMEOUT_MS,
);

test(
  "a turn sent twice under one key is one turn",
  async () => {
    const other = new GatewayWitness(stack.urls.diminuendo);
    await other.connect();
    const sessionId = await other.openSession();
    const text = "Which hotels do you know in Lisbon from 3 to 5 March for 2 guests?";
    const first = await other.runTurn(sessionId, text, "the-same-key");
    const again = await other.runTurn(sessionId, text, "the-same-key");
    expect(again["turnId"]).toBe(first["turnId"]);
    await completionOf(other);
    expect(other.events.filter(({ type }) => type === "user_message")).toHaveLength(1);
    other.close();
  },
  TEST_TIMEOUT_MS,
);
