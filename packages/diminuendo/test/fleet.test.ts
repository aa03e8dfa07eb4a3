/** Several gateways serve the same sessions, as processes over a real Redis and a real Concordance, and are killed. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { SessionEvent } from "../src/protocol/index.ts";
import { Fleet } from "./support/fleet.ts";
import { TOKENS } from "./support/gateway-process.ts";
import { compact, expectMessagesAsStreamed, expectWholeLog } from "./support/log-view.ts";
import { has } from "./support/programs.ts";
import { TestClient } from "./support/test-client.ts";

// Other work may share the machine.
setDefaultTimeout(90_000);

const ended = (events: readonly SessionEvent[], turnId: unknown) =>
  events.some(
    (e) => (e.type === "turn_complete" || e.type === "turn_error") && e.turnId === turnId,
  );
const status = (events: readonly SessionEvent[]) =>
  events.findLast((e) => e.type === "session_state")?.status;

describe.if(has("redis-server", "several gateways"))("two gateways, one session", () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await Fleet.start();
  });
  afterEach(() => fleet.stop());

  test("D2 a client of each sees the same session, whoever writes it, and both may speak", async () => {
    const [a, b] = [await fleet.gateway(), await fleet.gateway()];
    const ann = await TestClient.as(a.port, TOKENS.ann);
    const bob = await TestClient.as(b.port, TOKENS.bob);
    const sessionId = await ann.newSession();
    await bob.until(() =>
      bob.events.some((e) => e.type === "session_created" && e.session.sessionId === sessionId),
    );
    expect(await bob.ask({ type: "join_session", sessionId })).toMatchObject({ headSeq: 0 });
    const first = await bob.ask({ type: "run_turn", sessionId, text: "stream 300" });
    expect(first).toMatchObject({ type: "turn_accepted" });
    for (const client of [ann, bob]) {
      await client.until(() => ended(client.log(sessionId), first["turnId"]));
    }
    const second = await ann.ask({ type: "run_turn", sessionId, text: "hi" });
    for (const client of [ann, bob]) {
      await client.until(
        () =>
          ended(client.log(sessionId), second["turnId"]) &&
          status(client.log(sessionId)) === "ready",
      );
    }
    expectWholeLog(ann.log(sessionId));
    expect(bob.log(sessionId)).toEqual(ann.log(sessionId));
    expect(await bob.storedLog(sessionId)).toEqual(await ann.storedLog(sessionId));
    for (const client of [ann, bob]) client.close();
  });

  test("D1 D2 the owner is killed in mid-turn: both clients have everything, once and in order", async () => {
    const [a, b] = [await fleet.gateway(), await fleet.gateway()];
    const ann = await TestClient.as(a.port, TOKENS.ann);
    const bob = await TestClient.as(b.port, TOKENS.bob);
    const sessionId = await ann.newSession();
    await bob.ask({ type: "join_session", sessionId });
    const { turnId } = await bob.ask({ type: "run_turn", sessionId, text: "stream 3000" });
    await bob.until(() => bob.log(sessionId).length >= 12);
    await a.kill();
    const seen = ann.log(sessionId);
    // Ann's balancer brings her to the gateway that is left; bob stays on his socket.
    const again = await TestClient.as(b.port, TOKENS.ann);
    const afterSeq = seen.at(-1)?.seq ?? 0;
    await again.ask({ type: "join_session", sessionId, afterSeq });
    for (const client of [again, bob]) {
      await client.until(
        () => ended(client.log(sessionId), turnId) && status(client.log(sessionId)) === "ready",
      );
    }
    const stored = await bob.storedLog(sessionId);
    expectWholeLog(stored);
    for (const view of [[...seen, ...again.log(sessionId)], bob.log(sessionId)]) {
      expectWholeLog(view);
      expectMessagesAsStreamed(view);
      expect(compact(view)).toEqual(stored);
    }
    expect(bob.closeCode).toBeNull();
    expect(fleet.world.podium.turns.size).toBe(1);
    for (const client of [again, bob]) client.close();
  });
});
