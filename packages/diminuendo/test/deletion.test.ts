/** A session is deleted, and what its agent left at Podium goes too, whoever dies in between; the record of it stays. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { DeletedSession } from "../src/protocol/index.ts";
import { TOKENS, World } from "./support/gateway-process.ts";
import { TestClient } from "./support/test-client.ts";

// Other work may share the machine.
setDefaultTimeout(60_000);

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.stop());

const deletions = async (client: TestClient) =>
  (await client.ask({ type: "list_deleted_sessions" }))["deletions"] as readonly DeletedSession[];

async function untilRemoved(client: TestClient, sessionId: string): Promise<DeletedSession> {
  for (;;) {
    const found = (await deletions(client)).find((one) => one.sessionId === sessionId);
    if (found !== undefined && found.removed !== null) return found;
    await Bun.sleep(100);
  }
}

const instanceOf = (sessionId: string) => sessionId.replace("sess_", "inst_");

test("the log at Podium goes in the name of who deleted the session, and the record says how much it was", async () => {
  const gateway = await world.start();
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const sessionId = await ann.sessionWithTurns(1);
  const events = world.podium.instances.get(instanceOf(sessionId))?.log.length ?? 0;
  expect(events).toBeGreaterThan(0);
  world.podium.removing = "stops first";
  await ann.ask({ type: "delete_session", sessionId });
  const record = await untilRemoved(ann, sessionId);
  expect(record).toMatchObject({
    deletedBy: "ann",
    traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    removed: { turns: 1, events, files: 0 },
  });
  expect(world.podium.instances.size).toBe(0);
  const asked = [instanceOf(sessionId), "ann"];
  expect(world.podium.removals).toEqual([asked, asked] as [string, string][]);
  expect(world.podium.strangers).toEqual([]);
  ann.close();
});

test("a gateway that is killed before Podium could be asked asks when it is back", async () => {
  const gateway = await world.start();
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const sessionId = await ann.sessionWithTurns(1);
  world.podium.removing = "fails";
  expect(await ann.ask({ type: "delete_session", sessionId })).toMatchObject({
    type: "session_deleted",
  });
  expect(await deletions(ann)).toMatchObject([{ sessionId, removed: null }]);
  await gateway.kill();
  expect(world.podium.instances.size).toBe(1);
  world.podium.removing = "works";
  const again = await TestClient.as((await world.start()).port, TOKENS.ann);
  await untilRemoved(again, sessionId);
  expect(world.podium.instances.size).toBe(0);
  again.close();
});

test("a gateway that is killed before it heard Podium's answer asks once more, and both agree", async () => {
  const gateway = await world.start();
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const sessionId = await ann.sessionWithTurns(1);
  world.podium.removing = "says nothing";
  await ann.ask({ type: "delete_session", sessionId });
  while (world.podium.instances.size > 0) await Bun.sleep(20);
  expect(await deletions(ann)).toMatchObject([{ sessionId, removed: null }]);
  await gateway.kill();
  world.podium.removing = "works";
  const again = await TestClient.as((await world.start()).port, TOKENS.ann);
  const record = await untilRemoved(again, sessionId);
  expect(record.removed?.events).toBeGreaterThan(0);
  expect(world.podium.removals).toHaveLength(2);
  again.close();
});

test("D3 the record comes in pages, to who may delete, and to nobody of another tenant", async () => {
  const gateway = await world.start();
  const [ann, bob, eve] = await Promise.all(
    [TOKENS.ann, TOKENS.bob, TOKENS.eve].map((token) => TestClient.as(gateway.port, token)),
  );
  if (ann === undefined || bob === undefined || eve === undefined) throw new Error("three clients");
  const ids: string[] = [];
  for (let count = 0; count < 3; count += 1) {
    const sessionId = await ann.newSession();
    await ann.ask({ type: "delete_session", sessionId });
    ids.unshift(sessionId);
  }
  const first = await ann.ask({ type: "list_deleted_sessions", limit: 2 });
  expect(first["deletions"]).toMatchObject(ids.slice(0, 2).map((sessionId) => ({ sessionId })));
  const cursor = String(first["cursor"]);
  const rest = await ann.ask({ type: "list_deleted_sessions", limit: 2, cursor });
  expect(rest["deletions"]).toMatchObject([{ sessionId: ids[2] }]);
  expect(rest).not.toHaveProperty("cursor");
  expect(await ann.ask({ type: "list_deleted_sessions", cursor: "x" })).toMatchObject({
    code: "INVALID_MESSAGE",
  });
  expect(await bob.ask({ type: "list_deleted_sessions" })).toMatchObject({
    code: "PermissionDenied",
  });
  expect(await deletions(eve)).toEqual([]);
  const http = await fetch(`${gateway.url}/api/threads/deleted?limit=1`, {
    headers: { authorization: `Bearer ${TOKENS.ann}` },
  });
  expect(await http.json()).toMatchObject({ items: [{ sessionId: ids[0] }] });
  for (const client of [ann, bob, eve]) client.close();
});
