/** What the rows of a command say at each moment, and what holds whoever writes to them. */
import { createLogger } from "@concert/service-kit";
import type pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import { createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import { moveCommand } from "../src/domain/move.ts";
import {
  type Command,
  type Concord,
  type DurableRuntime,
  defineContracts,
  encodeId,
  type Principal,
} from "../src/index.ts";
import { createPgStore } from "../src/postgres/store.ts";
import { createDbosRuntime } from "../src/runtime/dbos/index.ts";
import deals from "./support/deals.ts";
import { ANNA, FRED, type Harness, refusalOf, startHarness, TRACE } from "./support/harness.ts";
import { type Ledger, startLedger } from "./support/ledger.ts";
import trips from "./support/trips.ts";

/** What the next start knows the step of `buy_of_old` as. */
const contractsOf = { step: "buy" };

let h: Harness;
let ledger: Ledger;
let runtime: DurableRuntime<pg.ClientBase>;
beforeAll(async () => {
  ledger = await startLedger();
  process.env["TEST_LEDGER_URL"] = ledger.url;
  const both = defineContracts((catalog) => {
    trips.register(catalog);
    deals.register(catalog);
    catalog.task({
      name: "buy_of_old",
      description: "Bought under contracts that change.",
      inputSchema: {
        type: "object",
        required: ["order_id", "item", "amount"],
        properties: { order_id: { type: "string" } },
      },
      policies: ["may_buy", "limit"],
      gatherFacts: async ({ amount = null }) => ({ amount }),
      steps: [
        {
          kind: "connector",
          id: contractsOf.step,
          connector: "shop",
          operation: "buy",
          effectType: "shop.buy",
          input: ({ payload }) => ({ item: payload["item"] ?? null }),
        },
      ],
      result: () => ({}),
    });
  });
  h = await startHarness({
    more: () => both,
    runtime: (parts) => {
      runtime = createDbosRuntime(parts);
      return runtime;
    },
  });
});
afterEach(() => {
  ledger.faults.clear();
  ledger.letGo();
});
afterAll(async () => {
  await h.stop();
  await ledger.stop();
});

const idOf = (command: Command) => encodeId("command", command.commandId);
let made = 0;
const submit = async (taskName: string, payload: Record<string, unknown>, as: Principal = ANNA) =>
  (
    await h.concord.commands.submit({
      taskName,
      payload,
      principal: as,
      ingress: "user_request",
      traceId: TRACE,
    })
  ).command;
const trip = (task = "trip") => {
  made += 1;
  return submit(task, { trip_id: `rows-${made}` });
};
const rowOf = async (command: Command) =>
  (
    await h.rows("SELECT * FROM concord.commands WHERE command_id = $1", [command.commandId])
  )[0] as Record<string, unknown>;
/** The row and its whole record, as one text. */
const allOf = async (command: Command) =>
  JSON.stringify(
    await h.rows(
      `SELECT c::text FROM concord.commands c WHERE command_id = $1
       UNION ALL SELECT e::text FROM concord.domain_events e WHERE command_id = $1`,
      [command.commandId],
    ),
  );
const resolve = async (command: Command, decision: "approved" | "rejected", reason?: string) =>
  h.concord.approvals.resolve({
    approvalId: encodeId("approval", (await h.approvalOf(command)).approvalId),
    decision,
    principal: FRED,
    traceId: TRACE,
    ...(reason === undefined ? {} : { reason }),
  });

describe("asking", () => {
  test("CMD-11 by task, payload, who asks and key; read by id; stopped by whom and why", async () => {
    expectTypeOf<Concord["commands"]["submit"]>().parameter(0).toMatchTypeOf<{
      readonly taskName: string;
      readonly payload: unknown;
      readonly principal: Principal;
      readonly idempotencyKey?: string;
    }>();
    const { command } = await h.submit({ amount: 900 }, { key: "eleven" });
    expect((await h.concord.commands.get(ANNA, idOf(command))).commandId).toBe(command.commandId);
    await h.concord.commands.cancel(ANNA, idOf(command), "too dear");
    const stopped = await h.settled(command);
    expect(stopped.status).toBe("cancelled");
    expect(await rowOf(command)).toMatchObject({
      idempotency_key: "eleven",
      cancellation_requested_by: "anna",
      cancellation_reason: "too dear",
    });
  });

  test("CMD-8 CMD-12 a source that is none, or that the task does not take, is refused and on record", async () => {
    const rejected = async () =>
      (
        await h.rows<{ message: string }>(
          "SELECT payload->>'message' AS message FROM concord.domain_events WHERE event_type = 'command_rejected' ORDER BY transaction_id, seq",
        )
      ).map(({ message }) => message);
    const before = await rejected();
    const count = async () => (await h.rows("SELECT 1 FROM concord.commands")).length;
    const known = await count();
    const from = (taskName: string, ingress: string) =>
      refusalOf(
        h.concord.commands.submit({
          taskName,
          payload: { due_at: "2027-01-01T00:00:00Z" },
          principal: ANNA,
          ingress: ingress as "api_request",
          traceId: TRACE,
        }),
      );
    expect(await from("expire_approvals", "user_request")).toBe("validation_error");
    expect(await from("note", "pigeon")).toBe("validation_error");
    const [notTaken, none] = (await rejected()).slice(before.length);
    expect(notTaken).toContain("expire_approvals does not accept user_request");
    expect(none).toContain('"pigeon" is no ingress');
    expect(await count()).toBe(known);
  });

  test("CMD-7 API-8 the answer over HTTP is there while the vendor still holds the call", async () => {
    const operatorKeys = [parseOperatorKey("op=t1:anna::buy")];
    const auth = { serviceKey: "service", internalSecret: "unused-in-this-test", operatorKeys };
    const app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
    ledger.faults.set("make flight", ["held"]);
    const response = await app.request("/commands", {
      method: "POST",
      headers: { authorization: "Bearer op", "content-type": "application/json" },
      body: JSON.stringify({ task_name: "trip", payload: { trip_id: "over-http" } }),
    });
    expect(response.status).toBe(202);
    const { command_id: id } = (await response.json()) as { command_id: string };
    await expect.poll(ledger.heldCount, { timeout: 20_000 }).toBe(1);
    expect((await h.concord.commands.get(ANNA, id)).status).toBe("running");
    ledger.letGo();
    expect((await h.concord.commands.settled(ANNA, id, 30_000)).status).toBe("succeeded");
  });
});

describe("a command's row", () => {
  test("CMD-25 result, error, class and the time of the end come with the resting status, never before or after", async () => {
    await h.pool.query(`
      CREATE TABLE public.moves (n BIGSERIAL, id UUID, status TEXT, result JSONB, error TEXT, class TEXT, done TIMESTAMPTZ);
      CREATE FUNCTION public.keep_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.status <> OLD.status THEN
          INSERT INTO public.moves (id, status, result, error, class, done)
          VALUES (NEW.command_id, NEW.status, NEW.result, NEW.error, NEW.error_class, NEW.completed_at);
        END IF;
        RETURN NULL; END $$;
      CREATE TRIGGER keep_move AFTER UPDATE ON concord.commands FOR EACH ROW EXECUTE FUNCTION public.keep_move()`);
    const bought = (await h.submit()).command;
    const denied = (await h.submit({}, { as: { ...ANNA, permissions: [] } })).command;
    const rejected = (await h.submit({ amount: 900 })).command;
    await resolve(rejected, "rejected", "no");
    const stopped = (await h.submit({ amount: 900 })).command;
    await h.concord.commands.cancel(ANNA, idOf(stopped), "enough");
    for (const one of [bought, denied, rejected, stopped]) await h.settled(one);
    const moves = async (command: Command) =>
      h.rows<{ status: string; result: unknown; error: unknown; class: unknown; done: unknown }>(
        "SELECT status, result, error, class, done FROM public.moves WHERE id = $1 ORDER BY n",
        [command.commandId],
      );
    for (const one of [bought, denied, rejected, stopped]) {
      const path = await moves(one);
      for (const early of path.slice(0, -1)) {
        expect(early).toMatchObject({ result: null, error: null, class: null, done: null });
      }
      expect(path.at(-1)?.done).toBeInstanceOf(Date);
      const { result, error, error_class, completed_at } = await rowOf(one);
      const end = { result, error, class: error_class, done: completed_at };
      expect(path.at(-1)).toMatchObject(end);
    }
    expect((await moves(bought)).at(-1)).toMatchObject({
      status: "succeeded",
      result: { bought: { item: "chair" } },
      error: null,
    });
    expect((await moves(denied)).at(-1)).toMatchObject({
      status: "failed",
      class: "policy_denied",
      error: expect.stringContaining("lacks the permission"),
    });
    expect((await moves(rejected)).at(-1)).toMatchObject({ class: "approval_rejected" });
    expect((await moves(stopped)).at(-1)).toMatchObject({ status: "cancelled" });
  });

  test("STM-4 a move outside the table is refused and changes nothing", async () => {
    const { command } = await h.submit();
    const done = await h.settled(command);
    const before = await allOf(done);
    const nothing = async () => {};
    const nobody = { start: nothing, wake: nothing, deliver: nothing };
    const store = createPgStore(
      h.pool,
      () => crypto.randomUUID(),
      () => nobody,
    );
    for (const to of ["running", "queued", "failed", "compensating", "cancelled"] as const) {
      const move = store.transaction((tx) => moveCommand(tx, done, to));
      expect(await refusalOf(move)).toBe("illegal_transition");
    }
    // Nor does one that somebody believes to be elsewhere move.
    const stale = store.transaction((tx) => moveCommand(tx, command, "running"));
    expect(await refusalOf(stale)).toBe("illegal_transition");
    expect(await allOf(done)).toBe(before);
  });

  test("STM-4 asking a finished command for what its status does not allow leaves a trace and nothing else", async () => {
    const { command } = await h.submit();
    await h.settled(command);
    const row = JSON.stringify(await rowOf(command));
    const id = idOf(command);
    expect(await refusalOf(h.concord.commands.provideInput(ANNA, id, { item: "sofa" }))).toBe(
      "illegal_transition",
    );
    const other = idOf((await h.submit()).command);
    const waiting = h.concord.commands.dependOn(ANNA, id, [{ commandId: other }]);
    expect(await refusalOf(waiting)).toBe("illegal_transition");
    expect(JSON.stringify(await rowOf(command))).toBe(row);
    const refused = await h.rows(
      "SELECT actor, payload->>'status' AS status FROM concord.domain_events WHERE command_id = $1 AND event_type = 'transition_refused'",
      [command.commandId],
    );
    expect(refused).toEqual([
      { actor: "anna", status: "succeeded" },
      { actor: "anna", status: "succeeded" },
    ]);
  });

  /** It waits for a person and for another command, so that it has a run meanwhile. */
  const waitingRun = async () => {
    const [{ command: first }, { command }] = [
      await h.submit({ amount: 900 }),
      await h.submit({ amount: 900 }),
    ];
    await h.concord.commands.dependOn(ANNA, idOf(command), [{ commandId: idOf(first) }]);
    return { first, command };
  };

  test("STM-7 the engine's word about a run says nothing about the command, and the other way round", async () => {
    const { first, command } = await waitingRun();
    const { workflowId = null } = await h.concord.commands.get(ANNA, idOf(command));
    await expect
      .poll(async () => (await runtime.inspect(workflowId)).state, { timeout: 20_000 })
      .toBe("taken");
    await runtime.cancel(workflowId ?? "");
    await runtime.signal(workflowId ?? "", "wake", {});
    await expect
      .poll(async () => (await runtime.inspect(workflowId)).state, { timeout: 20_000 })
      .toBe("ended");
    const waiting = await h.concord.commands.get(ANNA, idOf(command));
    expect([waiting.status, waiting.workflowId]).toEqual(["waiting_for_approval", workflowId]);
    await resolve(command, "approved");
    expect((await h.concord.commands.get(ANNA, idOf(command))).status).toBe("approved");
    await resolve(first, "approved");
    await h.restart();
    expect((await h.settled(command)).status).toBe("succeeded");
  });

  test("APR-4 a message alone decides nothing: the row is read, and it is pending", async () => {
    const { first, command } = await waitingRun();
    const { workflowId } = await h.concord.commands.get(ANNA, idOf(command));
    const passed = async () =>
      (
        await h.rows(
          "SELECT 1 FROM dbos.operation_outputs WHERE workflow_uuid = $1 AND completed_at_epoch_ms IS NOT NULL",
          [workflowId],
        )
      ).length;
    await expect.poll(passed, { timeout: 20_000 }).toBeGreaterThan(0);
    const before = await passed();
    await runtime.signal(workflowId ?? "", "wake", { decision: "approved", approved_by: "fred" });
    // The run took the message, read its rows, and waits again.
    await expect.poll(passed, { timeout: 20_000 }).toBeGreaterThan(before + 1);
    expect((await h.approvalOf(command)).status).toBe("pending");
    expect((await h.concord.commands.get(ANNA, idOf(command))).status).toBe("waiting_for_approval");
    expect(await h.effects(command)).toEqual([{ status: "planned", attempts: 0 }]);
    await resolve(first, "approved");
    await resolve(command, "approved");
    expect((await h.settled(command)).status).toBe("succeeded");
  });
});

describe("effects and artifacts", () => {
  const effectsOf = (command: Command) =>
    h.rows<Record<string, unknown>>(
      "SELECT * FROM concord.domain_effects WHERE command_id = $1 ORDER BY ordinal",
      [command.commandId],
    );

  test("EFF-3 every effect is planned before the first one happens", async () => {
    ledger.faults.set("make flight", ["held"]);
    const command = await trip("trip_standing");
    await expect.poll(ledger.heldCount, { timeout: 20_000 }).toBe(1);
    const rows = (await effectsOf(command)).map((row) => [row["effect_type"], row["status"]]);
    expect(rows).toEqual([
      ["trip.flight", "executing"],
      ["trip.stay", "planned"],
      ["trip.mail", "planned"],
    ]);
    ledger.letGo();
    expect((await h.settled(command)).status).toBe("succeeded");
  });

  test("EFF-8 X-7 a planned row alone makes nobody act, nor does a restart", async () => {
    const { command } = await h.submit();
    await h.settled(command);
    await h.pool.query(
      `INSERT INTO concord.domain_effects (domain_effect_id, command_id, tenant_id, step_id, ordinal, effect_type,
         idempotency_key) VALUES (gen_random_uuid(), $1, 't1', 'stray', 9, 'shop.buy', 'buy:stray')`,
      [command.commandId],
    );
    await h.restart();
    // Others come and go meanwhile.
    for (let n = 0; n < 3; n += 1) await h.settled((await h.submit()).command);
    expect((await effectsOf(command)).at(-1)).toMatchObject({ status: "planned", attempts: 0 });
    expect(h.vendor.purchases.has("buy:stray")).toBe(false);
  });

  test("EFF-9 an effect that the contracts of today do not know fails closed, and nobody is called", async () => {
    const command = await submit("buy_of_old", { order_id: "of-old", item: "chair", amount: 900 });
    expect(command.status).toBe("waiting_for_approval");
    contractsOf.step = "renamed";
    await h.restart();
    try {
      await resolve(command, "approved");
      const done = await h.settled(command);
      expect([done.status, done.errorClass]).toEqual(["failed", "validation_error"]);
      expect(done.error).toContain("no longer what it was when this was planned");
    } finally {
      contractsOf.step = "buy";
      await h.restart();
    }
    expect(await h.effects(command)).toEqual([{ status: "planned", attempts: 0 }]);
    const calls = await h.rows(
      "SELECT 1 FROM concord.connector_invocations WHERE command_id = $1",
      [command.commandId],
    );
    expect([calls, h.vendor.purchases.has("buy:of-old")]).toEqual([[], false]);
  });

  test("EFF-10 what only reads or writes down has no effect; an effect is no artifact", async () => {
    const asked = (await h.submit({}, { task: "price" })).command;
    const noted = await submit("note", { item: "chair" });
    const bought = (await h.submit()).command;
    for (const one of [asked, noted, bought]) {
      expect((await h.settled(one)).status).toBe("succeeded");
    }
    const left = async (command: Command) => {
      const artifacts = await h.rows<{ artifact_type: string }>(
        "SELECT artifact_type FROM concord.artifacts WHERE command_id = $1 AND status <> 'draft'",
        [command.commandId],
      );
      return {
        effects: (await effectsOf(command)).map((row) => row["effect_type"]),
        artifacts: artifacts.map((row) => row.artifact_type),
      };
    };
    expect(await left(asked)).toEqual({ effects: [], artifacts: [] });
    expect(await left(noted)).toEqual({ effects: [], artifacts: ["contract"] });
    expect(await left(bought)).toEqual({ effects: ["shop.buy"], artifacts: ["receipt"] });
  });

  test("EFF-11 an effect says which run executed it, what came of it, and when", async () => {
    const good = (await h.submit()).command;
    await h.settled(good);
    expect((await effectsOf(good))[0]).toMatchObject({
      executed_by_dbos_workflow_id: `command:${idOf(good)}`,
      status: "succeeded",
      result: { item: "chair" },
      error: null,
      completed_at: expect.any(Date),
    });
    h.vendor.faults.push("error_before", "error_before", "error_before", "error_before");
    const bad = (await h.submit()).command;
    await h.settled(bad);
    expect((await effectsOf(bad))[0]).toMatchObject({
      executed_by_dbos_workflow_id: `command:${idOf(bad)}`,
      status: "failed",
      result: null,
      error: expect.stringMatching(/./),
      error_class: expect.stringMatching(/_/),
      completed_at: expect.any(Date),
    });
  });

  test("ART-6 an artifact and the event that tells of it are one commit", async () => {
    await h.pool.query(
      `CREATE FUNCTION concord.refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'broken on purpose'; END $$;
       CREATE TRIGGER refuse BEFORE INSERT ON concord.domain_events FOR EACH ROW
         WHEN (NEW.event_type = 'artifact_created') EXECUTE FUNCTION concord.refuse()`,
    );
    const { command } = await h.submit();
    const artifacts = () =>
      h.rows("SELECT 1 FROM concord.artifacts WHERE command_id = $1", [command.commandId]);
    await expect
      .poll(async () => (await h.effects(command))[0]?.status, { timeout: 20_000 })
      .toBe("succeeded");
    expect(await artifacts()).toEqual([]);
    await h.pool.query("DROP FUNCTION concord.refuse() CASCADE");
    expect((await h.settled(command)).status).toBe("succeeded");
    expect(await artifacts()).toHaveLength(1);
    const told = await h.eventTypes(command);
    expect(told.filter((one) => one === "artifact_created")).toHaveLength(1);
  });
});
