import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeId } from "../src/index.ts";
import { FRED, type Harness, startHarness, TRACE } from "./support/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await startHarness();
});
afterAll(() => h.stop());

test("ERR-4 RUN-11 the database drops every connection again and again: accepted commands end, each bought once", async () => {
  const accepted = await Promise.all(
    Array.from({ length: 10 }, (_unused, n) => h.submit({ order_id: `lost-${n}`, amount: n })),
  );
  for (let round = 0; round < 5; round += 1) {
    await h
      .rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
      )
      .catch(() => []);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  const settled = async (n: number) => {
    const { rows } = await h.pool.query(
      "SELECT status FROM concord.commands WHERE payload->>'order_id' = $1",
      [`lost-${n}`],
    );
    return rows[0]?.status;
  };
  for (const [n] of accepted.entries()) {
    await expect
      .poll(() => settled(n).catch(() => "unreachable"), { timeout: 50_000, interval: 200 })
      .toBe("succeeded");
    expect(h.vendor.purchases.has(`buy:lost-${n}`)).toBe(true);
  }
  expect(h.vendor.purchases.size).toBe(10);
});

test("RUN-11 a table that refuses for a moment delays an accepted command and does not end it", async () => {
  const { command } = await h.submit({ amount: 900 });
  const approval = await h.approvalOf(command);
  await h.pool.query(
    `CREATE FUNCTION concord.break_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''injected''; END'`,
  );
  await h.concord.approvals.resolve({
    approvalId: encodeId("approval", approval.approvalId),
    decision: "approved",
    principal: FRED,
    traceId: TRACE,
  });
  await h.pool.query(
    "CREATE TRIGGER broken BEFORE INSERT ON concord.domain_events FOR EACH ROW EXECUTE FUNCTION concord.break_it()",
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  await h.pool.query("DROP FUNCTION concord.break_it() CASCADE");
  expect((await h.settled(command)).status).toBe("succeeded");
});
