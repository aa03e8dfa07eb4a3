import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Approval, type Command, encodeId, type Principal } from "../src/index.ts";
import deals from "./support/deals.ts";
import { ANNA, type Harness, refusalOf, startHarness, TRACE } from "./support/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await startHarness({ more: () => deals });
});
afterAll(() => h.stop());

const person = (user: string, ...roles: string[]): Principal => ({ ...ANNA, user, roles });
const BEN = person("ben", "board");
const CLEO = person("cleo", "board");
const DORA = person("dora");
const BOSS = person("boss");

const deal = (taskName: string, payload: Record<string, unknown> = { item: "ship" }) =>
  h.concord.commands.submit({
    taskName,
    payload,
    principal: ANNA,
    ingress: "user_request",
    traceId: TRACE,
  });
const idOf = (command: Command) => encodeId("command", command.commandId);
const approvalsOf = async (command: Command) =>
  (await h.concord.approvals.list(BEN, { limit: 10, commandId: command.commandId })).items;
const asked = async (command: Command): Promise<Approval> => {
  const found = (await approvalsOf(command)).find((one) => one.status === "pending");
  if (found === undefined) throw new Error("nobody is asked");
  return found;
};
const resolve = (
  approval: Approval,
  principal: Principal,
  decision: "approved" | "rejected" | "request_changes" = "approved",
  more: { reason?: string; idempotencyKey?: string } = {},
) =>
  h.concord.approvals.resolve({
    approvalId: encodeId("approval", approval.approvalId),
    decision,
    principal,
    traceId: TRACE,
    ...more,
  });
const delegate = (approval: Approval, principal: Principal, to: string) =>
  h.concord.approvals.delegate({
    approvalId: encodeId("approval", approval.approvalId),
    to,
    principal,
    traceId: TRACE,
  });
const status = async (command: Command) =>
  (await h.concord.commands.get(ANNA, idOf(command))).status;
const events = async (command: Command, type: string) =>
  (
    await h.rows<{ payload: Record<string, unknown> }>(
      "SELECT payload FROM concord.domain_events WHERE command_id = $1 AND event_type = $2 ORDER BY transaction_id, seq",
      [command.commandId, type],
    )
  ).map((row) => row.payload);
/** Time has passed: the durable wait is cut short as a restart would, and looks at its rows. */
const later = async (command: Command, minutes: number, work: () => Promise<void>) => {
  h.clock.aheadMs = minutes * 60_000;
  try {
    await h.restart(async () => {
      await h.pool.query(
        "UPDATE dbos.workflow_status SET status = 'ERROR' WHERE workflow_uuid = $1",
        [command.workflowId],
      );
    });
    await work();
  } finally {
    h.clock.aheadMs = 0;
  }
};

