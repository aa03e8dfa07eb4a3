/**
 * The subject "governed": the same two steps as effects of a Concord command, with policy, plan and record. Takes
 * orders as lines of JSON on standard input and answers each with one line.
 */
import { createConcord, encodeId, type Principal } from "@concert/concord";
import pg from "pg";
import contracts from "../contracts.ts";
import { type Order, pause, serveOrders, until } from "../orders.ts";

const databaseUrl = process.env["DATABASE_URL"] ?? "";
const ASKER: Principal = { tenant: "bench", user: "asker", roles: [], permissions: [] };
const DECIDER: Principal = {
  tenant: "bench",
  user: "decider",
  roles: ["measurers", "owner"],
  permissions: [],
};
const TRACE = "0af7651916cd43dd8448eb211c80319c";

const concord = createConcord({ databaseUrl, contracts, executorId: "bench-1" });
await concord.start();
const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });

async function submit(taskName: string, id: string): Promise<string> {
  const { command } = await concord.commands.submit({
    taskName,
    payload: { id },
    principal: ASKER,
    ingress: "api_request",
    traceId: TRACE,
  });
  return command.commandId;
}

const isAt = async (id: string, status: string) => {
  const { rows } = await pool.query(
    "SELECT 1 FROM concord.commands WHERE command_id = $1 AND status = $2",
    [id, status],
  );
  return rows.length === 1;
};

await serveOrders({
  pool,
  submit: (n) => submit("measured", `n${n}`),
  isDone: (id) => isAt(id, "succeeded"),
  doneCount: async () => {
    const { rows } = await pool.query<{ count: string }>(
      "SELECT count(*) FROM concord.commands WHERE status = 'succeeded' AND task_name = 'measured'",
    );
    return Number(rows[0]?.count);
  },
  more: { governance, approvals, park, audit },
});

/** Nothing was skipped to be fast: every command was judged, did both effects, and says so. */
async function governance() {
  const { rows } = await pool.query<Record<string, string>>(`
    SELECT (SELECT count(*) FROM concord.commands WHERE task_name = 'measured') AS commands,
      (SELECT count(*) FROM concord.commands WHERE task_name = 'measured' AND status = 'succeeded') AS succeeded,
      (SELECT count(DISTINCT command_id) FROM concord.policy_decisions JOIN concord.commands USING (command_id)
        WHERE task_name = 'measured') AS judged,
      (SELECT count(*) FROM concord.domain_effects JOIN concord.commands USING (command_id)
        WHERE task_name = 'measured' AND domain_effects.status = 'succeeded') AS effects,
      (SELECT min(events) FROM (SELECT count(*) AS events FROM concord.domain_events
        WHERE task_name = 'measured' GROUP BY command_id) one) AS least_events,
      (SELECT count(*) FROM concord.domain_events WHERE task_name = 'measured') AS events`);
  const found = Object.fromEntries(Object.entries(rows[0] ?? {}).map(([k, v]) => [k, Number(v)]));
  const { commands, succeeded, judged, effects, least_events: least = 0 } = found;
  const isWhole = commands === succeeded && commands === judged && effects === 2 * (commands ?? 0);
  if (!isWhole || least < 12) throw new Error(`governance was skipped: ${JSON.stringify(found)}`);
  return found;
}

/** From the decision's row to the run's next move, by the database's own clock. */
async function approvals({ count }: Order) {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1)
    ids.push(await submit("measured_gated", `gated${n}-${Date.now()}`));
  await pause(1_000);
  for (const commandId of ids) {
    const { items } = await concord.approvals.list(DECIDER, {
      limit: 1,
      commandId: commandId as never,
    });
    const [one] = items;
    if (one === undefined) throw new Error("nobody was asked");
    await concord.approvals.resolve({
      approvalId: encodeId("approval", one.approvalId),
      decision: "approved",
      principal: DECIDER,
      traceId: TRACE,
    });
    await until(() => isAt(commandId, "succeeded"));
  }
  const { rows } = await pool.query<{ ms: number }>(
    `SELECT extract(epoch FROM resumed.created_at - decided.created_at)::float8 * 1000 AS ms
     FROM concord.domain_events decided JOIN concord.domain_events resumed USING (command_id)
     WHERE decided.event_type = 'approval_resolved' AND resumed.event_type = 'state_transitioned'
       AND resumed.payload->>'to' = 'queued' AND command_id = ANY($1)`,
    [ids],
  );
  return { resumedMs: rows.map((row) => row.ms) };
}

