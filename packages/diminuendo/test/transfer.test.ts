/** A tenant moves to another gateway as a folder: nothing of it is lost, nothing of others comes along. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportTenant, importTenant } from "../src/transfer/tenant-transfer.ts";
import { TOKENS, World } from "./support/gateway-process.ts";
import { TestClient } from "./support/test-client.ts";

setDefaultTimeout(60_000);

test("D3 what was said is said there too; a cursor of the old place is told that it is one", async () => {
  const [here, there] = [new World(), new World()];
  const first = await here.start();
  const ann = await TestClient.as(first.port, TOKENS.ann);
  const eve = await TestClient.as(first.port, TOKENS.eve);
  const sessionId = await ann.newSession();
  const others = await eve.newSession();
  await ann.ask({ type: "run_turn", sessionId, text: "hi" });
  await ann.until(
    () => ann.log(sessionId).findLast((e) => e.type === "session_state")?.status === "ready",
  );
  await ann.until(() => ann.has("turn_complete"));
  const { epoch } = (await ann.ask({ type: "join_session", sessionId })) as unknown as {
    epoch: string;
  };
  const folder = join(here.dataDir, "out");
  expect(() => exportTenant(here.dataDir, "acme", folder)).toThrow("another gateway");
  await first.terminate();

  expect(exportTenant(here.dataDir, "acme", folder)).toEqual({ tenantId: "acme", sessions: 1 });
  expect(() => exportTenant(here.dataDir, "acme", folder)).toThrow("exists already");
  expect(() => exportTenant(here.dataDir, "nobody", join(here.dataDir, "x"))).toThrow("no tenant");
  expect(importTenant(there.dataDir, folder)).toEqual({ tenantId: "acme", sessions: 1 });
  expect(() => importTenant(there.dataDir, folder)).toThrow("already");
  expect(existsSync(join(there.dataDir, "sessions", others))).toBe(false);

  const second = await there.start();
  const moved = await TestClient.as(second.port, TOKENS.ann);
  const seq = ann.log(sessionId).at(-1)?.seq ?? 0;
  const snapshot = await moved.ask({ type: "join_session", sessionId, cursor: { epoch, seq } });
  expect(snapshot).toMatchObject({ replay: "snapshot", hasOlder: false });
  const before = await moved.storedLog(sessionId);
  const texts = before.flatMap((e) => (e.type === "message_complete" ? [e.text] : []));
  expect(texts).toEqual(["Hello there."]);
  await moved.ask({ type: "run_turn", sessionId, text: "hi again" });
  await moved.until(() =>
    moved.log(sessionId).some((e) => e.type === "turn_complete" && e.seq > seq),
  );
  expect(moved.log(sessionId).map((e) => e.seq)).toEqual(
    [...new Set(moved.log(sessionId).map((e) => e.seq))].toSorted((a, b) => a - b),
  );
  for (const client of [ann, eve, moved]) client.close();
  await Promise.all([here.stop(), there.stop()]);
});

test("a folder that was tampered with is not taken in, and leaves nothing behind", async () => {
  const [here, there] = [new World(), new World()];
  const gateway = await here.start();
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const sessionId = await ann.newSession();
  ann.close();
  await gateway.terminate();
  const folder = join(here.dataDir, "out");
  exportTenant(here.dataDir, "acme", folder);
  writeFileSync(join(folder, "sessions", sessionId, "session.db"), "something else");
  expect(() => importTenant(there.dataDir, folder)).toThrow("not what was exported");
  expect(existsSync(join(there.dataDir, "tenants", "acme"))).toBe(false);
  expect(existsSync(join(there.dataDir, "importing-acme"))).toBe(false);
  await Promise.all([here.stop(), there.stop()]);
});
