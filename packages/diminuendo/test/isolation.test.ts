/** D3 against a forger: ids of another tenant in every field of every message, over the socket and over HTTP. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { CLIENT_MESSAGE_TYPES } from "../src/protocol/index.ts";
import { TOKENS, World } from "./support/gateway-process.ts";
import { TestClient } from "./support/test-client.ts";

setDefaultTimeout(120_000);

/** The same numbers each time for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) % below;
  };
}

const SECRET = "only-for-acme";
const CONNECTIONS = 12;
const FRAMES_EACH = 50;

test("D3 600 forged messages of every type tell nothing and change nothing", async () => {
  const world = new World();
  const gateway = await world.start();
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const sessionId = await ann.newSession();
  await ann.ask({ type: "rename_session", sessionId, name: SECRET });
  const { turnId } = await ann.ask({ type: "run_turn", sessionId, text: `approve ${SECRET}` });
  await ann.until(() => ann.log(sessionId).some((e) => e.type === "permission_requested"));
  const { epoch } = (await ann.ask({ type: "join_session", sessionId })) as unknown as {
    epoch: string;
  };
  const schedule = { kind: "heartbeat", everyMinutes: 60 };
  const execution = { mode: "isolated", agentType: "echo" };
  const automation = { name: SECRET, prompt: SECRET, schedule, execution };
  const made = await ann.ask({ type: "create_automation", definition: automation });
  const { automationId } = made["automation"] as { automationId: string };
  await ann.ask({ type: "control_automation", automationId, action: "run" });
  await ann.until(() => ann.has("inbox_changed"));
  const { items } = (await ann.ask({ type: "list_inbox" })) as unknown as {
    items: readonly { itemId: string }[];
  };
  const itemId = items[0]?.itemId ?? "";
  const before = await ann.storedLog(sessionId);
  const ids = [sessionId, String(turnId), `appr_${turnId}`, `cmd_${turnId}`, epoch, "ann", "acme"];

  const random = randomOf(20_261_121);
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
  const anyId = () => pick(ids);
  const forged = (type: string) => ({
    type,
    requestId: anyId(),
    sessionId: random(4) === 0 ? anyId() : sessionId,
    turnId: anyId(),
    text: "hi",
    content: "hi",
    name: "mine now",
    path: anyId(),
    iteration: 1,
    afterSeq: 0,
    cursor: random(2) === 0 ? { epoch, seq: random(20) } : anyId(),
    answers: { decision: "approved" },
    agentType: "echo",
    whenBusy: pick(["enqueue", "interrupt", "steer"]),
    change: pick([
      { action: "list" },
      { action: "set_role", userId: "ann", role: "viewer" },
      { action: "remove", userId: "ann" },
    ]),
    automationId,
    itemId,
    action: pick(["pause", "resume", "run", "read", "done", "retry"]),
    version: 1,
    definition: { ...automation, execution: { mode: "main", sessionId } },
    of: "tenant",
    view: "all",
    tenantId: "acme",
    tenant: "acme",
    idempotencyKey: anyId(),
  });
  const types = CLIENT_MESSAGE_TYPES.filter((type) => type !== "authenticate");
  for (let round = 0; round < CONNECTIONS; round += 1) {
    const eve = await TestClient.as(gateway.port, TOKENS.eve);
    for (let count = 0; count < FRAMES_EACH; count += 1) {
      eve.sendText(JSON.stringify(forged(pick(types))));
    }
    const scope = { scope: "session", sessionId, tenant: "acme", key: "k", value: 1 };
    await eve.config(pick(["config/get", "config/set", "config/subscribe"]), scope);
    // Whatever was said while she listened, she must not have heard it.
    if (round === CONNECTIONS - 1) {
      await ann.ask({ type: "run_turn", sessionId, text: SECRET, whenBusy: "enqueue" });
      await eve.ask({ type: "ping" });
    }
    const heard = JSON.stringify([eve.events, eve.configFrames, eve.unreadable]);
    expect(heard).not.toContain(SECRET);
    expect(eve.log(sessionId)).toEqual([]);
    expect(eve.unreadable).toEqual([]);
    eve.close();
  }
  for (const path of ["", "/read", "/events", "/download", "/session"]) {
    const response = await fetch(`${gateway.url}/api/threads/${sessionId}${path}`, {
      headers: { authorization: `Bearer ${TOKENS.eve}` },
    });
    expect([path, response.status]).toEqual([path, 404]);
    expect(await response.text()).not.toContain(SECRET);
  }

  for (const path of ["", "/runs", "/log", `/${automationId}`, `/${automationId}/runs`]) {
    const response = await fetch(`${gateway.url}/api/automations${path}`, {
      headers: { authorization: `Bearer ${TOKENS.eve}` },
    });
    const text = await response.text();
    expect([path, text.includes(SECRET), text.includes(automationId)]).toEqual([
      path,
      false,
      path.includes(automationId) && response.status === 404,
    ]);
  }
  const kept = await ann.ask({ type: "get_automation", automationId });
  expect(kept["automation"]).toMatchObject({ version: 1, paused: null, ownerId: "ann" });
  expect((await ann.ask({ type: "list_inbox" }))["items"]).toEqual(items);

  const after = await ann.storedLog(sessionId);
  expect(after.slice(0, before.length)).toEqual(before);
  // What was added is ann's own second turn, and nobody else's.
  expect(after.slice(before.length).map(({ type }) => type)).toEqual(["turn_queued"]);
  const { sessions } = (await ann.ask({ type: "list_sessions" })) as unknown as {
    sessions: { name: string; sessionId: string }[];
  };
  const own = sessions.filter((one) => one.sessionId === sessionId);
  expect(own).toMatchObject([{ sessionId, name: SECRET, status: "waiting", archived: false }]);
  const people = await ann.ask({ type: "manage_members", change: { action: "list" } });
  expect(people["members"]).toMatchObject([{ userId: "ann", role: "owner" }]);
  ann.close();
  await world.stop();
});
