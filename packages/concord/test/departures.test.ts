/** What happens in place of what the specification draws otherwise; docs/adr/0030 says why. */
import type { ClientBase } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineContracts, encodeId, NO_RETRY, type RuntimeFactory } from "../src/index.ts";
import { createDbosRuntime } from "../src/runtime/dbos/index.ts";
import type { WorkflowBody } from "../src/runtime/protocol/index.ts";
import { ANNA, FRED, type Harness, startHarness } from "./support/harness.ts";

/** What was seen at a call, in order; and a gate that holds the first call open. */
const seen: string[] = [];
let entered: () => void = () => undefined;
let gate: Promise<void> = Promise.resolve();

/** Says when it is asked whether the run is still ours. */
const watchedRuntime: RuntimeFactory = (parts) => {
  const runtime = createDbosRuntime(parts);
  const watched =
    (body: WorkflowBody<ClientBase>): WorkflowBody<ClientBase> =>
    (context, input) => {
      const assertOwned = async () => {
        seen.push("asked whether the run is ours");
        await context.assertOwned();
      };
      // The workflow's own id is a getter.
      return body(Object.create(context, { assertOwned: { value: assertOwned } }), input);
    };
  return {
    ...runtime,
    defineWorkflow: (name, body) => runtime.defineWorkflow(name, watched(body)),
  };
};

let h: Harness;
beforeAll(async () => {
  h = await startHarness({
    runtime: watchedRuntime,
    more: () =>
      defineContracts((catalog) => {
        const operation = (name: string, throws = false) => ({
          description: name,
          sideEffect: true,
          keyTemplate: `${name}:{this_command}`,
          compensation: { notNeeded: "a test" },
          timeoutMs: 20_000,
          retry: throws ? { attemptsMax: 3, waitsSeconds: [0] } : NO_RETRY,
          call: async () => {
            const { rows } = await h.pool.query<{ told: string }>(
              `SELECT e.status || ', ' || i.status || ', payload ' || e.effect_payload::text AS told
               FROM concord.domain_effects e JOIN concord.connector_invocations i USING (domain_effect_id)
               WHERE e.status = 'executing'`,
            );
            seen.push(`${name} called: ${rows.map(({ told }) => told).join()}`);
            entered();
            await gate;
            if (throws) throw new Error("a mistake of ours");
            return { ok: true, output: { done: name } } as const;
          },
        });
        catalog.connector({
          name: "plant",
          connectorType: "test",
          riskLevel: "low",
          auth: { mode: "none" },
          operations: {
            first: operation("first"),
            second: operation("second"),
            broken: operation("broken", true),
          },
        });
        const step = (id: string, dependsOn: readonly string[] = []) => ({
          kind: "connector" as const,
          id,
          connector: "plant",
          operation: id,
          effectType: `plant.${id}`,
          dependsOn,
          input: () => ({ n: 1 }),
        });
        const common = {
          description: "Two things, one after the other.",
          inputSchema: { type: "object" },
          policies: ["anyone"],
          result: () => ({}),
        };
        catalog.task({
          ...common,
          name: "both",
          steps: [step("first"), step("second", ["first"])],
        });
        catalog.task({ ...common, name: "broken", steps: [step("broken")] });
      }),
  });
});
afterAll(() => h.stop());

test("POL-11 X-7 a question to a person is an approval row with its packet, bound to its command; no effect stands for it", async () => {
  const { command } = await h.submit({ amount: 900 });
  expect(command.status).toBe("waiting_for_approval");
  const rows = await h.rows(
    `SELECT approval_type, approver, command_id, review_packet ->> 'triggering_policy' AS policy
     FROM concord.approvals WHERE command_id = $1`,
    [command.commandId],
  );
  expect(rows).toEqual([
    {
      approval_type: "purchase",
      approver: "finance",
      command_id: command.commandId,
      policy: "limit",
    },
  ]);
  const effects = await h.rows(
    "SELECT effect_type, effect_payload, status FROM concord.domain_effects WHERE command_id = $1",
    [command.commandId],
  );
  // EFF-2: what it will be called with is not known yet.
  expect(effects).toEqual([{ effect_type: "shop.buy", effect_payload: {}, status: "planned" }]);
});