describe("several deciders", () => {
  test("APR-10 a quorum of two waits for the second, counts nobody twice, and tells each vote", async () => {
    const { command } = await deal("deal_two_of_board");
    const approval = await asked(command);
    expect(approval.quorum).toBe(2);
    const first = await resolve(approval, BEN);
    expect([first.status, first.votes.map((vote) => vote.by)]).toEqual(["pending", ["ben"]]);
    expect(await refusalOf(resolve(approval, BEN))).toBe("approval_already_decided");
    expect(await status(command)).toBe("waiting_for_approval");
    expect((await resolve(approval, CLEO)).status).toBe("approved");
    expect((await h.settled(command)).status).toBe("succeeded");
    expect(await events(command, "approval_voted")).toMatchObject([
      { decided_by: "ben", missing: 1 },
    ]);
  });

  test("APR-10 of a quorum one rejection is enough, and of two last votes at once both count once", async () => {
    const { command } = await deal("deal_two_of_board");
    const approval = await asked(command);
    await resolve(approval, BEN);
    await resolve(approval, CLEO, "rejected", { reason: "too dear" });
    expect((await h.settled(command)).errorClass).toBe("approval_rejected");
    const { command: other } = await deal("deal_two_of_board");
    const both = await asked(other);
    const outcomes = await Promise.all([BEN, CLEO].map((one) => resolve(both, one)));
    expect(outcomes.map((one) => one.status).sort()).toEqual(["approved", "pending"]);
    expect((await h.settled(other)).status).toBe("succeeded");
  });

  test("APR-7 a delegate decides in the place of who named them, and they have one say together", async () => {
    const { command } = await deal("deal_two_of_board");
    const approval = await asked(command);
    expect(await refusalOf(delegate(approval, DORA, "eric"))).toBe("not_approver");
    expect(await refusalOf(delegate(approval, BEN, "anna"))).toBe("self_approval_refused");
    await delegate(approval, BEN, "dora");
    expect(await refusalOf(delegate(approval, BEN, "eric"))).toBe("approval_already_decided");
    expect(await refusalOf(delegate(approval, DORA, "eric"))).toBe("not_approver");
    expect((await resolve(approval, DORA)).votes).toMatchObject([
      { by: "dora", onBehalfOf: "ben" },
    ]);
    expect(await refusalOf(resolve(approval, BEN))).toBe("approval_already_decided");
    expect((await resolve(approval, CLEO)).status).toBe("approved");
    expect(await events(command, "approval_delegated")).toMatchObject([{ by: "ben", to: "dora" }]);
  });

  test("V-6 nobody decides for a while: it is escalated, and either may decide", async () => {
    const { command } = await deal("deal_one_of_board");
    const approval = await asked(command);
    expect(await refusalOf(resolve(approval, BOSS))).toBe("not_approver");
    await later(command, 11, async () => {
      await expect
        .poll(async () => (await asked(command)).escalatedAt, { timeout: 20_000 })
        .not.toBeNull();
      expect((await resolve(approval, BOSS)).status).toBe("approved");
    });
    expect((await h.settled(command)).status).toBe("succeeded");
    expect(await events(command, "approval_escalated")).toMatchObject([{ to: "boss" }]);
  });

  test("X-47 EX-16 a type may say that silence fails the command", async () => {
    const { command } = await deal("deal_one_of_board");
    await later(command, 61, async () => {
      expect(await h.settled(command)).toMatchObject({
        status: "failed",
        errorClass: "approval_rejected",
      });
    });
    expect((await approvalsOf(command)).map((one) => one.status)).toEqual(["expired"]);
  });

  test("APR-11 a packet without a field its type needs asks nobody, and nothing runs", async () => {
    const { command } = await deal("deal_one_of_board", { item: "nameless" });
    expect([command.status, command.errorClass]).toEqual(["failed", "policy_denied"]);
    expect(command.error).toContain("Item");
    expect(await approvalsOf(command)).toEqual([]);
  });

  test("APR-18 a decision that arrives twice under one key is one decision; another one under it conflicts", async () => {
    const { command } = await deal("deal_yes_or_no");
    const approval = await asked(command);
    const key = { idempotencyKey: `callback:${idOf(command)}` };
    const outcomes = await Promise.all(
      [1, 2, 3].map(() => resolve(approval, BEN, "approved", key)),
    );
    expect(outcomes.map((one) => one.status)).toEqual(["approved", "approved", "approved"]);
    expect(await refusalOf(resolve(approval, BEN, "rejected", key))).toBe("idempotency_conflict");
    const acts = await h.rows(
      "SELECT 1 FROM concord.commands WHERE command_type = 'resolve_approval' AND idempotency_key = $1",
      [key.idempotencyKey],
    );
    expect(acts).toHaveLength(1);
  });

  test("APR-3 the packet points to a preview that is kept as an artifact", async () => {
    const { command } = await deal("deal_yes_or_no", { item: "plane", price: 7 });
    const { reviewPacket } = await asked(command);
    const preview = await h.concord.artifacts.get(BEN, String(reviewPacket["preview_artifact_id"]));
    expect(preview).toMatchObject({
      artifactType: "approval_packet",
      status: "draft",
      content: { text: "We buy plane", price: 7 },
    });
  });
});

