/**
 * A start lets clients in while it still recovers: whoever comes to a session before its turn in that finds it recovered,
 * and what they do with it is done once.
 */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { SessionEvent } from "../src/protocol/index.ts";
import { TOKENS, World } from "./support/gateway-process.ts";
import { compact, expectWholeLog } from "./support/log-view.ts";
import { TestClient } from "./support/test-client.ts";

setDefaultTimeout(60_000);

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.stop());

/** Each takes four messages, and a connection may send sixty in ten seconds. */
const SESSIONS = 14;
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);
const ended = (log: readonly SessionEvent[], turnId: unknown) =>
  log.filter(({ type, turnId: of }) => type === "turn_complete" && of === turnId).length;

test("D1 D2 D4 clients that come at once after a kill with many sessions in mid-turn go on with all of them", async () => {
  let gateway = await world.start();
  const first = await TestClient.as(gateway.port, TOKENS.ann);
  const ids = await Promise.all(range(1, SESSIONS).map(() => first.newSession()));
  const open = await Promise.all(
    ids.map((sessionId) => first.ask({ type: "run_turn", sessionId, text: "stream 200" })),
  );
  await first.until(() => ids.every((id) => first.log(id).length > 4));
  await gateway.kill();

  gateway = await world.start();
  const second = await TestClient.as(gateway.port, TOKENS.ann);
  // The last first: those are not yet recovered, if any are.
  const asked = await Promise.all(
    ids.toReversed().map(async (sessionId) => {
      const afterSeq = first.log(sessionId).at(-1)?.seq ?? 0;
      const joined = await second.ask({ type: "join_session", sessionId, afterSeq });
      expect(joined.type).toBe("state_snapshot");
      const text = "hello";
      return second.ask({ type: "run_turn", sessionId, text, whenBusy: "enqueue" });
    }),
  );
  const next = asked.toReversed();
  const isDone = (id: string, index: number) =>
    ended(second.log(id), next[index]?.["turnId"]) === 1;
  await second.until(() => ids.every(isDone));
  for (const [index, id] of ids.entries()) {
    const whole = [...first.log(id), ...second.log(id)];
    expectWholeLog(compact(whole));
    expect(ended(whole, open[index]?.["turnId"])).toBe(1);
    expect(ended(whole, next[index]?.["turnId"])).toBe(1);
  }
  await second.until(() =>
    ids.every((id) => {
      const state = second.log(id).findLast(({ type }) => type === "session_state");
      return state?.type === "session_state" && state.status === "ready";
    }),
  );
});
