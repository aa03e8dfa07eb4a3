/** What becomes of words that arrive while a turn is open: they wait, are refused, interrupt, or steer; none is lost. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { SessionEvent } from "../src/protocol/index.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { compact, expectWholeLog } from "./support/log-view.ts";
import { TestClient } from "./support/test-client.ts";

// Other work may share the machine.
setDefaultTimeout(60_000);

let world: World;
let gateway: GatewayProcess;
let ann: TestClient;
let sessionId: string;
beforeEach(async () => {
  world = new World();
  gateway = await world.start();
  ann = await TestClient.as(gateway.port, TOKENS.ann);
  sessionId = await ann.newSession();
});
afterEach(() => world.stop());

const run = (text: string, more: object = {}, by = ann) =>
  by.ask({ type: "run_turn", sessionId, text, ...more });
const said = (log: readonly SessionEvent[]) =>
  log.flatMap((e) => (e.type === "user_message" ? [e.text] : []));
const ends = (log: readonly SessionEvent[]) => log.filter((e) => e.type === "turn_complete");
const atRest = (client: TestClient, turns: number) =>
  client.until(
    () =>
      ends(client.log(sessionId)).length === turns &&
      client.log(sessionId).findLast((e) => e.type === "session_state")?.status === "ready",
  );

/** A turn that goes on until it is told to end. */
async function holding(): Promise<string> {
  const { turnId } = await run("hold on");
  await ann.until(() => ann.log(sessionId).some((e) => e.type === "message_started"));
  return String(turnId);
}

describe("run_turn while another turn is open", () => {
  test("enqueue: the turns run one after the other, in the order in which they were said", async () => {
    const first = await holding();
    const second = await run("two", { whenBusy: "enqueue", idempotencyKey: "k2" });
    const third = await run("three", { whenBusy: "enqueue" });
    expect([second["state"], third["state"]]).toEqual(["queued", "queued"]);
    // Sent again it is the same turn, while it waits and when it has run.
    expect(await run("two", { whenBusy: "enqueue", idempotencyKey: "k2" })).toMatchObject({
      turnId: second["turnId"],
    });
    expect(await run("other", { whenBusy: "enqueue", idempotencyKey: "k2" })).toMatchObject({
      code: "IdempotencyConflict",
    });
    world.podium.finish(first);
    await atRest(ann, 3);
    const log = ann.log(sessionId);
    expect(said(log)).toEqual(["hold on", "two", "three"]);
    expect(ends(log).map((e): unknown => e.turnId)).toEqual([
      first,
      second["turnId"],
      third["turnId"],
    ]);
    expect(await run("two", { idempotencyKey: "k2" })).toMatchObject({ turnId: second["turnId"] });
    expectWholeLog(log);
  });

  test("D1 what waits survives SIGKILL, and runs once", async () => {
    const first = await holding();
    for (const text of ["two", "three"]) await run(text, { whenBusy: "enqueue" });
    const seen = ann.log(sessionId);
    await gateway.kill();
    gateway = await world.start();
    const later = await TestClient.as(gateway.port, TOKENS.ann);
    const afterSeq = seen.at(-1)?.seq ?? 0;
    await later.ask({ type: "join_session", sessionId, afterSeq });
    world.podium.finish(first);
    await later.until(
      () =>
        ends(later.log(sessionId)).length === 3 &&
        later.log(sessionId).findLast((e) => e.type === "session_state")?.status === "ready",
    );
    const view = [...seen, ...later.log(sessionId)];
    expect(said(view)).toEqual(["hold on", "two", "three"]);
    expectWholeLog(view);
    expect(compact(view)).toEqual(await later.storedLog(sessionId));
    expect(world.podium.turns.size).toBe(3);
  });

  test("a queued turn is taken back by its own person, not by another member", async () => {
    const bob = await TestClient.as(gateway.port, TOKENS.bob);
    const first = await holding();
    const { turnId } = await run("two", { whenBusy: "enqueue" });
    const stop = { type: "stop_turn", sessionId, turnId: String(turnId) } as const;
    expect(await bob.ask(stop)).toMatchObject({ code: "PermissionDenied" });
    expect(await ann.ask(stop)).toMatchObject({ type: "stop_accepted", turnId });
    expect(await ann.ask(stop)).toMatchObject({ code: "NoActiveTurn" });
    world.podium.finish(first);
    await atRest(ann, 1);
    expect(said(ann.log(sessionId))).toEqual(["hold on"]);
    expect(ann.log(sessionId).find((e) => e.type === "turn_dequeued")).toMatchObject({ turnId });
  });

  test("reject is the default; past 16 waiting turns the queue is full", async () => {
    await holding();
    expect(await run("two")).toMatchObject({ code: "TurnInProgress" });
    for (let count = 0; count < 16; count += 1) {
      expect(await run(`${count}`, { whenBusy: "enqueue" })).toMatchObject({ state: "queued" });
    }
    expect(await run("17", { whenBusy: "enqueue" })).toMatchObject({ code: "QueueFull" });
  });

  test("interrupt: the open turn is stopped and the new one runs before those that wait", async () => {
    const bob = await TestClient.as(gateway.port, TOKENS.bob);
    const first = await holding();
    await run("patient", { whenBusy: "enqueue" });
    expect(await run("rude", { whenBusy: "interrupt" }, bob)).toMatchObject({
      code: "PermissionDenied",
    });
    await run("urgent", { whenBusy: "interrupt" });
    await atRest(ann, 3);
    expect(said(ann.log(sessionId))).toEqual(["hold on", "urgent", "patient"]);
    expect(ends(ann.log(sessionId))[0]).toMatchObject({ turnId: first, status: "cancelled" });
  });
});