/** So many commands that wait for a person: what they cost, and whether lists stay quick. */
async function park({ count }: Order) {
  const settled = async () => {
    globalThis.Bun?.gc(true);
    await pause(500);
    return process.memoryUsage.rss();
  };
  const before = await settled();
  const startMs = performance.now();
  let left = count;
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      while (left > 0) {
        left -= 1;
        await submit("measured_gated", `parked${left}`);
      }
    }),
  );
  await until(async () => {
    await pause(200);
    const { rows } = await pool.query<{ count: string }>(
      "SELECT count(*) FROM dbos.workflow_status WHERE status IN ('ENQUEUED')",
    );
    return Number(rows[0]?.count) === 0;
  });
  const parkMs = performance.now() - startMs;
  await pause(3_000);
  const cpu = process.cpuUsage();
  await pause(5_000);
  const used = process.cpuUsage(cpu);
  const after = await settled();
  const listMs: number[] = [];
  for (let n = 0, cursor: string | undefined; n < 50; n += 1) {
    const from = performance.now();
    const page = await concord.approvals.list(DECIDER, { limit: 50, status: "pending", cursor });
    listMs.push(performance.now() - from);
    cursor = page.nextCursor ?? undefined;
  }
  const idleCpu = (used.user + used.system) / 5_000_000;
  return { parkMs, bytesEach: (after - before) / count, rssMib: after / 2 ** 20, idleCpu, listMs };
}

/** A long record, written straight into the table, then read as people do. */
async function audit({ count }: Order) {
  const each = 20;
  const commands = Math.ceil(count / each);
  await pool.query(
    `INSERT INTO concord.commands (command_id, tenant_id, command_type, task_name, status, requested_by, ingress,
       request_hash, root_command_id, trace_id, created_at, completed_at)
     SELECT id, 'tenant-' || n % 100, 'bulk', 'bulk', 'succeeded', 'user-' || n % 1000, 'api_request', 'x', id, 'x',
       now() - n * interval '1 second', now()
     FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, $1) n) one`,
    [commands],
  );
  await pool.query(
    `INSERT INTO concord.domain_events (event_id, tenant_id, command_id, root_command_id, task_name, purpose,
       event_type, payload, actor, trace_id)
     SELECT gen_random_uuid(), tenant_id, command_id, command_id, 'bulk', 'audit', 'state_transitioned',
       jsonb_build_object('from', 'running', 'to', 'succeeded', 'n', n), requested_by, 'x'
     FROM concord.commands CROSS JOIN generate_series(1, ${each}) n WHERE task_name = 'bulk'`,
  );
  await pool.query("ANALYZE concord.domain_events");
  await pool.query("ANALYZE concord.commands");
  const { rows } = await pool.query<{ command_id: string; tenant_id: string }>(
    "SELECT command_id, tenant_id FROM concord.commands WHERE task_name = 'bulk' ORDER BY random() LIMIT 400",
  );
  const [byCommandMs, pageMs]: [number[], number[]] = [[], []];
  for (const { command_id, tenant_id } of rows) {
    const reader = { ...DECIDER, tenant: tenant_id };
    const id = encodeId("command", command_id as never);
    const from = performance.now();
    const { entries } = await concord.timeline(reader, id);
    byCommandMs.push(performance.now() - from);
    if (entries.length !== each) throw new Error("the record is not whole");
    const again = performance.now();
    await concord.record(reader, { limit: 100 });
    pageMs.push(performance.now() - again);
  }
  return { byCommandMs, pageMs };
}
