/**
 * What differs from run to run happens inside steps (V-78): the bodies of workflows are watched while they run, on DBOS. Every
 * statement, request, thought, look at the clock and made-up id is noted with where it came from.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import nodeCrypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import type { ClientBase } from "pg";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  appNotificationConnector,
  defineContracts,
  encodeId,
  type RuntimeFactory,
  type Thought,
} from "../src/index.ts";
import { createDbosRuntime } from "../src/runtime/dbos/index.ts";
import type { WorkflowBody, WorkflowContext } from "../src/runtime/protocol/index.ts";
import { ANNA, FRED, type Harness, startHarness, TRACE } from "./support/harness.ts";

type Kind = "statement" | "request" | "thought" | "clock" | "chance";

const where = new AsyncLocalStorage<"body" | "step">();
const seen = { body: [] as string[], step: new Map<Kind, number>() };
const bodies = new Set<string>();

function note(kind: Kind): void {
  const place = where.getStore();
  if (place === "body") seen.body.push(`${kind}: ${new Error("here").stack ?? ""}`);
  if (place === "step") seen.step.set(kind, (seen.step.get(kind) ?? 0) + 1);
}

/** Whatever a body asks of its context happens in a step. */
function watchedContext<C>(context: WorkflowContext<C>): WorkflowContext<C> {
  const inStep =
    <A extends readonly unknown[], T>(work: (...given: A) => T) =>
    (...given: A): T =>
      where.run("step", () => work(...given));
  return {
    workflowId: context.workflowId,
    transaction: (name, work) => where.run("step", () => context.transaction(name, inStep(work))),
    step: (name, work) => where.run("step", () => context.step(name, inStep(work))),
    stepUnlessOver: (name, work, isOver) =>
      where.run("step", () => context.stepUnlessOver(name, inStep(work), isOver)),
    wait: inStep((topic: string, deadlineMs: number) => context.wait(topic, deadlineMs)),
    sleep: inStep((ms: number) => context.sleep(ms)),
    assertOwned: inStep(() => context.assertOwned()),
    isInterrupt: (error) => context.isInterrupt(error),
  };
}

const watchedRuntime: RuntimeFactory = (parts) => {
  const runtime = createDbosRuntime(parts);
  const watched = (name: string, body: WorkflowBody<ClientBase>): WorkflowBody<ClientBase> => {
    bodies.add(name);
    return (context, input) => where.run("body", () => body(watchedContext(context), input));
  };
  return {
    ...runtime,
    defineWorkflow: (name, body) => runtime.defineWorkflow(name, watched(name, body)),
  };
};

/** Puts `noted` before what `owner` has under `name`; returns how to take it away. */
function watch<O extends object, K extends keyof O>(owner: O, name: K, kind: Kind): () => void {
  const original = owner[name] as (...given: unknown[]) => unknown;
  owner[name] = function watched(this: unknown, ...given: unknown[]) {
    note(kind);
    return original.apply(this, given);
  } as O[K];
  return () => {
    owner[name] = original as O[K];
  };
}

const contracts = defineContracts((catalog) => {
  catalog.connector(appNotificationConnector({ name: "inbox", keyTemplate: "told:{order_id}" }));
  catalog.task({
    name: "buy_and_tell",
    description: "Buy, keep, and tell.",
    inputSchema: {
      type: "object",
      required: ["order_id", "item", "amount"],
      properties: {
        order_id: { type: "string" },
        item: { type: "string" },
        amount: { type: "number" },
      },
    },
    policies: ["may_buy", "limit"],
    gatherFacts: async ({ amount = null }) => ({ amount }),
    steps: [
      {
        kind: "connector",
        id: "buy",
        connector: "shop",
        operation: "buy",
        effectType: "shop.buy",
        input: ({ payload }) => ({ item: payload["item"] ?? null }),
      },
      {
        kind: "artifact",
        id: "receipt",
        artifactType: "receipt",
        dependsOn: ["buy"],
        title: () => "Receipt",
        content: ({ results }) => ({ bought: results["buy"] ?? null }),
      },
      {
        kind: "connector",
        id: "tell",
        connector: "inbox",
        operation: "send_app_notification",
        effectType: "inbox.told",
        dependsOn: ["receipt"],
        input: ({ requester }) => ({ recipient: requester.user, title: "Bought", body: "Yours." }),
      },
    ],
    result: ({ results }) => results,
    tool: { name: "buy_and_tell" },
  });
});

