import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Command, encodeId, type Principal } from "../src/index.ts";
import deals from "./support/deals.ts";
import { ANNA, EVE, type Harness, refusalOf, startHarness, TRACE } from "./support/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await startHarness({ more: () => deals });
});
afterAll(() => h.stop());

const BEN: Principal = { ...ANNA, user: "ben", roles: ["board"] };
const idOf = (command: Command) => encodeId("command", command.commandId);
type Wish = NonNullable<
  Parameters<Harness["concord"]["commands"]["submit"]>[0]["dependsOn"]
>[number];
const submit = async (
  task: string,
  parents: readonly Command[] = [],
  more: Omit<Wish, "commandId"> = {},
) => {
  const { command } = await h.concord.commands.submit({
    taskName: task,
    payload: { item: "x" },
    principal: ANNA,
    ingress: "user_request",
    traceId: TRACE,
    dependsOn: parents.map((one) => ({ commandId: idOf(one), ...more })),
  });
  return command;
};
/** A command that waits until somebody decides about it. */
const parent = () => submit("deal_yes_or_no");
const decide = async (command: Command, decision: "approved" | "rejected" = "approved") => {
  const { items } = await h.concord.approvals.list(BEN, { limit: 5, commandId: command.commandId });
  const approvalId = encodeId("approval", items[0]?.approvalId ?? "");
  await h.concord.approvals.resolve({ approvalId, decision, principal: BEN, traceId: TRACE });
  return h.settled(command);
};
const now = (command: Command) => h.concord.commands.get(ANNA, idOf(command));
const reaches = (command: Command, status: Command["status"]) =>
  expect.poll(async () => (await now(command)).status, { timeout: 20_000 }).toBe(status);
const startedAfter = async (child: Command, other: Command) => {
  const [row] = await h.rows<{ ok: boolean }>(
    `SELECT (SELECT min(seq) FROM concord.domain_events WHERE command_id = $1 AND payload->>'to' = 'running')
      > (SELECT max(seq) FROM concord.domain_events WHERE command_id = $2 AND payload->>'to' = 'succeeded') AS ok`,
    [child.commandId, other.commandId],
  );
  return row?.ok;
};

describe("commands that wait for commands", () => {
  test.each([
    [0, 1],
    [1, 0],
  ] as const)(
    "CMD-20 CMD-23 the child starts after both parents, in the order %d, %d",
    async (first, second) => {
      const parents: [Command, Command] = [await parent(), await parent()];
      const child = await submit("note", parents);
      expect(child.status).toBe("queued");
      await decide(parents[first]);
      const { reasons } = await h.concord.explain(ANNA, idOf(child));
      expect(reasons[0]).toMatchObject({ kind: "dependency", about: idOf(parents[second]) });
      await decide(parents[second]);
      expect((await h.settled(child)).status).toBe("succeeded");
      expect(await startedAfter(child, parents[first])).toBe(true);
      expect(await startedAfter(child, parents[second])).toBe(true);
    },
  );

  test("CMD-20 a parent that is already where it has to be holds nothing back", async () => {
    const done = await h.settled(await submit("note"));
    expect((await h.settled(await submit("note", [done]))).status).toBe("succeeded");
    const failed = await decide(await parent(), "rejected");
    const cleanUp = await submit("note", [failed], { requiredStatus: "failed" });
    expect((await h.settled(cleanUp)).status).toBe("succeeded");
  });

  test("CMD-22 a parent that fails cancels the child, and says why", async () => {
    const first = await parent();
    const child = await submit("note", [first]);
    await decide(first, "rejected");
    const ended = await h.settled(child);
    expect(ended.status).toBe("cancelled");
    const { entries } = await h.concord.timeline(ANNA, idOf(child));
    expect(entries.at(-1)?.detail ?? entries.at(-2)?.detail).toContain(idOf(first));
  });

  test("CMD-22 without propagation it is blocked, explains itself, and can be cancelled", async () => {
    const first = await parent();
    const child = await submit("note", [first], { propagateCancellation: false });
    await decide(first, "rejected");
    await reaches(child, "blocked");
    const { reasons } = await h.concord.explain(ANNA, idOf(child));
    expect(reasons[0]?.text).toContain("failed");
    await h.concord.commands.cancel(ANNA, idOf(child));
    await reaches(child, "cancelled");
  });

  test("CAN-8 cancelling the top of four levels stops all of them at once", async () => {
    const chain = [await parent()];
    for (let level = 1; level < 4; level += 1) chain.push(await submit("note", chain.slice(-1)));
    const [top] = chain;
    if (top === undefined) throw new Error("unreachable");
    await h.concord.commands.cancel(ANNA, idOf(top), "not any more");
    const statuses = await Promise.all(chain.map(async (one) => (await now(one)).status));
    expect(statuses).toEqual(["cancelled", "cancelled", "cancelled", "cancelled"]);
  });

  test("CAN-8 a child that waits for a decision is stopped with its parent, and its question with it", async () => {
    const first = await parent();
    const child = await submit("deal_yes_or_no", [first]);
    await h.concord.commands.cancel(ANNA, idOf(first));
    expect((await now(child)).status).toBe("cancelled");
    const { items } = await h.concord.approvals.list(BEN, { limit: 5, commandId: child.commandId });
    expect(items.map((one) => one.status)).toEqual(["cancelled"]);
  });

  test("CMD-21 a circle is refused, also of one, also when two close it together", async () => {
    const [a, b, c] = [await parent(), await parent(), await parent()];
    const wait = (child: Command, other: Command) =>
      refusalOf(h.concord.commands.dependOn(ANNA, idOf(child), [{ commandId: idOf(other) }]));
    expect(await wait(b, a)).toBeUndefined();
    expect(await wait(c, b)).toBeUndefined();
    expect(await wait(a, c)).toBe("dependency_cycle");
    expect(await wait(a, a)).toBe("dependency_cycle");
    for (let round = 0; round < 5; round += 1) {
      const [d, e] = [await parent(), await parent()];
      const both = await Promise.all([wait(d, e), wait(e, d)]);
      expect(both.filter((one) => one === "dependency_cycle")).toHaveLength(1);
    }
  });

  test("SEC-7 CMD-21 another tenant's command, a missing one, and one at work cannot be waited with", async () => {
    const { command: foreign } = await h.submit({}, { as: EVE });
    const before = await h.rows("SELECT 1 FROM concord.commands");
    expect(await refusalOf(submit("note", [foreign]))).toBe("not_found");
    expect(await h.rows("SELECT 1 FROM concord.commands")).toHaveLength(before.length);
    const done = await h.settled(await submit("note"));
    const late = h.concord.commands.dependOn(ANNA, idOf(done), [
      { commandId: idOf(await parent()) },
    ]);
    expect(await refusalOf(late)).toBe("illegal_transition");
  });
});