test("RUN-7 the way of a command is read from its rows; the run beneath is steps of one kind until it rests", async () => {
  const { command } = await h.submit({ amount: 900 });
  const approval = await h.approvalOf(command);
  const approvalId = encodeId("approval", approval.approvalId);
  await h.concord.approvals.resolve({
    approvalId,
    decision: "approved",
    principal: FRED,
    traceId: command.traceId,
  });
  expect((await h.settled(command)).status).toBe("succeeded");
  const types = await h.eventTypes(command);
  const order = [
    "command_created",
    "input_validated",
    "policy_evaluated",
    "plan_created",
    "effect_planned",
    "approval_requested",
    "approval_resolved",
    "task_enqueued",
    "task_started",
    "connector_called",
    "task_succeeded",
    "artifact_created",
  ].map((type) => types.indexOf(type));
  expect(order).not.toContain(-1);
  expect(order).toEqual([...order].sort((a, b) => a - b));
  // What ended needs no checkpoint; whatever was checkpointed is the one step that the loop is made of.
  const runs = () =>
    h.rows(
      `SELECT run.status, (SELECT count(*)::int FROM dbos.operation_outputs step
         WHERE step.workflow_uuid = run.workflow_uuid AND step.function_name NOT LIKE 'DBOS.%'
           AND step.function_name <> 'proceed') AS others
       FROM dbos.workflow_status run JOIN concord.commands c ON c.dbos_workflow_id = run.workflow_uuid
       WHERE c.command_id = $1`,
      [command.commandId],
    );
  await expect.poll(runs, { timeout: 30_000 }).toEqual([{ status: "SUCCESS", others: 0 }]);
});

test("RUN-19 around every call: rows are asked and the intent is committed, then whose run it is, then the call; what a connector throws is final", async () => {
  seen.length = 0;
  const { command } = await h.submit({}, { task: "broken" });
  expect(await h.settled(command)).toMatchObject({ status: "failed", errorClass: "unknown_error" });
  expect(seen).toEqual([
    "asked whether the run is ours",
    'broken called: executing, started, payload {"n": 1}',
  ]);
});

test("CAN-3 who asks to stop is heard between calls: the one under way ends, the next does not begin, and the run itself ends well", async () => {
  seen.length = 0;
  let open = () => {};
  gate = new Promise((resolve) => {
    open = () => resolve();
  });
  const begun = new Promise<void>((resolve) => {
    entered = resolve;
  });
  const { command } = await h.submit({}, { task: "both" });
  await begun;
  const id = encodeId("command", command.commandId);
  expect((await h.concord.commands.cancel(ANNA, id)).status).toBe("cancelling");
  open();
  const ended = await h.settled(command);
  expect([ended.status, ended.errorClass]).toEqual(["cancelled", "cancelled"]);
  expect(seen.filter((one) => one.includes("called"))).toEqual([
    expect.stringContaining("first called"),
  ]);
  const effects = await h.effects(command);
  expect(effects.map(({ status }) => status)).toEqual(["succeeded", "planned"]);
  // No exception ended it: the exit is a state that the loop comes to.
  await expect
    .poll(
      async () =>
        (
          await h.rows("SELECT status FROM dbos.workflow_status WHERE workflow_uuid = $1", [
            `command:${id}`,
          ])
        )[0],
      { timeout: 30_000 },
    )
    .toEqual({ status: "SUCCESS" });
});

test("RUN-18 the second engine is Restate: it is told apart by what it offers, and there is none for Temporal", async () => {
  const { createRestateRuntime } = await import("../src/runtime/restate/index.ts");
  const address = "http://127.0.0.1:9";
  const { name, capabilities } = createRestateRuntime({
    ingressUrl: address,
    adminUrl: address,
    listen: { host: "127.0.0.1", port: 0 },
    pool: h.pool,
    log: { warn: () => undefined } as never,
  });
  expect(name).toBe("restate");
  for (const one of [
    "durable_workflows",
    "durable_steps",
    "signals",
    "workflow_versioning",
  ] as const) {
    expect(capabilities.has(one)).toBe(true);
  }
  expect(capabilities.has("saga_compensation_native")).toBe(false);
});
