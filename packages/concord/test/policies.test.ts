import { createLogger } from "@concert/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import {
  type Command,
  celPolicy,
  dataSafetyPolicy,
  defineContracts,
  encodeId,
  loadCedar,
  type Policy,
  type Principal,
} from "../src/index.ts";
import { ANNA, EVE, type Harness, refusalOf, startHarness } from "./support/harness.ts";

const OWNER: Principal = { ...ANNA, user: "olga", roles: ["owner"] };
const input = {
  type: "object",
  required: ["order_id", "item", "amount"],
  properties: {
    order_id: { type: "string" },
    item: { type: "string" },
    amount: { type: "number" },
    note: { type: "string" },
  },
} as const;
const limitAt = (limit: number, more = {}) => ({
  name: "gift.limit",
  version: String(limit),
  category: "cost",
  rules: [{ when: `payload.amount > ${limit}.0`, decision: "deny", reason: `more than ${limit}` }],
  otherwise: { decision: "allow", reason: "within the limit" },
  ...more,
});

let h: Harness;
beforeAll(async () => {
  const cedar = await loadCedar();
  h = await startHarness({
    more: () =>
      defineContracts((catalog) => {
        catalog.policy(celPolicy(limitAt(500)));
        catalog.policy(celPolicy(limitAt(1, { name: "gift.stricter", mode: "shadow" })));
        catalog.policy({ ...endless, name: "gift.endless_shadow", mode: "shadow" });
        catalog.policy(endless);
        catalog.policy(
          dataSafetyPolicy("gift.data", { outcomes: { pii: "redact", credentials: "deny" } }),
        );
        catalog.policy(
          cedar({
            name: "gift.cedar",
            version: "1",
            category: "permission",
            policies: `permit(principal, action == Action::"gift", resource)
              when { principal.permissions.contains("buy") };`,
          }),
        );
        const gift = {
          description: "Send a gift.",
          inputSchema: input,
          steps: [
            {
              kind: "connector",
              id: "buy",
              connector: "shop",
              operation: "buy",
              effectType: "gift.buy",
              input: ({ payload }) => ({ item: String(payload["note"] ?? payload["item"]) }),
            },
          ],
          result: ({ results }) => ({ bought: results["buy"] ?? null }),
        } as const satisfies Partial<Parameters<typeof catalog.task>[0]>;
        const policies = ["gift.cedar", "gift.limit", "gift.data", "gift.stricter"];
        catalog.task({ ...gift, name: "gift", policies });
        catalog.task({ ...gift, name: "gift_stuck", policies: ["anyone", "gift.endless"] });
        catalog.task({
          ...gift,
          name: "gift_watched",
          policies: ["anyone", "gift.endless_shadow"],
        });
      }),
  });
});
afterAll(() => h.stop());

const endless: Policy = {
  name: "gift.endless",
  version: "1",
  category: "cost",
  evaluate: () => {
    for (;;);
  },
};
const gift = (payload: Record<string, unknown> = {}, as: Principal = ANNA) =>
  h.submit(payload, { task: "gift", as });
const decisionsOf = (command: Command) =>
  h.rows<{ policy: string; policy_version: string; mode: string; decision: string }>(
    `SELECT policy, policy_version, mode, decision FROM concord.policy_decisions
     WHERE command_id = $1 ORDER BY policy`,
    [command.commandId],
  );

describe("judging", () => {
  test("POL-8 POL-13 POL-14 code, CEL and Cedar decide together; what is in shadow is recorded and does not", async () => {
    const { command } = await gift({ amount: 100 });
    expect((await h.settled(command)).status).toBe("succeeded");
    expect(await decisionsOf(command)).toEqual([
      { policy: "gift.cedar", policy_version: "1", mode: "enforce", decision: "allow" },
      {
        policy: "gift.data",
        policy_version: expect.any(String),
        mode: "enforce",
        decision: "allow",
      },
      { policy: "gift.limit", policy_version: "500", mode: "enforce", decision: "allow" },
      { policy: "gift.stricter", policy_version: "1", mode: "shadow", decision: "deny" },
    ]);
    const id = encodeId("command", command.commandId);
    const { entries } = await h.concord.timeline(ANNA, id);
    expect(entries.map((one) => one.title)).toContain(
      "Policy gift.stricter, only watched, would say deny",
    );
  });

  test("POL-9 POL-14 CEL denies, Cedar denies: nothing runs", async () => {
    const tooMuch = await gift({ amount: 501 });
    expect([tooMuch.command.errorClass, tooMuch.command.error]).toEqual([
      "policy_denied",
      "more than 500",
    ]);
    const stranger = await gift({}, { ...ANNA, permissions: [] });
    expect(stranger.command.error).toBe("no Cedar policy permits it");
    for (const { command } of [tooMuch, stranger]) expect(await h.effects(command)).toEqual([]);
  });

  test("POL-19 a policy that never ends denies; one that is only watched changes nothing", async () => {
    const { command } = await h.submit({}, { task: "gift_stuck" });
    expect([command.errorClass, command.error]).toEqual([
      "policy_denied",
      expect.stringContaining("did not end"),
    ]);
    const watched = await h.submit({}, { task: "gift_watched" });
    expect((await h.settled(watched.command)).status).toBe("succeeded");
  });

  test("POL-12 SEC-11 redact: what leaves, what is stored and what is told are masked", async () => {
    const address = "ann.archer@example.com";
    const { command } = await gift({ note: `for ${address}` });
    expect(command.payload["note"]).toBe("[redacted]");
    const done = await h.settled(command);
    expect(done.result).toMatchObject({ bought: { item: "[redacted]" } });
    const bought = [...h.vendor.purchases.values()].map((one) => one.item);
    expect(bought).toContain("[redacted]");
    for (const table of [
      "commands",
      "domain_events",
      "domain_effects",
      "policy_inputs",
      "policy_decisions",
    ]) {
      const found = await h.rows(`SELECT 1 FROM concord.${table} t WHERE t::text LIKE $1`, [
        `%${address}%`,
      ]);
      expect([table, found]).toEqual([table, []]);
    }
    expect(await h.eventTypes(command)).toContain("payload_redacted");
  });

  test("POL-12 a key of the effect that would be made of a masked value is refused, not shared", async () => {
    const { command } = await gift({ order_id: "ann.archer@example.com" });
    expect([command.status, command.errorClass]).toEqual(["failed", "validation_error"]);
    expect(command.error).toContain("order_id");
  });
});

