/** The main journey, end to end over every process: ask, see, approve, done, and a record that explains it all. */
import { expect, test } from "bun:test";
import { GatewayWitness } from "./support/GatewayWitness.ts";
import {
  approvalOf,
  approve,
  askForBooking,
  completionOf,
  expectWhole,
  recordOf,
} from "./support/journey.ts";
import { Scene } from "./support/scene.ts";
import { TEST_TIMEOUT_MS } from "./support/stack.ts";
import { vendorOf } from "./support/vendor.ts";

const scene = new Scene();

test(
  "a request becomes an approval, an approval one booking, and the record tells each step",
  async () => {
    const sessionId = await askForBooking(scene.witness);
    const asked = await approvalOf(scene.witness);
    const packet = asked["reviewPacket"] as Record<string, unknown>;
    for (const field of ["action", "requester", "why", "affected", "risk_level", "payload_hash"]) {
      expect(packet).toHaveProperty(field);
    }
    expect(JSON.stringify(packet["affected"])).toContain("Grand Hotel Miramar");
    expect(await vendorOf(scene.stack).bookings()).toEqual([]);
    await approve(scene.witness, sessionId);
    await expectWhole(scene.stack, scene.witness, sessionId);
    const done = await completionOf(scene.witness);
    const entries = await recordOf(scene.stack, String(done["commandId"]));
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
    const other = new GatewayWitness(scene.stack.urls.diminuendo);
    await other.connect();
    const before = await vendorOf(scene.stack).bookings();
    const sessionId = await askForBooking(other);
    const { requestId } = await approvalOf(other);
    await other.answer(sessionId, String(requestId), "rejected");
    const done = await completionOf(other);
    expect(done["finalText"]).toBeString();
    expect(await vendorOf(scene.stack).bookings()).toEqual(before);
    const resolved = other.events.find(({ type }) => type === "approval_resolved");
    expect(resolved?.["decision"]).toBe("rejected");
    other.close();
  },
  TEST_TIMEOUT_MS,
);

test(
  "a turn sent twice under one key is one turn",
  async () => {
    const other = new GatewayWitness(scene.stack.urls.diminuendo);
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
