/**
 * Journeys while processes die at random: any process of ours, at any moment, several times over. `CHAOS_SEED` picks
 * who dies and after how long (printed, so that a run can be repeated); what is cut by that varies with the
 * machine, what must hold at the end does not.
 */
import { expect, test } from "bun:test";
import type { ServiceName } from "@concert/cli/stack";
import { GatewayWitness } from "./support/GatewayWitness.ts";
import { approve, askForBooking, completionOf, expectEveryEventOnce } from "./support/journey.ts";
import { startTestStack, type TestStack } from "./support/stack.ts";
import { vendorOf } from "./support/vendor.ts";

const JOURNEYS = 4;
const KILLS = 12;
const PAUSE_MS_MIN = 200;
const PAUSE_MS_MAX = 1_500;
const TIMEOUT_MS = 600_000;
const SEED = Number(process.env["CHAOS_SEED"] ?? "1");

/** Mulberry32: small, seeded, good enough to choose victims. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function killAtRandom(stack: TestStack): Promise<readonly ServiceName[]> {
  const random = randomFrom(SEED);
  // The vendor is somebody else's: one that stays away is told to the person, and rightly ends the turn.
  const victims = stack.services.filter((name) => name !== "vendor");
  const killed: ServiceName[] = [];
  for (let count = 0; count < KILLS; count += 1) {
    await Bun.sleep(PAUSE_MS_MIN + random() * (PAUSE_MS_MAX - PAUSE_MS_MIN));
    const victim = victims[Math.floor(random() * victims.length)];
    // One that is between two attempts is dead already.
    if (victim === undefined || stack.pids()[victim] === undefined) continue;
    await stack.kill(victim);
    killed.push(victim);
  }
  return killed;
}

async function journey(witness: GatewayWitness, day: number): Promise<string> {
  const request = `Book the Grand Hotel Miramar in Lisbon from 2027-04-${day} to 2027-04-${day + 2} for 2 guests`;
  const sessionId = await askForBooking(witness, request);
  await approve(witness, sessionId);
  return sessionId;
}

test(
  `any process may die at any moment, again and again (CHAOS_SEED=${SEED})`,
  async () => {
    const stack = await startTestStack();
    const witnesses = Array.from(
      { length: JOURNEYS },
      () => new GatewayWitness(stack.urls.diminuendo),
    );
    try {
      await Promise.all(witnesses.map((witness) => witness.connect()));
      const journeys = witnesses.map((witness, index) => journey(witness, 10 + index * 2));
      // Every turn is accepted before the first process dies: from there on, nothing may be lost.
      await Promise.all(
        witnesses.map((one) => one.event("the turn", ({ type }) => type === "user_message")),
      );
      const killed = await killAtRandom(stack);
      expect(killed.length).toBeGreaterThan(KILLS / 3);
      const sessions = await Promise.all(journeys);
      for (const [index, witness] of witnesses.entries()) {
        expect((await completionOf(witness))["status"]).toBe("succeeded");
        await expectEveryEventOnce(witness, sessions[index] ?? "");
      }
      const bookings = await vendorOf(stack).bookings();
      expect(bookings).toHaveLength(JOURNEYS);
      expect(new Set(bookings.map(({ confirmation_code }) => confirmation_code)).size).toBe(
        JOURNEYS,
      );
    } finally {
      for (const witness of witnesses) witness.close();
      await stack.dispose();
    }
  },
  TIMEOUT_MS,
);