let h: Harness;
const unwatch: (() => void)[] = [];
beforeAll(async () => {
  const think = async ({ stepIndex }: { readonly stepIndex: number }): Promise<Thought> => {
    note("thought");
    const usage = { inputTokens: 1, outputTokens: 1 };
    const call = {
      callId: "c",
      toolName: "buy_and_tell",
      arguments: { order_id: "watched", item: "lamp", amount: 900 },
    };
    return stepIndex === 0
      ? { kind: "moved", usage, move: { kind: "tool_calls", messageId: "m", calls: [call] } }
      : { kind: "moved", usage, move: { kind: "final", messageId: "m", text: "done" } };
  };
  h = await startHarness({ more: () => contracts, agent: { think }, runtime: watchedRuntime });
  unwatch.push(
    watch(pg.Client.prototype, "query", "statement"),
    watch(globalThis, "fetch", "request"),
    watch(Date, "now", "clock"),
    watch(Math, "random", "chance"),
    watch(globalThis.crypto, "randomUUID", "chance"),
    watch(globalThis.crypto, "getRandomValues", "chance"),
    watch(nodeCrypto, "randomFillSync", "chance"),
    watch(nodeCrypto, "randomUUID", "chance"),
  );
  // Whoever imported them by name is watched as well.
  syncBuiltinESMExports();
});
afterAll(async () => {
  for (const one of unwatch) one();
  syncBuiltinESMExports();
  await h.stop();
});

test("RUN-9 RUN-8 V-78 statements, calls, thoughts, notifications, questions to people, the clock and new ids: all of them in steps, none in a body", async () => {
  h.vendor.faults.push("error_before", "drop_after");
  const { command: turn } = await h.concord.commands.submit({
    taskName: "agent.turn",
    payload: {
      agent_type: "buyer",
      instance_id: "i",
      session_id: "s",
      turn_id: "t",
      text: "buy",
      history: [],
    },
    principal: ANNA,
    ingress: "api_request",
    traceId: TRACE,
  });
  const asked = async () => {
    const { items } = await h.concord.approvals.list(FRED, { limit: 5, status: "pending" });
    return items;
  };
  await expect.poll(async () => (await asked()).length, { timeout: 30_000 }).toBe(1);
  const [approval] = await asked();
  await h.concord.approvals.resolve({
    approvalId: encodeId("approval", approval?.approvalId ?? ("" as never)),
    decision: "approved",
    principal: FRED,
    traceId: TRACE,
  });
  expect((await h.settled(turn)).status).toBe("succeeded");
  const events = (
    await h.rows<{ event_type: string }>(
      "SELECT DISTINCT event_type FROM concord.domain_events WHERE root_command_id = $1",
      [turn.commandId],
    )
  ).map((row) => row.event_type);
  for (const type of [
    "connector_called",
    "notification_sent",
    "approval_requested",
    "artifact_created",
    "task_failed",
  ]) {
    expect(events).toContain(type);
  }
  expect(h.vendor.purchases.size).toBe(1);
  expect([...bodies]).toContain("concord.run_command");
  expect([...seen.step.keys()].sort()).toEqual([
    "chance",
    "clock",
    "request",
    "statement",
    "thought",
  ]);
  expect(seen.body).toEqual([]);
});

test("RUN-9 what a body does by itself would be seen", async () => {
  await where.run("body", async () => {
    Date.now();
    await h.pool.query("SELECT 1");
    globalThis.crypto.randomUUID();
  });
  expect(seen.body.map((one) => one.split(":")[0])).toEqual(
    expect.arrayContaining(["clock", "statement", "chance"]),
  );
});
