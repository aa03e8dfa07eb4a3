import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeId } from "../src/index.ts";
import { ANNA, EVE, type Harness, refusalOf, startHarness } from "./support/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await startHarness();
});
afterAll(() => h.stop());

const countCommands = async () =>
  Number((await h.rows<{ n: string }>("SELECT count(*) AS n FROM concord.commands"))[0]?.n);

/** As HTTP callers do: told that storage is away (every connection is taken), they ask again under the same key. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!h.concord.isUnavailable(error)) throw error;
    }
  }
}

describe("submission", () => {
  test("PLN-9 STM-10 EX-24 an allowed command runs once and leaves its whole story", async () => {
    const { command, replayed } = await h.submit();
    expect([command.status, replayed]).toEqual(["queued", false]);
    const done = await h.settled(command);
    expect(done.status).toBe("succeeded");
    expect(done.result).toMatchObject({ bought: { item: "chair" } });
    expect(await h.eventTypes(command)).toEqual([
      "command_created",
      "input_validated",
      "state_transitioned",
      "policy_evaluated",
      "policy_evaluated",
      "plan_created",
      "effect_planned",
      "state_transitioned",
      "task_enqueued",
      "state_transitioned",
      "task_started",
      "connector_called",
      "task_succeeded",
      "artifact_created",
      "state_transitioned",
    ]);
    expect(await h.effects(command)).toEqual([{ status: "succeeded", attempts: 1 }]);
  });

  test("CMD-13 CMD-14 sixty-four submissions at once with one key are one command, one run, one purchase", async () => {
    const before = h.vendor.purchases.size;
    const same = { order_id: "many" };
    const all = await Promise.all(
      Array.from({ length: 64 }, () => patiently(() => h.submit(same, { key: "many" }))),
    );
    expect(new Set(all.map(({ command }) => command.commandId)).size).toBe(1);
    expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
    const [first] = all;
    if (first === undefined) throw new Error("unreachable");
    await h.settled(first.command);
    expect(h.vendor.purchases.size).toBe(before + 1);
    const runs = await h.rows("SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid LIKE $1", [
      `%${encodeId("command", first.command.commandId)}%`,
    ]);
    expect(runs).toHaveLength(1);
  });

  test("CMD-15 the same key with another body is a conflict, on record, and changes nothing", async () => {
    const { command } = await h.submit({ order_id: "k" }, { key: "conflict" });
    const before = await countCommands();
    expect(await refusalOf(h.submit({ order_id: "k", amount: 101 }, { key: "conflict" }))).toBe(
      "idempotency_conflict",
    );
    expect(await countCommands()).toBe(before);
    const rejected = await h.rows(
      "SELECT 1 FROM concord.domain_events WHERE event_type = 'command_rejected' AND payload->>'code' = 'idempotency_conflict'",
    );
    expect(rejected).toHaveLength(1);
    expect((await h.submit({ order_id: "k" }, { key: "conflict" })).command.commandId).toBe(
      command.commandId,
    );
  });

  test("CMD-13 the same key in another tenant is another command", async () => {
    const mine = await h.submit({ order_id: "t" }, { key: "tenants" });
    const theirs = await h.submit({ order_id: "t" }, { key: "tenants", as: EVE });
    expect(theirs.command.commandId).not.toBe(mine.command.commandId);
  });

  test("CMD-1 POL-19 a policy that throws denies: the command and its record exist, nothing ran", async () => {
    const { command } = await h.submit({}, { task: "buy_unjudged" });
    expect([command.status, command.errorClass]).toEqual(["failed", "policy_denied"]);
    expect(command.error).toContain("the rates are missing");
    expect(await h.eventTypes(command)).toContain("command_created");
    expect(await h.effects(command)).toEqual([]);
    const calls = await h.rows(
      "SELECT 1 FROM concord.connector_invocations WHERE command_id = $1",
      [command.commandId],
    );
    expect(calls).toEqual([]);
  });

  test("POL-9 without the permission nothing runs", async () => {
    const { command } = await h.submit({}, { as: { ...ANNA, permissions: [] } });
    expect([command.status, command.errorClass]).toEqual(["failed", "policy_denied"]);
    expect(await h.effects(command)).toEqual([]);
  });

  test("PLN-15 STM-5 a failure between the statements of a submission leaves nothing of it", async () => {
    for (const table of [
      "commands",
      "policy_decisions",
      "domain_effects",
      "approvals",
      "domain_events",
    ]) {
      const before = await countCommands();
      await h.pool.query(
        `CREATE FUNCTION concord.break_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''injected''; END'`,
      );
      await h.pool.query(
        `CREATE TRIGGER broken BEFORE INSERT ON concord.${table} FOR EACH ROW EXECUTE FUNCTION concord.break_it()`,
      );
      await expect(h.submit({ amount: 900 })).rejects.toThrow("injected");
      await h.pool.query("DROP FUNCTION concord.break_it() CASCADE");
      expect(await countCommands()).toBe(before);
    }
    const orphans = await h.rows(
      "SELECT 1 FROM concord.domain_events e WHERE command_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM concord.commands c WHERE c.command_id = e.command_id)",
    );
    expect(orphans).toEqual([]);
  });

  test.each([
    ["an unknown task", {}, { task: "sell" }, "unknown_task"],
    ["a payload against the schema", { amount: "much" }, {}, "validation_error"],
    ["an additional field", { extra: 1 }, {}, "validation_error"],
    ["a NUL character", { item: "a\u0000b" }, {}, "validation_error"],
    ["half a surrogate pair", { item: "\ud800" }, {}, "validation_error"],
    ["an empty key", {}, { key: "" }, "validation_error"],
    ["a key that is too long", {}, { key: "k".repeat(300) }, "validation_error"],
    ["a payload that is too large", { item: "x".repeat(800_000) }, {}, "validation_error"],
  ])(
    "CMD-6 %s is refused, on record, and leaves no command",
    async (_name, payload, more, code) => {
      const before = await countCommands();
      expect(await refusalOf(h.submit(payload, more))).toBe(code);
      expect(await countCommands()).toBe(before);
    },
  );

  test("a contract that finds its facts missing fails the command with its class", async () => {
    const { command } = await h.submit({ item: "unknown" });
    expect([command.status, command.errorClass, command.error]).toEqual([
      "failed",
      "validation_error",
      "no such item",
    ]);
  });

  test("a contract that throws while making the result fails the command, and the run goes on for others", async () => {
    const { command } = await h.submit({}, { task: "buy_forgetful" });
    const done = await h.settled(command);
    expect([done.status, done.errorClass, done.error]).toEqual([
      "failed",
      "unknown_error",
      "forgot the result",
    ]);
  });
});

describe("effects", () => {
  test("EX-14 EFF-7 an error before the vendor commits, one after, and a dropped answer: one purchase", async () => {
    for (const fault of ["error_before", "error_after", "drop_after"] as const) {
      const before = h.vendor.purchases.size;
      h.vendor.faults.push(fault);
      const { command } = await h.submit();
      expect((await h.settled(command)).status).toBe("succeeded");
      expect(h.vendor.purchases.size).toBe(before + 1);
      expect(await h.effects(command)).toEqual([{ status: "succeeded", attempts: 2 }]);
    }
  });

  test("EFF-7 what happened outside is on record even while deciding what follows fails", async () => {
    await h.pool.query(
      `CREATE FUNCTION concord.refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'broken on purpose'; END $$;
       CREATE TRIGGER refuse BEFORE UPDATE ON concord.commands FOR EACH ROW
         WHEN (NEW.status = 'succeeded') EXECUTE FUNCTION concord.refuse()`,
    );
    const before = h.vendor.purchases.size;
    const { command } = await h.submit();
    const once = [{ status: "succeeded", attempts: 1 }];
    await expect.poll(() => h.effects(command), { timeout: 20_000 }).toEqual(once);
    await h.pool.query("DROP FUNCTION concord.refuse() CASCADE");
    expect((await h.settled(command)).status).toBe("succeeded");
    expect(await h.effects(command)).toEqual(once);
    expect(h.vendor.purchases.size).toBe(before + 1);
    const told = await h.eventTypes(command);
    expect(told.filter((one) => one === "connector_called")).toHaveLength(1);
  });

  test("RTY-4 attempts are exhausted, then the command fails with the class of the last failure", async () => {
    h.vendor.faults.push("error_before", "error_before", "error_before", "error_before");
    const { command } = await h.submit();
    const done = await h.settled(command);
    expect([done.status, done.errorClass]).toEqual(["failed", "transient_connector_error"]);
    expect(await h.effects(command)).toEqual([{ status: "failed", attempts: 4 }]);
  });

  test("EFF-6 two commands for the same effect: the vendor is asked once, both have the result", async () => {
    const before = h.vendor.purchases.size;
    const same = { order_id: "shared" };
    const [one, two] = await Promise.all([h.submit(same), h.submit(same)]);
    const done = await Promise.all([h.settled(one.command), h.settled(two.command)]);
    expect(done.map((each) => each.status)).toEqual(["succeeded", "succeeded"]);
    expect(h.vendor.purchases.size).toBe(before + 1);
    const succeeded = await h.rows(
      "SELECT 1 FROM concord.domain_effects WHERE idempotency_key = 'buy:shared' AND status = 'succeeded'",
    );
    expect(succeeded).toHaveLength(1);
  });

  test("CON-8 CON-9 the secret is in no table", async () => {
    const tables = ["commands", "domain_events", "connector_invocations", "domain_effects"];
    for (const table of tables) {
      const found = await h.rows(
        `SELECT 1 FROM concord.${table} t WHERE t::text LIKE '%vendor-dev%'`,
      );
      expect(found).toEqual([]);
    }
  });
});

describe("reading", () => {
  test("another tenant sees none of it", async () => {
    const { command } = await h.submit();
    const id = encodeId("command", command.commandId);
    expect(await refusalOf(h.concord.commands.get(EVE, id))).toBe("not_found");
    expect(await refusalOf(h.concord.commands.cancel(EVE, id))).toBe("not_found");
    expect(await refusalOf(h.concord.timeline(EVE, id))).toBe("not_found");
    const theirs = await h.concord.commands.list(EVE, { limit: 200 });
    expect(theirs.items.every((one) => one.tenantId === "t2")).toBe(true);
  });

  test("lists are paged without loss or repetition", async () => {
    const whole = await h.concord.commands.list(ANNA, { limit: 200 });
    const seen: string[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await h.concord.commands.list(ANNA, {
        limit: 3,
        ...(cursor === undefined ? {} : { cursor }),
      });
      seen.push(...page.items.map((one) => one.commandId));
      if (page.nextCursor === null) break;
      cursor = page.nextCursor;
    }
    expect(seen).toEqual(whole.items.map((one) => one.commandId));
    expect(await refusalOf(h.concord.commands.list(ANNA, { limit: 3, cursor: "nonsense" }))).toBe(
      "invalid_cursor",
    );
  });

  test("AUD-2 the audit trail refuses change", async () => {
    await h.settled((await h.submit()).command);
    await expect(h.pool.query("UPDATE concord.domain_events SET actor = 'nobody'")).rejects.toThrow(
      "append-only",
    );
    await expect(h.pool.query("DELETE FROM concord.domain_events")).rejects.toThrow("append-only");
    await expect(h.pool.query("TRUNCATE concord.domain_events")).rejects.toThrow("append-only");
  });
});
