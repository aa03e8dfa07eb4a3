import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ANNA, EVE, type Harness, refusalOf, startHarness } from "./support/harness.ts";

const OWNER = { ...ANNA, roles: ["owner"] };
let h: Harness;
beforeAll(async () => {
  h = await startHarness();
});
afterAll(() => h.stop());

/** What only somebody with the owner's rights can do: the table's own guard is put aside. */
const tamper = async (table: string, statement: string) => {
  await h.pool.query(`ALTER TABLE concord.${table} DISABLE TRIGGER USER`);
  await h.pool.query(statement);
  await h.pool.query(`ALTER TABLE concord.${table} ENABLE TRIGGER USER`);
};
const sealed = async () => {
  await expect
    .poll(async () => (await h.concord.verifyAudit(OWNER)).unsealed, { timeout: 20_000 })
    .toBe(0);
  return h.concord.verifyAudit(OWNER);
};

test("AUD-2 the chain covers every event of the tenant, grows, and says so to owners only", async () => {
  await h.settled((await h.submit()).command);
  await h.settled((await h.submit({}, { as: EVE })).command);
  const first = await sealed();
  const [count] = await h.rows<{ n: string }>(
    "SELECT count(*) AS n FROM concord.domain_events WHERE tenant_id = 't1'",
  );
  expect(first).toMatchObject({ intact: true, problems: [], events: Number(count?.n) });
  await h.settled((await h.submit()).command);
  const second = await sealed();
  expect([second.intact, second.seals > first.seals]).toEqual([true, true]);
  expect((await h.concord.verifyAudit(OWNER, { known: first.head })).intact).toBe(true);
  expect(await refusalOf(h.concord.verifyAudit(ANNA))).toBe("forbidden");
});

test("AUD-2 twenty writers at once and three sealers: no event is left out or sealed twice", async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => h.submit()));
  await Promise.all([1, 2, 3].map(() => h.concord.verifyAudit(OWNER)));
  for (const { command } of all) await h.settled(command);
  const report = await sealed();
  const [count] = await h.rows<{ n: string }>(
    "SELECT count(*) AS n FROM concord.domain_events WHERE tenant_id = 't1'",
  );
  expect([report.intact, report.events]).toEqual([true, Number(count?.n)]);
});

test.each([
  [
    "a changed event",
    "domain_events",
    "UPDATE concord.domain_events SET actor = 'nobody' WHERE seq = (SELECT min(seq) FROM concord.domain_events WHERE tenant_id = 't1')",
    "an event was changed",
  ],
  [
    "a removed event",
    "domain_events",
    "DELETE FROM concord.domain_events WHERE seq = (SELECT min(seq) FROM concord.domain_events WHERE tenant_id = 't1')",
    "events were sealed",
  ],
  [
    "an event slipped in among old ones",
    "domain_events",
    `INSERT INTO concord.domain_events (event_id, transaction_id, tenant_id, purpose, event_type, actor, trace_id)
     SELECT gen_random_uuid(), min(transaction_id), 't1', 'audit', 'forged', 'x', 'x' FROM concord.domain_events WHERE tenant_id = 't1'`,
    "events were sealed",
  ],
  [
    "a removed seal",
    "audit_seals",
    "DELETE FROM concord.audit_seals WHERE tenant_id = 't1' AND seal_no = 1",
    "a seal before it is missing",
  ],
  [
    "a rewritten seal",
    "audit_seals",
    "UPDATE concord.audit_seals SET hash = sha256('x') WHERE tenant_id = 't1' AND seal_no = 1",
    "the seal itself was changed",
  ],
])("AUD-2 %s is found", async (_name, table, statement, problem) => {
  await sealed();
  const copies = ["domain_events", "audit_seals"];
  for (const one of copies) {
    await h.pool.query(`CREATE TABLE concord.copy_${one} AS TABLE concord.${one}`);
  }
  await tamper(table, statement);
  const report = await h.concord.verifyAudit(OWNER);
  for (const one of copies) {
    await tamper(one, `DELETE FROM concord.${one}`);
    await tamper(one, `INSERT INTO concord.${one} SELECT * FROM concord.copy_${one}`);
    await h.pool.query(`DROP TABLE concord.copy_${one}`);
  }
  expect(report.intact).toBe(false);
  expect(report.problems.join("\n")).toContain(problem);
  expect((await h.concord.verifyAudit(OWNER)).intact).toBe(true);
});

test("AUD-2 a cut-off end is seen by whoever kept a head", async () => {
  const { head, seals } = await sealed();
  await h.pool.query("CREATE TABLE concord.copy_seals AS TABLE concord.audit_seals");
  await tamper(
    "audit_seals",
    `DELETE FROM concord.audit_seals WHERE tenant_id = 't1' AND seal_no = ${seals}`,
  );
  const [cut] = await h.rows<{ hash: string }>(
    "SELECT encode(hash, 'hex') AS hash FROM concord.audit_seals WHERE tenant_id = 't1' ORDER BY seal_no DESC LIMIT 1",
  );
  expect(cut?.hash).not.toBe(head);
  await tamper(
    "domain_events",
    "DELETE FROM concord.domain_events WHERE (transaction_id, seq) > (SELECT last_transaction, last_seq FROM concord.audit_seals WHERE tenant_id = 't1' ORDER BY seal_no DESC LIMIT 1) AND tenant_id = 't1'",
  );
  expect((await h.concord.verifyAudit(OWNER)).intact).toBe(true);
  const report = await h.concord.verifyAudit(OWNER, { known: head });
  expect(report.problems).toEqual([
    "the head that was kept is not in the chain: its end was cut off",
  ]);
});

test("AUD-2 the application role can add to the record and read it, and nothing else", async () => {
  await h.pool.query("DROP ROLE IF EXISTS concord_test_server");
  await h.pool.query("CREATE ROLE concord_test_server LOGIN PASSWORD 'test' IN ROLE concord_app");
  const url = new URL(h.databaseUrl);
  url.username = "concord_test_server";
  url.password = "test";
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    expect((await client.query("SELECT count(*) FROM concord.domain_events")).rows).toHaveLength(1);
    await client.query(
      "INSERT INTO concord.domain_events (event_id, tenant_id, purpose, event_type, actor, trace_id) VALUES (gen_random_uuid(), 't9', 'audit', 'tick', 'test', 'trace')",
    );
    for (const statement of [
      "UPDATE concord.domain_events SET actor = 'x'",
      "DELETE FROM concord.domain_events",
      "TRUNCATE concord.domain_events",
      "ALTER TABLE concord.domain_events DISABLE TRIGGER USER",
      "UPDATE concord.audit_seals SET hash = ''",
      "DELETE FROM concord.commands",
      "DELETE FROM concord.policy_decisions",
    ]) {
      await expect(client.query(statement), statement).rejects.toMatchObject({ code: "42501" });
    }
  } finally {
    await client.end();
    await h.pool.query("DROP ROLE concord_test_server");
  }
});
