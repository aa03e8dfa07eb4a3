/** A command that waits for a person has no run; the commit that ends the wait starts one (docs/adr/0029). */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Command, encodeId, type Principal, type Thought } from "../src/index.ts";
import deals from "./support/deals.ts";
import { ANNA, FRED, type Harness, refusalOf, startHarness, TRACE } from "./support/harness.ts";

const BEN: Principal = { ...ANNA, user: "ben", roles: ["board"] };
const DEAR = 900;
const PATIENCE = { timeout: 20_000, interval: 20 };
const usage = { inputTokens: 1, outputTokens: 1 };

let h: Harness;
let script: (stepIndex: number, turn: string) => Thought;
beforeAll(async () => {
  h = await startHarness({
    more: () => deals,
    agent: {
      think: async ({ stepIndex, turn }) => script(stepIndex, String(turn["turn_id"])),
    },
  });
});
afterAll(() => h.stop());
beforeEach(() => {
  h.clock.aheadMs = 0;
});

const idOf = (command: Command) => encodeId("command", command.commandId);
/** Every run that the command ever had, with what DBOS says of it. */
const runs = async (command: Command) => {
  const found = await h.rows<{ id: string; status: string }>(
    "SELECT workflow_uuid AS id, status FROM dbos.workflow_status WHERE workflow_uuid LIKE $1 ORDER BY created_at",
    [`command:${idOf(command)}%`],
  );
  return found.map(({ id, status }) => `${id.slice(`command:${idOf(command)}`.length)} ${status}`);
};
const status = async (command: Command) =>
  (await h.concord.commands.get(ANNA, idOf(command))).status;
const decide = async (command: Command, by = FRED) => {
  const { items } = await h.concord.approvals.list(by, { limit: 1, commandId: command.commandId });
  const approvalId = encodeId("approval", items[0]?.approvalId ?? "");
  return h.concord.approvals.resolve({
    approvalId,
    decision: "approved",
    principal: by,
    traceId: TRACE,
  });
};
const deal = async (taskName: string, payload: Record<string, unknown> = { item: "lamp" }) => {
  const request = { taskName, payload, principal: ANNA, traceId: TRACE } as const;
  return (await h.concord.commands.submit({ ...request, ingress: "user_request" })).command;
};

describe("a parked command", () => {
  test("APR-6 RUN-11 has no run while it waits, across a restart, and exactly one after the decision", async () => {
    const { command } = await h.submit({ amount: DEAR });
    await h.restart();
    expect(await runs(command)).toEqual([]);
    expect((await h.concord.explain(ANNA, idOf(command))).reasons.map((one) => one.kind)).toEqual([
      "person",
    ]);
    expect(await h.eventTypes(command)).not.toContain("task_enqueued");
    await decide(command);
    expect((await h.settled(command)).status).toBe("succeeded");
    await expect.poll(() => runs(command), PATIENCE).toEqual([" SUCCESS"]);
    expect(await h.effects(command)).toEqual([{ status: "succeeded", attempts: 1 }]);
    const types = await h.eventTypes(command);
    expect(types.filter((one) => one === "task_enqueued")).toHaveLength(1);
    expect(types.indexOf("task_enqueued")).toBeGreaterThan(types.indexOf("approval_resolved"));
  });

  test("a commit that fails after the decision leaves no run behind, and the next decision starts it", async () => {
    const { command } = await h.submit({ amount: DEAR });
    await h.pool.query(
      `CREATE FUNCTION concord.refuse_enqueued() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'refused on purpose'; END $$;
       CREATE TRIGGER refuse_enqueued BEFORE INSERT ON concord.domain_events FOR EACH ROW
         WHEN (NEW.event_type = 'task_enqueued') EXECUTE FUNCTION concord.refuse_enqueued()`,
    );
    try {
      await expect(decide(command)).rejects.toThrow("refused on purpose");
    } finally {
      await h.pool.query("DROP FUNCTION concord.refuse_enqueued CASCADE");
    }
    expect([await runs(command), await status(command)]).toEqual([[], "waiting_for_approval"]);
    await decide(command);
    expect((await h.settled(command)).status).toBe("succeeded");
    expect(await runs(command)).toHaveLength(1);
  });

  test("STM-11 APR-5 expires without a run when its time is up", async () => {
    const { command } = await h.submit({ amount: DEAR });
    h.clock.aheadMs = 61 * 60_000;
    await expect.poll(() => status(command), PATIENCE).toBe("expired");
    expect(await runs(command)).toEqual([]);
    expect((await h.approvalOf(command)).status).toBe("expired");
    expect(await refusalOf(decide(command))).toBe("approval_already_decided");
  });

  test("STM-12 one that another version moved on without a run is found and done once", async () => {
    const { command } = await h.submit({ amount: DEAR });
    await h.restart(async () => {
      await h.pool.query(
        `WITH decided AS (UPDATE concord.approvals SET status = 'approved' WHERE command_id = $1)
         UPDATE concord.commands SET status = 'approved' WHERE command_id = $1`,
        [command.commandId],
      );
    });
    expect((await h.settled(command)).status).toBe("succeeded");
    expect(await h.effects(command)).toEqual([{ status: "succeeded", attempts: 1 }]);
  });

  test("a run that an earlier version left waiting ends by itself, and the decision starts the next one", async () => {
    const { command } = await h.submit({ amount: DEAR });
    await h.restart(async () => {
      // As an earlier version wrote it: its run is not there, so the reconciler starts one.
      await h.pool.query("UPDATE concord.commands SET parked_run = NULL WHERE command_id = $1", [
        command.commandId,
      ]);
    });
    await expect.poll(() => runs(command), PATIENCE).toEqual([":resume:1 SUCCESS"]);
    expect(await status(command)).toBe("waiting_for_approval");
    await decide(command);
    expect((await h.settled(command)).status).toBe("succeeded");
    await expect
      .poll(() => runs(command), PATIENCE)
      .toEqual([":resume:1 SUCCESS", ":resume:2 SUCCESS"]);
    expect(await h.effects(command)).toEqual([{ status: "succeeded", attempts: 1 }]);
  });

  test("the look for lost runs starts none for what is parked", async () => {
    const { command } = await h.submit({ amount: DEAR });
    await h.restart();
    await h.restart();
    expect(await runs(command)).toEqual([]);
  });

  test("CMD-20 one that has to wait for another command gets its run, to hear of that one's end", async () => {
    const first = await deal("deal_one_of_board");
    const second = await deal("deal_one_of_board");
    await h.concord.commands.dependOn(ANNA, idOf(second), [{ commandId: idOf(first) }]);
    expect(await runs(second)).toHaveLength(1);
    await decide(second, BEN);
    expect(await status(second)).not.toBe("succeeded");
    await decide(first, BEN);
    expect((await h.settled(second)).status).toBe("succeeded");
    expect(await runs(second)).toHaveLength(1);
  });

  test("CAN-7 cancelled while it is parked, it ends without ever having had a run", async () => {
    const { command } = await h.submit({ amount: DEAR });
    await h.concord.commands.cancel(ANNA, idOf(command), "changed my mind");
    expect([await status(command), await runs(command)]).toEqual(["cancelled", []]);
  });
});