describe("what if", () => {
  const lower = (limit: number, filter = {}, who = OWNER) =>
    h.concord.policies.whatIf(
      who,
      { documents: [limitAt(limit)] },
      { limit: 1_000, taskName: "gift", ...filter },
    );

  test("POL-8 a changed limit, replayed over what is on record, names each command that would differ", async () => {
    const small = await gift({ amount: 211 });
    const large = await gift({ amount: 399 });
    const { differences, moves } = await lower(300);
    const ids = differences.map((one) => one.commandId);
    expect(ids).toContain(large.command.commandId);
    expect(ids).not.toContain(small.command.commandId);
    expect(moves).toContainEqual({ from: "allow", to: "deny", count: 1 });
    const one = differences.find((each) => each.commandId === large.command.commandId);
    expect(one).toMatchObject({
      inputs: "exact",
      before: { decision: "allow" },
      after: { decision: "deny", reasons: ["more than 300"], decidedBy: ["gift.limit"] },
    });
  });

  test("POL-8 every recorded input is what was judged, but where it was masked, which is told", async () => {
    await gift({ note: "to ann.archer@example.com" });
    const everything = { name: "all", version: "1", category: "cost", rules: [] };
    const { differences, replayed } = await h.concord.policies.whatIf(
      OWNER,
      { documents: [everything] },
      { limit: 1_000, taskName: "gift" },
    );
    const inputs = differences.map((one) => one.inputs);
    expect(replayed).toBeGreaterThanOrEqual(inputs.length);
    expect(new Set(inputs)).toEqual(new Set(["exact", "masked"]));
    const masked = await h.rows<{ n: string }>(
      "SELECT count(*) AS n FROM concord.policy_inputs WHERE masked",
    );
    expect(inputs.filter((one) => one === "masked")).toHaveLength(Number(masked[0]?.n));
  });

  test("POL-8 a replay changes nothing and writes nothing", async () => {
    const count = async () => (await h.rows("SELECT count(*) FROM concord.domain_events"))[0];
    const atWork = () =>
      h.rows("SELECT 1 FROM concord.commands WHERE status IN ('queued', 'running')");
    await expect.poll(async () => (await atWork()).length, { timeout: 20_000 }).toBe(0);
    const before = await count();
    await lower(1);
    expect(await count()).toEqual(before);
  });

  test("SEC-7 a replay sees one tenant, and is not for everybody", async () => {
    await gift({ amount: 77 }, EVE);
    const mine = await lower(1);
    const theirs = await lower(1, {}, EVE);
    expect(theirs.replayed).toBe(1);
    const own = new Set(theirs.differences.map((one) => one.commandId));
    expect(mine.differences.some((one) => own.has(one.commandId))).toBe(false);
    expect(await refusalOf(lower(1, {}, ANNA))).toBe("forbidden");
  });

  test("POL-20 what cannot be replayed is told, all of it", async () => {
    const bad = { ...limitAt(1), rules: [{ when: "nobody()", decision: "deny", reason: "r" }] };
    const change = { documents: [bad, 7], tasks: ["nothing"] };
    const asked = h.concord.policies.whatIf(OWNER, change, { limit: 10 });
    await expect(asked).rejects.toThrow(/nobody.*object.*nothing/s);
    const nothing = h.concord.policies.whatIf(OWNER, {}, { limit: 10 });
    expect(await refusalOf(nothing)).toBe("validation_error");
  });

  test("API-8 POL-8 over HTTP: the policies, and the difference a document would make", async () => {
    const operatorKeys = [
      parseOperatorKey("own=t1:olga:owner:"),
      parseOperatorKey("op=t1:anna::buy"),
    ];
    const auth = { serviceKey: "service", internalSecret: "unused", operatorKeys };
    const app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
    const ask = async (path: string, key: string, body?: object) => {
      const response = await app.request(path, {
        method: body === undefined ? "GET" : "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    const listed = await ask("/policies", "op");
    expect(listed.body["items"]).toContainEqual({
      name: "gift.stricter",
      version: "1",
      category: "cost",
      mode: "shadow",
      language: "cel",
      tasks: ["gift"],
    });
    const body = { policies: [limitAt(300)], task_name: "gift", limit: 1_000 };
    const { status, body: found } = await ask("/policies/what-if", "own", body);
    expect([status, found["changed"]]).toEqual([200, (await lower(300)).differences.length]);
    expect((await ask("/policies/what-if", "op", body)).status).toBe(403);
    const bad = await ask("/policies/what-if", "own", { policies: [{ name: "x" }] });
    expect([bad.status, (bad.body["error"] as { code: string }).code]).toEqual([
      400,
      "validation_error",
    ]);
    expect((await ask("/policies", "nobody")).status).toBe(401);
  });
});
