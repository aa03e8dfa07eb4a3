/** What the log of the process says of a turn that Concord refused, beside what the person is told. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Actor, createLogger } from "@concert/service-kit";
import { Store } from "../store/store.ts";
import type { Concord } from "../upstream/concord.ts";
import { TurnDesk } from "./turn-desk.ts";

const NOW = "2026-01-01T00:00:00.000Z";
const ALICE: Actor = { tenant: "acme", user: "alice", roles: ["member"], permissions: [] };
const INSTANCE = {
  instanceId: "i1",
  tenantId: "acme",
  deploymentId: "echo:builtin",
  agentType: "echo",
  config: {},
  status: "running" as const,
};

/** A Concord at the very edge: refuses every turn with `code`. */
const refusing = (code: string): Concord => ({
  submitTurn: async () => ({ kind: "refused", status: 400, code, message: "no" }),
  cancel: async () => ({ kind: "refused", status: 400, code, message: "no" }),
  events: async function* () {},
});

async function levelsOf(code: string): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), "podium-"));
  const store = Store.open(dir, () => NOW);
  store.write(() => store.instances.insert(INSTANCE, NOW));
  const levels: string[] = [];
  const log = Object.assign(createLogger("podium"), {
    warn: () => void levels.push("warn"),
    error: () => void levels.push("error"),
  });
  const ended = new Promise<void>((resolve) => store.onAppend(() => resolve()));
  const desk = new TurnDesk(store, refusing(code), log, () => {});
  const ask = { turnId: "t1", sessionId: "s1", text: "hi", traceId: "0".repeat(32), cause: null };
  desk.accept(INSTANCE, ask, ALICE);
  await ended;
  await desk.stop();
  expect(store.events.readAfter("i1", 0, 9).map((event) => event.event_type)).toEqual(["error"]);
  store.close();
  rmSync(dir, { recursive: true });
  return levels;
}

test("a refusal that a person brought about is a warning; one that our own services brought about, an error", async () => {
  expect(await levelsOf("validation_error")).toEqual(["warn"]);
  expect(await levelsOf("policy_denied")).toEqual(["warn"]);
  expect(await levelsOf("unknown_task")).toEqual(["error"]);
});