describe("a turn whose calls wait for people", () => {
  const turn = async (name: string) => {
    const payload = {
      agent_type: "buyer",
      instance_id: "i",
      session_id: "s",
      turn_id: name,
      text: "buy",
      history: [],
    };
    const request = { taskName: "agent.turn", payload, principal: ANNA, traceId: TRACE } as const;
    return (await h.concord.commands.submit({ ...request, ingress: "api_request" })).command;
  };
  const buying =
    (...amounts: number[]) =>
    (stepIndex: number, name: string): Thought => {
      if (stepIndex > 0) {
        return { kind: "moved", usage, move: { kind: "final", messageId: "m", text: "done" } };
      }
      const calls = amounts.map((amount, n) => ({
        callId: `${name}-${n}`,
        toolName: "buy",
        arguments: { order_id: `${name}-${n}`, item: "desk", amount },
      }));
      return { kind: "moved", usage, move: { kind: "tool_calls", messageId: "m", calls } };
    };
  const waitingCalls = (one: Command) =>
    h.rows<{ command_id: Command["commandId"]; tenant_id: string }>(
      "SELECT command_id, tenant_id FROM concord.commands WHERE parent_command_id = $1 AND status = 'waiting_for_approval' ORDER BY command_id",
      [one.commandId],
    );
  const asking = async (name: string, calls: number) => {
    const one = await turn(name);
    await expect.poll(async () => (await waitingCalls(one)).length, PATIENCE).toBe(calls);
    const children = await waitingCalls(one);
    return {
      one,
      children: children.map((row) => ({ ...one, commandId: row.command_id })),
    };
  };

  test("ends its run, and goes on when the last of them rests", async () => {
    script = buying(DEAR, DEAR);
    const { one, children } = await asking("parked", 2);
    await expect.poll(() => runs(one), PATIENCE).toEqual([" SUCCESS"]);
    expect((await h.concord.explain(ANNA, idOf(one))).reasons.map((why) => why.kind)).toEqual([
      "child",
      "child",
    ]);
    await h.restart();
    for (const child of children) await decide(child);
    expect((await h.settled(one)).status).toBe("succeeded");
    expect(h.vendor.purchases.has("buy:parked-0") && h.vendor.purchases.has("buy:parked-1")).toBe(
      true,
    );
  });

  test("is stopped while it is parked, with its calls", async () => {
    script = buying(DEAR);
    const { one, children } = await asking("stopped", 1);
    await expect.poll(() => runs(one), PATIENCE).toEqual([" SUCCESS"]);
    await h.concord.commands.cancel(ANNA, idOf(one));
    expect((await h.settled(one)).status).toBe("cancelled");
    for (const child of children) expect(await status(child)).toBe("cancelled");
  });

  test("hears of decisions that fall while it is being parked", async () => {
    script = buying(DEAR);
    const turns = await Promise.all(
      Array.from({ length: 24 }, async (_unused, n) => {
        const one = await turn(`race-${n}`);
        for (;;) {
          const [child] = await waitingCalls(one);
          if (child !== undefined) {
            await decide({ ...one, commandId: child.command_id });
            return one;
          }
          await new Promise((resolve) => setTimeout(resolve, n % 5));
        }
      }),
    );
    for (const one of turns) {
      // Sooner than the next look for lost runs would find it.
      await expect.poll(() => status(one), PATIENCE).toBe("succeeded");
    }
  });
});
