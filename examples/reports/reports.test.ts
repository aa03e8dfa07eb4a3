/** EX-1, EX-2, EX-3 on a real Postgres, with a real site. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type Command,
  type Concord,
  createConcord,
  encodeId,
  type JsonObject,
  type Principal,
} from "@concert/concord";
import { startTestPostgres, type TestPostgres } from "@concert/concord/testing";
import pg from "pg";
import contracts from "./contracts.ts";
import { startWorld, type World } from "./world.ts";

const WITHIN_MS = 60_000;
const ADA: Principal = {
  tenant: "acme",
  user: "ada",
  roles: ["analyst", "support"],
  permissions: ["run_reports"],
};
const OTTO: Principal = { tenant: "acme", user: "otto", roles: ["data_owner"], permissions: [] };
const MAY = { from: "2026-05-01", to: "2026-05-31" };

let postgres: TestPostgres;
let world: World;
let concord: Concord;
let pool: pg.Pool;
beforeAll(async () => {
  postgres = await startTestPostgres();
  world = await startWorld(postgres.databaseUrl);
  concord = createConcord({ databaseUrl: postgres.databaseUrl, contracts });
  await concord.start();
  pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 2 });
}, WITHIN_MS);
afterAll(async () => {
  await pool.end();
  await concord.stop();
  await world.stop();
  await postgres.stop();
}, WITHIN_MS);

const traceId = "0af7651916cd43dd8448eb211c80319c";
const submit = async (taskName: string, payload: JsonObject, principal = ADA) =>
  concord.commands.submit({ taskName, payload, principal, traceId, ingress: "user_request" });
const settled = (command: Command) =>
  concord.commands.settled(ADA, encodeId("command", command.commandId), WITHIN_MS);
const run = async (taskName: string, payload: JsonObject, principal = ADA) =>
  settled((await submit(taskName, payload, principal)).command);
const report = async (report_type: string, period = MAY) =>
  String(
    ((await run("generate_report", { report_type, ...period })).result as JsonObject)[
      "artifact_id"
    ],
  );
const decide = async (command: Command, decision: "approved" | "rejected") => {
  const { items } = await concord.approvals.list(OTTO, { limit: 5, commandId: command.commandId });
  for (const one of items.filter(({ status }) => status === "pending")) {
    const approvalId = encodeId("approval", one.approvalId);
    await concord.approvals.resolve({ approvalId, decision, principal: OTTO, traceId });
  }
};

describe("generate_report", () => {
  test(
    "EX-1 EX-24 validated, read, kept as an artifact, and told to whoever asked",
    async () => {
      const done = await run("generate_report", { report_type: "monthly_revenue", ...MAY });
      expect([done.status, done.error]).toEqual(["succeeded", null]);
      const artifactId = String((done.result as JsonObject)["artifact_id"]);
      const artifact = await concord.artifacts.get(ADA, artifactId);
      expect(artifact).toMatchObject({
        artifactType: "report",
        content: { columns: ["month", "revenue"], rows: [["2026-05", "5950"]] },
      });
      const { rows } = await pool.query(
        `SELECT payload->>'to' AS status FROM concord.domain_events
       WHERE command_id = $1 AND event_type = 'state_transitioned' ORDER BY transaction_id, seq`,
        [done.commandId],
      );
      expect(rows.map((row) => row.status)).toEqual([
        "validated",
        "queued",
        "running",
        "succeeded",
      ]);
      const { items } = await concord.notifications.list(ADA, { limit: 10 });
      expect(items.map((one) => one.body)).toContain(artifactId);
    },
    WITHIN_MS,
  );

  test(
    "EX-2 asked for twice, it is one report",
    async () => {
      const period = { from: "2026-05-01", to: "2026-05-10" };
      const payload = { report_type: "monthly_revenue", ...period };
      const [one, two] = await Promise.all([
        submit("generate_report", payload),
        submit("generate_report", payload),
      ]);
      expect(one.command.commandId).toBe(two.command.commandId);
      await settled(one.command);
      const { rows } = await pool.query(
        "SELECT count(*)::int AS n FROM concord.artifacts WHERE command_id = $1",
        [one.command.commandId],
      );
      expect(rows).toEqual([{ n: 1 }]);
    },
    WITHIN_MS,
  );

  test.each([
    ["no permission", { ...ADA, permissions: [] }, "monthly_revenue", "lacks the permission"],
    ["no access to the data", { ...ADA, roles: ["analyst"] }, "customers", "no rule"],
  ] as const)(
    "EX-1 POL-9 %s: denied, and nothing is read",
    async (_what, principal, report_type, part) => {
      const payload = { report_type, from: "2026-05-02", to: "2026-05-03" };
      const { command } = await submit("generate_report", payload, principal);
      expect([command.status, command.errorClass]).toEqual(["failed", "policy_denied"]);
      expect(command.error).toContain(part);
    },
  );

  test("EX-1 what costs more than the limit waits for the owner of the data", async () => {
    const wide = { report_type: "monthly_revenue", from: "2026-01-01", to: "2026-12-31" };
    const { command } = await submit("generate_report", wide);
    expect(command.status).toBe("waiting_for_approval");
    const watched = await pool.query(
      "SELECT decision, mode FROM concord.policy_decisions WHERE command_id = $1 AND policy = 'report.smaller_scans'",
      [command.commandId],
    );
    expect(watched.rows).toEqual([{ decision: "deny", mode: "shadow" }]);
  });
});

describe("publish_report", () => {
  test(
    "EX-3 to an outside address: a person agrees, then it is published exactly once",
    async () => {
      const artifact_id = await report("monthly_revenue");
      const before = world.published.length;
      const payload = { artifact_id, destination: "press@example.org" };
      const { command } = await submit("publish_report", payload);
      expect([command.status, world.published.length]).toEqual(["waiting_for_approval", before]);
      await decide(command, "approved");
      expect((await settled(command)).status).toBe("succeeded");
      const again = await submit("publish_report", payload);
      expect(again.replayed).toBe(true);
      expect(world.published.length).toBe(before + 1);
      const { rows } = await pool.query(
        `SELECT payload->>'to' AS status FROM concord.domain_events
       WHERE command_id = $1 AND event_type = 'state_transitioned' ORDER BY transaction_id, seq`,
        [command.commandId],
      );
      expect(rows.map((row) => row.status)).toEqual([
        "validated",
        "waiting_for_approval",
        "approved",
        "queued",
        "running",
        "succeeded",
      ]);
    },
    WITHIN_MS,
  );

  test(
    "EX-3 personal data inside asks even where the address would not; a no publishes nothing",
    async () => {
      const artifact_id = await report("customers");
      const before = world.published.length;
      const { command } = await submit("publish_report", { artifact_id, destination: "intranet" });
      expect(command.status).toBe("waiting_for_approval");
      await decide(command, "rejected");
      const done = await settled(command);
      expect([done.status, done.errorClass]).toEqual(["failed", "approval_rejected"]);
      expect(world.published.length).toBe(before);
    },
    WITHIN_MS,
  );

  test(
    "EX-3 inside the house and without personal data nobody is asked",
    async () => {
      const artifact_id = await report("monthly_revenue");
      const done = await run("publish_report", { artifact_id, destination: "intranet" });
      expect(done.status).toBe("succeeded");
    },
    WITHIN_MS,
  );
});