describe("steering", () => {
  test("words reach the open turn, and are told as read", async () => {
    const first = await holding();
    const ask = {
      type: "steer",
      sessionId,
      content: "please finish",
      idempotencyKey: "s",
    } as const;
    const answer = await ann.ask(ask);
    expect(answer).toMatchObject({ type: "steer_accepted", turnId: first });
    await atRest(ann, 1);
    expect(await ann.ask(ask)).toEqual({ ...answer, requestId: expect.any(String) });
    const log = ann.log(sessionId);
    expect(log.find((e) => e.type === "steer_applied")).toMatchObject({
      steerId: answer["steerId"],
    });
    expect([...world.podium.steers.values()]).toEqual(["please finish"]);
    expect(said(log)).toEqual(["hold on"]);
    expect(await ann.ask({ ...ask, idempotencyKey: "s2" })).toMatchObject({ code: "NoActiveTurn" });
  });

  test("words that the turn did not read become the next turn; those of a stopped turn do not", async () => {
    world.podium.canSteer = false;
    const first = await holding();
    expect(await run("and this", { whenBusy: "steer" })).toMatchObject({
      state: "steering",
      turnId: first,
    });
    world.podium.finish(first);
    await atRest(ann, 2);
    expect(said(ann.log(sessionId))).toEqual(["hold on", "and this"]);
    const deferred = ann.log(sessionId).find((e) => e.type === "steer_deferred");
    expect(ends(ann.log(sessionId))[1]).toMatchObject({
      turnId: deferred?.type === "steer_deferred" ? deferred.nextTurnId : "",
    });
    await run("hold again");
    await ann.until(
      () => ann.log(sessionId).filter((e) => e.type === "message_started").length === 3,
    );
    await ann.ask({ type: "steer", sessionId, content: "never mind" });
    await ann.ask({ type: "stop_turn", sessionId });
    await atRest(ann, 3);
    expect(ann.log(sessionId).some((e) => e.type === "steer_dropped")).toBe(true);
    expect(said(ann.log(sessionId))).not.toContain("never mind");
    expectWholeLog(ann.log(sessionId));
  });

  test("who speaks into a turn that is being stopped speaks next", async () => {
    const first = await holding();
    world.podium.keepsStopping = true;
    await ann.ask({ type: "stop_turn", sessionId });
    const late = await run("and then", { whenBusy: "steer" });
    expect(late).toMatchObject({ state: "queued" });
    expect(await ann.ask({ type: "steer", sessionId, content: "hm" })).toMatchObject({
      code: "NoActiveTurn",
    });
    world.podium.finish(first);
    await atRest(ann, 2);
    expect(said(ann.log(sessionId))).toEqual(["hold on", "and then"]);
  });

  test("D1 words survive SIGKILL before Podium has them", async () => {
    const first = await holding();
    world.podium.canSteer = false;
    await ann.ask({ type: "steer", sessionId, content: "please finish" });
    await gateway.kill();
    world.podium.canSteer = true;
    gateway = await world.start();
    const later = await TestClient.as(gateway.port, TOKENS.ann);
    await later.ask({ type: "join_session", sessionId });
    await later.until(() => ends(later.log(sessionId)).length === 1);
    expect(ends(later.log(sessionId))[0]?.turnId).toBe(first);
    expect(said(later.log(sessionId))).toEqual(["hold on"]);
  });
});
