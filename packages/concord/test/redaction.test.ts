/** Taking something out of the record: gone everywhere, for good, on record, and the record still proves itself. */
import { createLogger } from "@concert/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConcordApp, createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import { packEvidence, unpackEvidence, verifyEvidence } from "../src/evidence/index.ts";
import { type Command, defineContracts, encodeId } from "../src/index.ts";
import { ANNA, EVE, FRED, type Harness, startHarness, TRACE } from "./support/harness.ts";

const OWNER = { ...ANNA, user: "olga", roles: ["owner"] };
/** A policy that says in its reason what it judged. */
const quoting = () =>
  defineContracts((catalog) => {
    catalog.policy({
      name: "quoting",
      version: "1",
      category: "data_safety",
      evaluate: ({ action }) => ({
        decision: "allow",
        reasons: [`a ${String(action.payload["item"])} may be bought`],
      }),
    });
    catalog.task({
      name: "wish",
      description: "Wish for an item.",
      inputSchema: { type: "object", required: ["item"] },
      policies: ["quoting"],
      steps: [],
      result: () => ({}),
    });
  });

let h: Harness;
let app: ConcordApp;
beforeAll(async () => {
  h = await startHarness({ more: quoting });
  const keys = [
    "own=t1:olga:owner:",
    "dpo=t1:dora:privacy_officer:",
    "anna=t1:anna::buy",
    "eve=t2:eve:owner:",
  ];
  const auth = { serviceKey: "s", internalSecret: "x", operatorKeys: keys.map(parseOperatorKey) };
  app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
});
afterAll(() => h.stop());

