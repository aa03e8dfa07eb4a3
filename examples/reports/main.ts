/**
 * `bun examples/reports/main.ts`: makes a report, publishes it with a person's consent, and asks what a stricter policy
 * would have done. Brings its own Postgres.
 */
import { createConcord, encodeId, type JsonObject, type Principal } from "@concert/concord";
import { startTemporaryPostgres } from "@concert/postgres-host";
import contracts from "./contracts.ts";
import { DATA_OWNER, PII_RULES } from "./policies.ts";
import { startWorld } from "./world.ts";

const ANALYST: Principal = {
  tenant: "acme",
  user: "ada",
  roles: ["analyst", "support", "owner"],
  permissions: ["run_reports"],
};
const OWNER: Principal = {
  tenant: "acme",
  user: "otto",
  roles: [DATA_OWNER.name],
  permissions: [],
};
const MAY = { from: "2026-05-01", to: "2026-05-31" };
const say = (line: string) => void process.stdout.write(`${line}\n`);

const postgres = await startTemporaryPostgres();
const world = await startWorld(postgres.url);
const concord = createConcord({ databaseUrl: postgres.url, contracts, executorId: "reports-1" });
await concord.start();
const trace = () => crypto.randomUUID().replaceAll("-", "");

const run = async (taskName: string, payload: JsonObject) => {
  const request = { taskName, payload, principal: ANALYST, traceId: trace() } as const;
  const { command } = await concord.commands.submit({ ...request, ingress: "user_request" });
  const id = encodeId("command", command.commandId);
  if (command.status === "waiting_for_approval") {
    const { items } = await concord.approvals.list(OWNER, {
      limit: 1,
      commandId: command.commandId,
    });
    const asked = items[0];
    if (asked === undefined) throw new Error("nobody was asked");
    say(`  asked ${asked.approver.name}: ${String(asked.reviewPacket["action"])}`);
    const approvalId = encodeId("approval", asked.approvalId);
    await concord.approvals.resolve({
      approvalId,
      decision: "approved",
      principal: OWNER,
      traceId: trace(),
    });
  }
  const done = await concord.commands.settled(ANALYST, id, 60_000);
  say(`${taskName}: ${done.status} ${done.error ?? JSON.stringify(done.result)}`);
  return done.result as JsonObject;
};

const revenue = await run("generate_report", { report_type: "monthly_revenue", ...MAY });
await run("publish_report", { artifact_id: revenue["artifact_id"] ?? "", destination: "intranet" });
const customers = await run("generate_report", { report_type: "customers", ...MAY });
await run("publish_report", {
  artifact_id: customers["artifact_id"] ?? "",
  destination: "press@example.org",
});
say(`the site has ${world.published.length} reports`);

const stricter = {
  ...PII_RULES,
  version: "2",
  rules: PII_RULES.rules.map((rule) => ({ ...rule, decision: "deny" as const, approvals: [] })),
};
const { replayed, differences } = await concord.policies.whatIf(
  ANALYST,
  { documents: [stricter] },
  { limit: 100, taskName: "publish_report" },
);
say(
  `what if personal data were never published: ${differences.length} of ${replayed} would differ`,
);
for (const { before, after } of differences) {
  say(`  ${before.decision} -> ${after.decision}: ${after.reasons.join("; ")}`);
}
await concord.stop();
await world.stop();
await postgres.stop();
process.exit(0);
