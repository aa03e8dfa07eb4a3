import { createLogger } from "@concert/service-kit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import { type Command, encodeId } from "../src/index.ts";
import { ANNA, FRED, type Harness, startHarness, TRACE } from "./support/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await startHarness();
});
afterAll(() => h.stop());

const DEAR = { amount: 900 };
const resolve = async (command: Command) =>
  h.concord.approvals.resolve({
    approvalId: encodeId("approval", (await h.approvalOf(command)).approvalId),
    decision: "approved",
    principal: FRED,
    traceId: TRACE,
  });

describe("the audit trail", () => {
  test("AUD-5 nine questions about one command, nine queries over the trail alone", async () => {
    h.vendor.faults.push("error_before");
    const { command } = await h.submit({ ...DEAR, order_id: "nine", item: "sofa" });
    await resolve(command);
    expect((await h.settled(command)).status).toBe("succeeded");
    const ask = async (what: string, where: string) => {
      const rows = await h.rows<{ answer: string }>(
        `SELECT ${what} AS answer FROM concord.domain_events WHERE command_id = $1 AND ${where} ORDER BY transaction_id, seq`,
        [command.commandId],
      );
      return rows.map((row) => row.answer);
    };
    const requester = await ask("actor", "event_type = 'command_created'");
    const request = await ask("task_name", "event_type = 'command_created'");
    const policy = await ask("payload->>'decision'", "event_type = 'policy_evaluated'");
    const execution = await ask("payload->>'effect_type'", "event_type = 'task_started'");
    const changes = await ask("payload->>'to'", "event_type = 'state_transitioned'");
    const outputs = await ask("payload->>'title'", "event_type = 'artifact_created'");
    const approver = await ask("payload->>'decided_by'", "event_type = 'approval_resolved'");
    const connector = await ask("payload->>'operation'", "event_type = 'connector_called'");
    const failure = await ask("payload->>'error_class'", "event_type = 'task_failed'");
    expect({
      requester,
      request,
      policy,
      execution,
      outputs,
      approver,
      connector,
      failure,
    }).toEqual({
      requester: ["anna"],
      request: ["buy"],
      policy: ["allow", "require_approval"],
      execution: ["shop.buy", "shop.buy"],
      outputs: ["Receipt"],
      approver: ["fred"],
      connector: ["buy", "buy"],
      failure: ["transient_connector_error"],
    });
    expect(changes).toEqual([
      "validated",
      "waiting_for_approval",
      "approved",
      "queued",
      "running",
      "succeeded",
    ]);
  });

  test("POL-8 each decision is a row of its own: policy, version, outcome, reasons, what it saw", async () => {
    const { command } = await h.submit(DEAR);
    const rows = await h.rows(
      "SELECT policy, policy_version, decision, reasons, inputs_hash FROM concord.policy_decisions WHERE command_id = $1 ORDER BY policy",
      [command.commandId],
    );
    expect(rows).toMatchObject([
      { policy: "limit", policy_version: "1+500.00,EUR", decision: "require_approval" },
      { policy: "may_buy", policy_version: "1+buy", decision: "allow", reasons: ["anna may buy"] },
    ]);
    for (const row of rows) expect(row["inputs_hash"]).toMatch(/^[0-9a-f]{64}$/);
    const same = await h.submit(DEAR);
    const [hash] = await h.rows(
      "SELECT inputs_hash FROM concord.policy_decisions WHERE command_id = $1",
      [same.command.commandId],
    );
    expect(hash?.["inputs_hash"]).not.toBe(rows[0]?.["inputs_hash"]);
  });

  test("APR-3 nobody is asked on half a story: an incomplete packet ends the command", async () => {
    const { command } = await h.submit(DEAR, { task: "buy_unexplained" });
    expect([command.status, command.errorClass]).toEqual(["failed", "policy_denied"]);
    expect(command.error).toContain("why, affected");
    const { items } = await h.concord.approvals.list(FRED, {
      limit: 1,
      commandId: command.commandId,
    });
    expect(items).toEqual([]);
  });

  test("CMD-6 what HTTP refuses is on record with who asked, once, and leaves no command", async () => {
    const operatorKeys = [parseOperatorKey("op=t1:anna::buy")];
    const auth = { serviceKey: "service", internalSecret: "unused-in-this-test", operatorKeys };
    const app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
    const send = (body: string) =>
      app.request("/commands", {
        method: "POST",
        headers: { authorization: "Bearer op", "content-type": "application/json" },
        body,
      });
    const rejected = async () =>
      (
        await h.rows<{ code: string; actor: string }>(
          "SELECT payload->>'code' AS code, actor FROM concord.domain_events WHERE event_type = 'command_rejected' ORDER BY transaction_id, seq",
        )
      ).map(({ code, actor }) => [code, actor]);
    const commands = () => h.rows("SELECT 1 FROM concord.commands");
    const [before, known] = [await rejected(), (await commands()).length];
    for (const body of ["{", '{"payload":1}', '{"task_name":"buy","payload":{"item":1}}']) {
      expect((await send(body)).status).toBe(400);
    }
    expect((await rejected()).slice(before.length)).toEqual([
      ["invalid_json", "anna"],
      ["invalid_request", "anna"],
      ["validation_error", "anna"],
    ]);
    expect((await commands()).length).toBe(known);
  });
});

describe("AUD-8 the record commits with the change, or neither does", () => {
  /** Every insert into `table` fails while `work` runs. */
  async function broken(table: string, work: () => Promise<unknown>) {
    await h.pool.query(
      "CREATE FUNCTION concord.break_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''injected''; END'",
    );
    await h.pool.query(
      `CREATE TRIGGER broken BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION concord.break_it()`,
    );
    try {
      await expect(work()).rejects.toThrow("injected");
    } finally {
      await h.pool.query("DROP FUNCTION concord.break_it() CASCADE");
    }
  }
  const all = async () => {
    const tables = ["commands", "approvals", "domain_effects", "domain_events"];
    const counts = await Promise.all(
      tables.map((table) =>
        h.rows(`SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM concord.${table} t`),
      ),
    );
    return JSON.stringify(counts);
  };

  test.each(["commands", "approvals", "domain_events", "dbos.workflow_status"])(
    "a decision that fails at %s leaves everything as it was, and can be made again",
    async (table) => {
      const { command } = await h.submit(DEAR);
      const before = await all();
      await broken(table.includes(".") ? table : `concord.${table}`, () => resolve(command));
      expect(await all()).toBe(before);
      await resolve(command);
      expect((await h.settled(command)).status).toBe("succeeded");
    },
  );

  test.each(["commands", "approvals", "domain_events"])(
    "a cancellation that fails at %s leaves everything as it was, and can be asked again",
    async (table) => {
      const { command } = await h.submit(DEAR);
      const id = encodeId("command", command.commandId);
      const before = await all();
      await broken(`concord.${table}`, () => h.concord.commands.cancel(ANNA, id));
      expect(await all()).toBe(before);
      expect((await h.concord.commands.cancel(ANNA, id)).status).toBe("cancelled");
    },
  );
});