async function redact(target: string, places: readonly string[], more: object = {}, key = "own") {
  const response = await app.request("/redactions", {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ target, places, reason: "asked for by the buyer", ...more }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: an answer or a refusal, each looked at by its test
  return { status: response.status, body: (await response.json()) as any };
}
const idOf = (command: Command) => encodeId("command", command.commandId);
/** Every row of every table of Concord that holds `text`. */
const whoHolds = async (text: string) => {
  const tables = await h.rows<{ name: string }>(
    `SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
     WHERE table_schema IN ('concord', 'dbos') AND table_type = 'BASE TABLE' ORDER BY 1`,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await h.rows(`SELECT 1 FROM ${name} t WHERE t::text LIKE '%' || $1 || '%'`, [
      text,
    ]);
    if (rows.length > 0) found.push(name.replace("concord.", ""));
  }
  return found;
};
const sealedEvidence = async (id: string) => {
  for (;;) {
    const text = await h.concord.evidence(OWNER, id);
    const report = verifyEvidence(text);
    if (report.unsealed === 0) return { text, report };
  }
};
const bought = async (item: string, amount = 10) => {
  const { command } = await h.submit({ item, amount });
  if (amount > 500) {
    const { approvalId } = await h.approvalOf(command);
    const one = { approvalId: encodeId("approval", approvalId), decision: "approved" } as const;
    await h.concord.approvals.resolve({
      ...one,
      reason: `a ${item} is fine`,
      principal: FRED,
      traceId: TRACE,
    });
  }
  return h.settled(command);
};
const intact = async () => {
  await expect
    .poll(async () => (await h.concord.verifyAudit(OWNER)).unsealed, { timeout: 20_000 })
    .toBe(0);
  return h.concord.verifyAudit(OWNER);
};

describe("redaction on request", () => {
  test("G6 what was named is gone from every table, and chain and evidence still hold", async () => {
    const command = await bought("letter-to-johanna", 900);
    const id = idOf(command);
    const before = await intact();
    const kept = await sealedEvidence(id);
    const held = await whoHolds("letter-to-johanna");
    expect(held).toEqual(
      expect.arrayContaining(["approvals", "artifacts", "commands", "domain_events"]),
    );
    const done = await redact(id, ["/payload/item"], { reason: "no letter-to-johanna any more" });
    expect([done.status, done.body.not_followed]).toEqual([200, 0]);
    expect(Object.keys(done.body.changed).sort()).toEqual(
      expect.arrayContaining(["approvals", "artifacts", "commands", "domain_events"]),
    );
    expect(await whoHolds("letter-to-johanna")).toEqual([]);
    const after = await intact();
    expect([after.intact, after.problems]).toEqual([true, []]);
    expect((await h.concord.verifyAudit(OWNER, { known: before.head })).intact).toBe(true);
    const { text, report } = await sealedEvidence(id);
    expect([report.intact, report.problems]).toEqual([true, []]);
    expect(report.redacted).toBeGreaterThan(0);
    expect(text).not.toContain("letter-to-johanna");
    expect(text).toContain("[redacted]");
    // What somebody exported before is as good as it was.
    expect(verifyEvidence(kept.text)).toMatchObject({ intact: true, redacted: 0 });
  });

  test("it is on record: who, why, and as a command of its own; a refused try too", async () => {
    const command = await bought("ottoman-for-nina");
    const id = idOf(command);
    const refused = await redact(id, ["/payload/item"], {}, "anna");
    expect([refused.status, refused.body.error.code]).toEqual([403, "forbidden"]);
    expect(await whoHolds("ottoman-for-nina")).not.toEqual([]);
    const done = await redact(id, ["/payload/item"], {}, "dpo");
    const acts = await h.rows<{ requested_by: string; status: string }>(
      `SELECT requested_by, status FROM concord.commands WHERE task_name = 'redact_record'
       AND context #>> '{metadata,target_command_id}' = $1 ORDER BY created_at`,
      [id],
    );
    expect(acts).toEqual([
      { requested_by: "anna", status: "failed" },
      { requested_by: "dora", status: "succeeded" },
    ]);
    const { entries } = await h.concord.timeline(OWNER, id);
    const told = entries.filter((one) => one.eventType === "record_redacted");
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ actor: "dora", detail: "asked for by the buyer" });
    expect(told[0]?.payload["act"]).toBe(done.body.command_id);
  });

  test("G6 what policies said about it is gone from their reasons, and only from there", async () => {
    const { command } = await h.submit({ item: "rug-for-theo" }, { task: "wish" });
    await h.settled(command);
    expect(await whoHolds("rug-for-theo")).toContain("policy_decisions");
    const done = await redact(idOf(command), ["/payload/item"]);
    expect(done.body.changed.policy_decisions).toBe(1);
    expect(await whoHolds("rug-for-theo")).toEqual([]);
    const [decision] = await h.rows<{ reasons: string[]; decision: string }>(
      "SELECT reasons, decision FROM concord.policy_decisions WHERE command_id = $1",
      [command.commandId],
    );
    expect(decision).toEqual({ reasons: ["a [redacted] may be bought"], decision: "allow" });
    expect((await intact()).problems).toEqual([]);
  });

  test("AUD-2 it cannot be undone, and done again it changes nothing", async () => {
    const command = await bought("sofa-for-emil");
    const first = await redact(idOf(command), ["/payload/item"]);
    expect(first.body.changed.commands).toBeGreaterThan(0);
    const second = await redact(idOf(command), ["/payload/item"]);
    expect([second.status, second.body.changed]).toEqual([200, {}]);
    await expect(
      h.pool.query("UPDATE concord.domain_events SET payload = '{}' WHERE command_id = $1", [
        command.commandId,
      ]),
    ).rejects.toThrow("append-only");
    await expect(h.pool.query("DELETE FROM concord.event_redactions")).rejects.toThrow(
      "append-only",
    );
    expect((await intact()).problems).toEqual([]);
  });

  test("SEC-7 another tenant's record is not there, and what is still at work is left alone", async () => {
    const command = await bought("lamp-for-oskar");
    const foreign = await redact(idOf(command), ["/payload/item"], {}, "eve");
    expect([foreign.status, foreign.body.error.code]).toEqual([404, "not_found"]);
    const own = await h.submit({ item: "lamp-for-oskar" }, { as: EVE });
    await h.settled(own.command);
    await redact(idOf(command), ["/payload/item"]);
    const rows = await h.rows(
      "SELECT tenant_id FROM concord.commands WHERE payload::text LIKE '%lamp-for-oskar%'",
    );
    expect(rows).toEqual([{ tenant_id: "t2" }]);
    const { command: waiting } = await h.submit({ item: "piano-for-oskar", amount: 900 });
    const busy = await redact(idOf(waiting), ["/payload/item"]);
    expect([busy.status, busy.body.error.code]).toEqual([409, "illegal_transition"]);
  });

  test("an artifact, an event and only the named place; what the record rests on is refused", async () => {
    const command = await bought("vase-for-paula");
    const [artifact] = await h.rows<{ artifact_id: string; checksum: string }>(
      "SELECT artifact_id, checksum FROM concord.artifacts WHERE command_id = $1 AND artifact_type = 'receipt'",
      [command.commandId],
    );
    const id = encodeId("artifact", artifact?.artifact_id ?? "");
    const done = await redact(id, ["/content/bought"], { everywhere: false });
    expect(done.body.changed).toEqual({ artifacts: 1 });
    expect(await whoHolds("vase-for-paula")).toContain("commands");
    const found = await h.concord.artifacts.get(OWNER, id);
    expect([found.content, found.checksum]).toEqual([{ bought: "[redacted]" }, artifact?.checksum]);
    const [event] = await h.rows<{ event_id: string }>(
      "SELECT event_id FROM concord.domain_events WHERE command_id = $1 AND payload ->> 'to' = 'succeeded'",
      [command.commandId],
    );
    const eventId = encodeId("event", event?.event_id ?? "");
    const bearing = await redact(eventId, ["/payload/to"]);
    expect([bearing.status, bearing.body.error.message]).toEqual([
      400,
      expect.stringContaining("rests on"),
    ]);
    expect(
      (await redact(eventId, ["/payload/result"], { everywhere: false })).body.changed,
    ).toEqual({
      domain_events: 1,
    });
    expect((await redact(eventId, ["/payload"], { everywhere: false })).status).toBe(200);
    const [left] = await h.rows<{ payload: object }>(
      "SELECT payload FROM concord.domain_events WHERE event_id = $1",
      [event?.event_id],
    );
    expect(left?.payload).toMatchObject({ from: "running", to: "succeeded" });
    expect((await intact()).problems).toEqual([]);
    expect((await sealedEvidence(idOf(command))).report.problems).toEqual([]);
  });

  test.each([
    ["no place", [], {}],
    ["a place that is none", ["payload.item"], {}],
    ["a place where nothing is", ["/payload/nobody"], {}],
    ["no reason", ["/payload/item"], { reason: " " }],
  ])("%s is refused, and nothing is taken out", async (_what, places, more) => {
    const command = await bought("chair-for-rosa");
    const { status } = await redact(idOf(command), places, more);
    expect(status).toBe(400);
    expect(await whoHolds("chair-for-rosa")).toContain("commands");
  });

  test("somebody with the owner's rights who changes an event and calls it a redaction is found out", async () => {
    const command = await bought("desk-for-simon");
    const { text } = await sealedEvidence(idOf(command));
    await h.pool.query(
      `SELECT concord.redact_event(event_id, payload || '{"reasons": ["forged"]}') FROM concord.domain_events
       WHERE command_id = $1 AND event_type = 'policy_evaluated'`,
      [command.commandId],
    );
    const report = await intact();
    expect(report.intact).toBe(false);
    expect(report.problems.join()).toContain("no event of the record says so");
    const file = verifyEvidence(await h.concord.evidence(OWNER, idOf(command)));
    expect(file.problems.join()).toContain("was changed");
    // In the file too: an event that nobody sealed vouches for nothing.
    const evidence = unpackEvidence(text);
    const [first, ...rest] = evidence.events;
    const changed = JSON.parse(first?.text ?? "[]") as unknown[];
    changed[11] = "nobody";
    const words = JSON.stringify(changed);
    const { createHash } = await import("node:crypto");
    const sha = (one: string) => createHash("sha256").update(one).digest("hex");
    const vouching = [...changed];
    vouching[9] = "record_redacted";
    vouching[10] = {
      events: [{ event_id: "x", before: sha(first?.text ?? ""), after: sha(words) }],
    };
    const forged = verifyEvidence(
      packEvidence({
        ...evidence,
        events: [
          { text: words, seal_no: first?.seal_no ?? null },
          ...rest,
          { text: JSON.stringify(vouching), seal_no: null },
        ],
      }),
    );
    expect(forged.problems.join()).toContain("was changed");
  });
});
