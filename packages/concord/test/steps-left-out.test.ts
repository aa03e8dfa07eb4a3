/** Steps with a condition: left out when it does not hold, and a condition that breaks ends the command. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineContracts, encodeId } from "../src/index.ts";
import { ANNA, type Harness, startHarness } from "./support/harness.ts";

const contracts = () =>
  defineContracts((catalog) => {
    catalog.artifactType({ name: "note", description: "What came of it." });
    catalog.task({
      name: "maybe",
      description: "Ask a price, and buy when it is wanted.",
      inputSchema: { type: "object", required: ["order_id", "wanted"] },
      policies: ["anyone"],
      steps: [
        {
          kind: "connector",
          id: "buy",
          connector: "shop",
          operation: "buy",
          effectType: "shop.buy",
          when: ({ payload }) => {
            if (payload["wanted"] === "broken") throw new Error("no idea");
            return payload["wanted"] === true;
          },
          input: () => ({ item: "lamp" }),
        },
        {
          kind: "artifact",
          id: "note",
          artifactType: "note",
          dependsOn: ["buy"],
          when: ({ results }) => (results["buy"] as { skipped?: boolean }).skipped !== true,
          title: () => "Bought",
          content: () => ({ bought: true }),
        },
      ],
      result: ({ results }) => results,
    });
  });

let h: Harness;
beforeAll(async () => {
  h = await startHarness({ more: contracts });
});
afterAll(() => h.stop());

const run = async (order_id: string, wanted: unknown) => {
  const { command } = await h.submit({ order_id, wanted }, { task: "maybe" });
  return h.settled(command);
};

test("EX-19 a step whose condition does not hold is left out, on record, and nothing happens", async () => {
  const done = await run("unwanted", false);
  expect([done.status, done.result]).toEqual([
    "succeeded",
    { buy: { skipped: true }, note: { skipped: true } },
  ]);
  expect(h.vendor.purchases.has("buy:unwanted")).toBe(false);
  expect(await h.effects(done)).toEqual([{ status: "planned", attempts: 0 }]);
  const { entries } = await h.concord.timeline(ANNA, encodeId("command", done.commandId));
  expect(entries.filter((one) => one.eventType === "step_skipped").map((one) => one.title)).toEqual(
    ["Left out buy: nothing to do", "Left out note: nothing to do"],
  );
});

test("one whose condition holds is done as any other; one that breaks ends the command, unhappened", async () => {
  const done = await run("wanted", true);
  expect(done.result).toMatchObject({ note: { artifact_type: "note" } });
  expect(h.vendor.purchases.has("buy:wanted")).toBe(true);
  const broken = await run("broken", "broken");
  expect([broken.status, broken.error]).toEqual(["failed", "no idea"]);
  expect(h.vendor.purchases.has("buy:broken")).toBe(false);
});