describe("asking for more", () => {
  test("APR-12 X-17 changes are asked for: the command waits for its requester, and what comes back is judged anew", async () => {
    const { command } = await deal("deal_two_of_board", { item: "ship", price: 9 });
    const first = await asked(command);
    expect(await refusalOf(resolve(first, BEN, "request_changes"))).toBe("validation_error");
    const closed = await resolve(first, BEN, "request_changes", { reason: "half the price" });
    expect([closed.status, closed.decision]).toEqual(["rejected", "request_changes"]);
    expect(await status(command)).toBe("waiting_for_input");
    const { reasons } = await h.concord.explain(ANNA, idOf(command));
    expect(reasons[0]?.text).toContain("half the price");
    const again = await h.concord.commands.provideInput(ANNA, idOf(command), { price: 4.5 });
    expect([again.status, again.commandId]).toEqual(["waiting_for_approval", command.commandId]);
    const second = await asked(command);
    expect(second.boundHash).not.toBe(first.boundHash);
    expect(await refusalOf(resolve(first, CLEO))).toBe("approval_already_decided");
    await resolve(second, BEN);
    await resolve(second, CLEO);
    expect((await h.settled(command)).result).toMatchObject({ price: 4.5, item: "ship" });
    const runs = await h.rows("SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid LIKE $1", [
      `%${idOf(command)}%`,
    ]);
    expect(runs).toHaveLength(1);
  });

  test("APR-12 an answer that changes nothing may be approved after all", async () => {
    const { command } = await deal("deal_one_of_board");
    await resolve(await asked(command), BEN, "request_changes", { reason: "are you sure?" });
    await h.concord.commands.provideInput(ANNA, idOf(command), {});
    await resolve(await asked(command), BEN);
    expect((await h.settled(command)).status).toBe("succeeded");
  });

  test("V-14 a type that knows only yes and no refuses to ask for changes", async () => {
    const { command } = await deal("deal_yes_or_no");
    const approval = await asked(command);
    const wish = resolve(approval, BEN, "request_changes", { reason: "blue" });
    expect(await refusalOf(wish)).toBe("validation_error");
    expect((await asked(command)).status).toBe("pending");
  });

  test("POL-10 CMD-9 policy wants to know more: it waits, refuses what does not fit, and goes on with the answer", async () => {
    const { command } = await deal("deal_explained");
    expect(command.status).toBe("waiting_for_input");
    expect(await events(command, "input_requested")).toMatchObject([{ asked_by: "policy" }]);
    const answer = (input: unknown, as = ANNA) =>
      refusalOf(h.concord.commands.provideInput(as, idOf(command), input));
    expect(await answer({ reason: 7 })).toBe("validation_error");
    expect(await answer("because")).toBe("validation_error");
    expect(await answer({ reason: "growth" }, DORA)).toBe("forbidden");
    expect(await status(command)).toBe("waiting_for_input");
    expect(await answer({ reason: "growth" })).toBeUndefined();
    expect((await h.settled(command)).result).toMatchObject({ item: "ship", reason: "growth" });
    expect(await answer({ reason: "again" })).toBe("illegal_transition");
  });

  test("POL-10 an answer that still says too little is asked about once more, in the same run", async () => {
    const { command } = await deal("deal_explained");
    const again = await h.concord.commands.provideInput(ANNA, idOf(command), { item: "boat" });
    expect(again.status).toBe("waiting_for_input");
    await h.concord.commands.provideInput(ANNA, idOf(command), { reason: "fun" });
    expect((await h.settled(command)).result).toMatchObject({ item: "boat", reason: "fun" });
  });

  test("STM-11 X-45 nobody answers: the durable wait ends by itself", async () => {
    const { command } = await deal("deal_explained");
    await later(command, 31, async () => {
      expect((await h.settled(command)).status).toBe("expired");
      const late = h.concord.commands.provideInput(ANNA, idOf(command), { reason: "late" });
      expect(await refusalOf(late)).toBe("illegal_transition");
    });
  });

  test("CAN-7 cancelled while it waits for an answer", async () => {
    const { command } = await deal("deal_explained");
    expect((await h.concord.commands.cancel(ANNA, idOf(command))).status).toBe("cancelled");
    const open = await h.rows("SELECT status FROM concord.input_requests WHERE command_id = $1", [
      command.commandId,
    ]);
    expect(open).toEqual([{ status: "cancelled" }]);
  });
});
