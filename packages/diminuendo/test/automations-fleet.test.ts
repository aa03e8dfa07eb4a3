/** Automations where several gateways serve a tenant: each tick is one turn, whoever is there, starts or dies. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { runOfTick, turnOf } from "../src/automations/core/ids.ts";
import {
  briefing,
  ended,
  HOURLY,
  inbox,
  make,
  runNow,
  setDue,
  until,
} from "./support/automation-client.ts";
import { Fleet, type FleetOptions } from "./support/fleet.ts";
import { TOKENS } from "./support/gateway-process.ts";
import { has } from "./support/programs.ts";
import { TestClient } from "./support/test-client.ts";

// Other work may share the machine.
setDefaultTimeout(120_000);

const hasRedis = has("redis-server", "automations of several gateways");
const STORES: readonly FleetOptions[] = [{ store: "embedded" }, { store: "delegated" }];

for (const options of STORES) {
  describe.if(hasRedis)(`automations of two gateways (${options.store})`, () => {
    let fleet: Fleet;
    beforeEach(async () => {
      fleet = await Fleet.start(options);
    });
    afterEach(() => fleet.stop());

    test("made and asked for at either, a run is one turn, and its owner's death does not end it", async () => {
      const [a, b] = [await fleet.gateway(), await fleet.gateway()];
      const ann = await TestClient.as(a.port, TOKENS.ann);
      const bob = await TestClient.as(b.port, TOKENS.bob);
      const { automationId } = await make(bob, briefing("hold on"));
      const { runId } = await runNow(ann, automationId, "once");
      const turnId = turnOf(runId, 1);
      await until("the turn", async () => fleet.world.podium.turns.get(turnId));
      await a.kill();
      const again = await TestClient.as(b.port, TOKENS.ann);
      expect((await runNow(again, automationId, "once")).runId).toBe(runId);
      fleet.world.podium.finish(turnId);
      expect(await ended(again, automationId)).toMatchObject([
        { runId, status: "succeeded", turnId, attempt: 1 },
      ]);
      expect([...fleet.world.podium.turns.keys()]).toEqual([turnId]);
      expect((await inbox(bob)).items).toHaveLength(1);
    });
  });
}

describe.if(hasRedis)("two gateways that start when a tick is due", () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await Fleet.start();
  });
  afterEach(() => fleet.stop());

  test("run it once", async () => {
    const first = await fleet.gateway();
    const before = await TestClient.as(first.port, TOKENS.ann);
    const { automationId } = await make(before, briefing("Hello.", { schedule: HOURLY }));
    await first.terminate();
    const dueAt = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 7_200_000;
    setDue(fleet.world.dataDir, automationId, dueAt);
    const [a, b] = await Promise.all([fleet.gateway(), fleet.gateway()]);
    const ann = await TestClient.as(a.port, TOKENS.ann);
    const runs = await ended(ann, automationId, 2);
    expect(runs.map(({ status }) => status)).toEqual(["succeeded", "missed"]);
    const [run] = runs;
    expect(run?.runId).toBe(runOfTick(automationId, run?.dueAt ?? 0));
    const other = await TestClient.as(b.port, TOKENS.ann);
    expect(await ended(other, automationId, 2)).toEqual(runs);
    expect(fleet.world.podium.turns.size).toBe(1);
  });
});
