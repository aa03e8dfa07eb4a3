import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeId, type Principal } from "../src/index.ts";
import {
  ANNA,
  EVE,
  FRED,
  type Harness,
  refusalOf,
  startHarness,
  TRACE,
} from "./support/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await startHarness();
});
afterAll(() => h.stop());

const DEAR = { amount: 500.01 };
const id = (approval: { approvalId: string }) => encodeId("approval", approval.approvalId);
const resolve = (
  approval: { approvalId: string },
  principal: Principal,
  decision: "approved" | "rejected" = "approved",
) => h.concord.approvals.resolve({ approvalId: id(approval), decision, principal, traceId: TRACE });

describe("approvals", () => {
  test("APR-1 APR-3 APR-5 the gate asks with a whole packet, and approval resumes", async () => {
    const { command } = await h.submit(DEAR);
    expect(command.status).toBe("waiting_for_approval");
    const approval = await h.approvalOf(command);
    expect(approval).toMatchObject({
      status: "pending",
      approver: { kind: "group", name: "finance" },
    });
    const parts = [
      "action",
      "requester",
      "why",
      "affected",
      "triggering_policy",
      "after_approval",
      "risk_level",
      "expires_at",
      "payload_hash",
    ];
    expect(Object.keys(approval.reviewPacket).sort()).toEqual([...parts].sort());
    expect(await h.effects(command)).toEqual([{ status: "planned", attempts: 0 }]);
    expect(await resolve(approval, FRED)).toMatchObject({ status: "approved", decidedBy: "fred" });
    expect((await h.settled(command)).status).toBe("succeeded");
  });

  test("EX-10 exactly 500.00 asks nobody", async () => {
    expect((await h.submit({ amount: 500 })).command.status).toBe("queued");
  });

  test("APR-5 rejection ends the command with its class, and nothing is bought", async () => {
    const { command } = await h.submit({ ...DEAR, order_id: "rejected" });
    await resolve(await h.approvalOf(command), FRED, "rejected");
    const done = await h.settled(command);
    expect([done.status, done.errorClass]).toEqual(["failed", "approval_rejected"]);
    expect(h.vendor.purchases.has("buy:rejected")).toBe(false);
  });

  test("APR-8 APR-10 of two deciders at once one wins; the other conflicts, changes nothing, and is on record", async () => {
    const { command } = await h.submit(DEAR);
    const approval = await h.approvalOf(command);
    const second = { ...FRED, user: "frida" };
    const outcomes = await Promise.all([
      refusalOf(resolve(approval, FRED)),
      refusalOf(resolve(approval, second, "rejected")),
    ]);
    expect(outcomes.filter((one) => one === "approval_already_decided")).toHaveLength(1);
    const decided = await h.approvalOf(command);
    expect(await refusalOf(resolve(approval, FRED))).toBe("approval_already_decided");
    expect(await h.approvalOf(command)).toEqual(decided);
    const attempts = await h.rows<{ status: string }>(
      "SELECT status FROM concord.commands WHERE command_type = 'resolve_approval' AND payload->>'approval_id' = $1 ORDER BY status",
      [id(approval)],
    );
    expect(attempts.map((row) => row.status)).toEqual(["failed", "failed", "succeeded"]);
  });

  test("APR-7 somebody who was not asked is refused, and the question stays open", async () => {
    const { command } = await h.submit(DEAR);
    const approval = await h.approvalOf(command);
    expect(await refusalOf(resolve(approval, { ...FRED, roles: ["kitchen"] }))).toBe(
      "not_approver",
    );
    expect(await refusalOf(resolve(approval, EVE))).toBe("not_found");
    expect((await h.approvalOf(command)).status).toBe("pending");
  });

  test("APR-9 whoever asked may not decide", async () => {
    const { command } = await h.submit(DEAR);
    const self = { ...ANNA, roles: ["finance"] };
    expect(await refusalOf(resolve(await h.approvalOf(command), self))).toBe(
      "self_approval_refused",
    );
  });

  test("APR-17 G5 a command changed before the decision is refused as stale", async () => {
    const { command } = await h.submit(DEAR);
    await h.pool.query(
      `UPDATE concord.commands SET payload = payload || '{"amount": 9000}' WHERE command_id = $1`,
      [command.commandId],
    );
    expect(await refusalOf(resolve(await h.approvalOf(command), FRED))).toBe("approval_stale");
  });

  test("APR-17 G5 a command changed between decision and execution never runs", async () => {
    const { command } = await h.submit({ ...DEAR, order_id: "swapped" });
    const approval = await h.approvalOf(command);
    await h.restart(async () => {
      await h.pool.query(
        "UPDATE concord.approvals SET status = 'approved' WHERE approval_id = $1",
        [approval.approvalId],
      );
      await h.pool.query(
        `UPDATE concord.commands SET status = 'approved', payload = payload || '{"item": "yacht"}' WHERE command_id = $1`,
        [command.commandId],
      );
    });
    // The row changed behind Concord's back, so nobody rang: any message makes the run look again.
    await h.pool.query(
      "UPDATE dbos.workflow_status SET status = 'ERROR' WHERE workflow_uuid = $1",
      [command.workflowId],
    );
    await h.restart();
    const done = await h.settled(command);
    expect(done.status).toBe("failed");
    expect(done.error).toContain("approval_stale");
    expect(h.vendor.purchases.has("buy:swapped")).toBe(false);
  });

  test("STM-11 a decision after the deadline is refused, and the command has expired", async () => {
    const { command } = await h.submit(DEAR);
    const approval = await h.approvalOf(command);
    h.clock.aheadMs = 61 * 60_000;
    try {
      expect(await refusalOf(resolve(approval, FRED))).toBe("approval_already_decided");
    } finally {
      h.clock.aheadMs = 0;
    }
    expect((await h.approvalOf(command)).status).toBe("expired");
    expect((await h.settled(command)).status).toBe("expired");
  });

  test("APR-5 APR-6 when nobody decides, the durable wait ends by itself, also across a restart", async () => {
    const { command } = await h.submit(DEAR);
    await h.restart(async () => {
      await h.pool.query("UPDATE concord.approvals SET expires_at = now() WHERE command_id = $1", [
        command.commandId,
      ]);
      await h.pool.query(
        "UPDATE dbos.workflow_status SET status = 'ERROR' WHERE workflow_uuid = $1",
        [command.workflowId],
      );
    });
    expect((await h.settled(command)).status).toBe("expired");
    expect(await h.eventTypes(command)).toContain("approval_resolved");
  });

  test("CAN-7 APR-15 EX-15 cancelling while it waits cancels the question, and a later vote changes nothing", async () => {
    const { command } = await h.submit({ ...DEAR, order_id: "cancelled" });
    const approval = await h.approvalOf(command);
    const commandId = encodeId("command", command.commandId);
    const cancelled = await h.concord.commands.cancel(ANNA, commandId, "changed my mind");
    expect(cancelled.status).toBe("cancelled");
    expect((await h.approvalOf(command)).status).toBe("cancelled");
    expect(await refusalOf(resolve(approval, FRED))).toBe("approval_already_decided");
    expect((await h.concord.commands.cancel(ANNA, commandId)).status).toBe("cancelled");
    expect(h.vendor.purchases.has("buy:cancelled")).toBe(false);
  });

  test("CAN-11 only the requester or an owner may cancel", async () => {
    const { command } = await h.submit(DEAR);
    const commandId = encodeId("command", command.commandId);
    expect(await refusalOf(h.concord.commands.cancel(FRED, commandId))).toBe("forbidden");
    const owner = { ...FRED, roles: ["owner"] };
    expect((await h.concord.commands.cancel(owner, commandId)).status).toBe("cancelled");
  });

  test("STM-6 approving and cancelling at once: one of them decides the end", async () => {
    for (let round = 0; round < 5; round += 1) {
      const { command } = await h.submit(DEAR);
      const approval = await h.approvalOf(command);
      await Promise.all([
        refusalOf(resolve(approval, FRED)),
        h.concord.commands.cancel(ANNA, encodeId("command", command.commandId)),
      ]);
      const done = await h.settled(command);
      expect(["succeeded", "cancelled"]).toContain(done.status);
      const { status } = await h.approvalOf(command);
      expect(["approved", "cancelled"]).toContain(status);
      const bought = h.vendor.purchases.has(`buy:${done.payload["order_id"]}`);
      if (done.status === "succeeded") expect([status, bought]).toEqual(["approved", true]);
    }
  });
});
